//! Responses as bytes: the head, the framing of the body, and the date.

use std::cell::RefCell;
use std::io::{self, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::header::is_value_byte;
use crate::{HTTPVersion, Header, StatusCode};

/// Bytes of a body that are encoded at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Digits of a chunk's size, enough for a piece. They are written before the size is known.
const SIZE_DIGITS: usize = 5;

/// What the request and the server have to say about the form of a response.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) version: &'a HTTPVersion,
    pub(crate) te: Option<&'a str>,
    pub(crate) is_head: bool,
    pub(crate) upgrade: Option<&'a str>,
    /// Whether the connection stays open and what the client expects without being told; `None`: not known.
    pub(crate) connection: Option<Keep>,
}

/// What becomes of the connection after the response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub(crate) is_kept: bool,
    pub(crate) is_kept_by_default: bool,
}

/// The body that is still to be encoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    /// So many bytes, no more and no less.
    Length(usize),
    /// Chunks; if `is_prompt`, each as soon as it is read.
    Chunked {
        is_prompt: bool,
    },
    /// Everything until the connection is closed.
    UntilClose,
}

/// How the body of a response with this status is delimited when its length is not asked about.
fn is_identity(exchange: &Exchange<'_>, status: StatusCode) -> Option<bool> {
    if *exchange.version <= (1, 0) || status.forbids_body() {
        return Some(true);
    }
    exchange.te.and_then(wants_identity)
}

/// Whether the response can only be written when the length of its body is known, or the connection is closed after it.
pub(crate) fn needs_length(exchange: &Exchange<'_>, status: StatusCode) -> bool {
    exchange.upgrade.is_none() && is_identity(exchange, status) == Some(true)
}

/// Encodes the status line and all headers, and answers how the body goes on.
pub(crate) fn head(
    status: StatusCode,
    headers: &[Header],
    length: Option<usize>,
    chunked_threshold: usize,
    exchange: &Exchange<'_>,
    out: &mut Vec<u8>,
) -> io::Result<Body> {
    if let Some(header) = headers.iter().find(|header| !header.is_sendable()) {
        return Err(unsendable(header.field.as_str().as_str()));
    }
    if exchange.upgrade.is_some_and(|protocol| !protocol.bytes().all(is_value_byte)) {
        return Err(unsendable("Upgrade"));
    }
    let has_body = !exchange.is_head && !status.forbids_body();
    let body = match (exchange.upgrade, is_identity(exchange, status), length) {
        (Some(_), _, _) => Body::None,
        (None, Some(true), Some(length)) => Body::Length(length),
        (None, Some(true), None) => Body::UntilClose,
        (None, None, Some(length)) if length < chunked_threshold => Body::Length(length),
        (None, _, length) => Body::Chunked { is_prompt: length.is_none() },
    };

    status_line(exchange.version, status, out);
    let has = |name: &'static str| headers.iter().any(|header| header.field.equiv(name));
    if let Some(protocol) = exchange.upgrade {
        field("Connection", "upgrade", out);
        field("Upgrade", protocol, out);
    }
    if !has("Server") {
        field("Server", "tiny-http (Rust)", out);
    }
    if !has("Date") {
        with_date(|date| field("Date", date, out));
    }
    match exchange.connection {
        _ if exchange.upgrade.is_some() => {}
        Some(keep) if !keep.is_kept || (has_body && body == Body::UntilClose) => field("Connection", "close", out),
        Some(keep) if !keep.is_kept_by_default => field("Connection", "keep-alive", out),
        _ => {}
    }
    for header in headers {
        field(header.field.as_str().as_str(), header.value.as_str(), out);
    }
    match body {
        _ if status.forbids_body() => {}
        Body::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        Body::Chunked { .. } => field("Transfer-Encoding", "chunked", out),
        Body::None | Body::UntilClose => {}
    }
    out.extend_from_slice(b"\r\n");
    Ok(if has_body { body } else { Body::None })
}

fn unsendable(name: &str) -> io::Error {
    let problem = format!("the header {name:?} has characters that cannot be sent");
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

fn status_line(version: &HTTPVersion, status: StatusCode, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/");
    decimal(version.0.into(), out);
    out.push(b'.');
    decimal(version.1.into(), out);
    out.push(b' ');
    decimal(status.0.into(), out);
    out.push(b' ');
    out.extend_from_slice(status.default_reason_phrase().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn field(name: &str, value: &str, out: &mut Vec<u8>) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn decimal(mut number: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// What a `TE` header prefers: identity (true), chunks (false) or neither.
fn wants_identity(te: &str) -> Option<bool> {
    let mut best: Option<(f32, bool)> = None;
    for element in te.split(',') {
        let mut parts = element.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse().ok()).unwrap_or(1.0);
        let is_identity = coding.eq_ignore_ascii_case("identity");
        if (is_identity || coding.eq_ignore_ascii_case("chunked"))
            && quality > 0.0
            && best.is_none_or(|(best, _)| quality > best)
        {
            best = Some((quality, is_identity));
        }
    }
    best.map(|(_, is_identity)| is_identity)
}

impl Body {
    /// Encodes the next piece of the body and answers whether it was the last. A reader that fails or ends before the
    /// promised length is an error: what has been sent cannot be completed, and the connection must be closed.
    pub(crate) fn encode<R: Read>(&mut self, reader: &mut R, out: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Body::None => Ok(true),
            Body::Length(remaining) => {
                let wanted = (*remaining).min(PIECE_BYTES);
                let count = read_piece(reader, wanted, out)?;
                *remaining -= count;
                if count < wanted {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body is shorter than its length"));
                }
                Ok(*remaining == 0)
            }
            Body::Chunked { is_prompt } => {
                let start = out.len();
                out.extend_from_slice(&[b'0'; SIZE_DIGITS]);
                out.extend_from_slice(b"\r\n");
                let count = match is_prompt {
                    true => read_once(reader, out)?,
                    false => read_piece(reader, PIECE_BYTES, out)?,
                };
                if count == 0 {
                    out.truncate(start);
                    out.extend_from_slice(b"0\r\n\r\n");
                    return Ok(true);
                }
                let size = format!("{count:0SIZE_DIGITS$x}");
                out[start..start + SIZE_DIGITS].copy_from_slice(size.as_bytes());
                out.extend_from_slice(b"\r\n");
                Ok(false)
            }
            Body::UntilClose => Ok(read_once(reader, out)? == 0),
        }
    }
}

/// Reads `wanted` bytes, or all there are.
fn read_piece<R: Read>(reader: &mut R, wanted: usize, out: &mut Vec<u8>) -> io::Result<usize> {
    if wanted == 0 {
        return Ok(0);
    }
    out.reserve(wanted);
    reader.by_ref().take(wanted as u64).read_to_end(out)
}

/// Reads what the reader has at once, because more may be long in coming.
fn read_once<R: Read>(reader: &mut R, out: &mut Vec<u8>) -> io::Result<usize> {
    let start = out.len();
    out.resize(start + PIECE_BYTES / 4, 0);
    let count = loop {
        match reader.read(&mut out[start..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    out.truncate(start + count.as_ref().copied().unwrap_or(0));
    count
}

thread_local! {
    /// The date in the form of HTTP, and the second for which it is right.
    static DATE: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

fn with_date(then: impl FnOnce(&str)) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    DATE.with_borrow_mut(|(second, text)| {
        if *second != now {
            *second = now;
            *text = http_date(now);
        }
        then(text);
    });
}

/// A time as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);

    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let weekday = DAYS[(days % 7) as usize];
    format!("{weekday}, {:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT", day + 1, MONTHS[month])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges_of_months_and_years() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(951_782_399), "Mon, 28 Feb 2000 23:59:59 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(4_102_444_799), "Thu, 31 Dec 2099 23:59:59 GMT");
        assert_eq!(http_date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
    }

    #[test]
    fn a_te_header_chooses_by_quality_and_then_by_order() {
        assert_eq!(wants_identity("identity"), Some(true));
        assert_eq!(wants_identity("chunked;q=0.5, identity"), Some(true));
        assert_eq!(wants_identity("Chunked, identity"), Some(false));
        assert_eq!(wants_identity("identity;q=0, gzip"), None);
        assert_eq!(wants_identity("trailers"), None);
    }
}
