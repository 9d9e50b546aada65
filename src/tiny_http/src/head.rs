//! The head of a request: where it ends, what it says, and how its body is framed.
//!
//! Everything that could be read in two ways is refused, because a proxy in front of us may read it the
//! other way: that is how requests are smuggled.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::header::is_value_byte;
use crate::limits::{HEADERS_MAX, Limits, Reject};
use crate::{HTTPVersion, Header, Method};

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// A head that has been read. It is used again for the next request of its connection.
#[derive(Debug)]
pub(crate) struct Head {
    /// The whole head, which is ASCII.
    text: String,
    fields: Vec<(Range<u32>, Range<u32>)>,
    pub(crate) target: String,
    pub(crate) method: Method,
    pub(crate) version: HTTPVersion,
    pub(crate) framing: Framing,
    content_length: Option<u64>,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) expects_continue: bool,
}

impl Default for Head {
    fn default() -> Head {
        Head {
            text: String::new(),
            fields: Vec::new(),
            target: String::new(),
            method: Method::Get,
            version: HTTPVersion(1, 1),
            framing: Framing::Length(0),
            content_length: None,
            keep_alive: false,
            upgrade: false,
            expects_continue: false,
        }
    }
}

impl Head {
    /// Reads a head that [`Scanner`] has found to be whole.
    pub(crate) fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), Reject> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => text,
            _ => return Err(Reject::bad("the head has bytes that are not ASCII")),
        };
        let mut fields = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Reject::bad("the head is malformed")),
            Err(httparse::Error::Version) => return Err(version_reject(text)),
            Err(error) => return Err(parse_reject(error)),
        }
        if parsed.headers.len() > limits.headers {
            return Err(TOO_MANY_HEADERS);
        }

        self.fields.clear();
        let position = |part: &[u8]| (part.as_ptr() as usize - bytes.as_ptr() as usize) as u32;
        let span = |part: &[u8]| position(part)..position(part) + part.len() as u32;
        for header in parsed.headers.iter().filter(|header| !header.name.is_empty()) {
            if !header.value.iter().all(|&byte| is_value_byte(byte)) {
                return Err(Reject::bad("a header has control characters"));
            }
            self.fields.push((span(header.name.as_bytes()), span(header.value)));
        }
        self.text.clear();
        self.text.push_str(text);

        let method = parsed.method.unwrap_or_default();
        self.method = method.parse().map_err(|()| Reject::bad("the method is malformed"))?;
        let target = parsed.path.unwrap_or_default();
        check_target(&self.method, target)?;
        self.target.clear();
        self.target.push_str(target);
        self.version = HTTPVersion(1, parsed.version.unwrap_or(1));
        self.read_framing()
    }

    /// Finds out how the body is framed and what becomes of the connection.
    fn read_framing(&mut self) -> Result<(), Reject> {
        let is_1_1 = self.version == HTTPVersion(1, 1);
        let (mut hosts, mut length, mut chunked, mut encodings) = (0, None, false, 0);
        let (mut close, mut keep_alive, mut upgrade, mut expects_continue) = (false, false, false, false);

        for (name, value) in self.headers() {
            match name.len() {
                4 if name.eq_ignore_ascii_case("Host") => {
                    check_host(value)?;
                    hosts += 1;
                }
                6 if name.eq_ignore_ascii_case("Expect") && is_1_1 => {
                    if !value.eq_ignore_ascii_case("100-continue") {
                        return Err(Reject::new(417, "only 100-continue can be expected"));
                    }
                    expects_continue = true;
                }
                10 if name.eq_ignore_ascii_case("Connection") => {
                    for option in value.split(',').map(str::trim) {
                        close |= option.eq_ignore_ascii_case("close");
                        keep_alive |= option.eq_ignore_ascii_case("keep-alive");
                        upgrade |= option.eq_ignore_ascii_case("upgrade");
                    }
                }
                14 if name.eq_ignore_ascii_case("Content-Length") => {
                    let new = parse_length(value)?;
                    if length.is_some_and(|old| old != new) {
                        return Err(Reject::bad("two Content-Lengths disagree"));
                    }
                    length = Some(new);
                }
                17 if name.eq_ignore_ascii_case("Transfer-Encoding") => {
                    encodings += 1;
                    chunked = value.eq_ignore_ascii_case("chunked");
                }
                _ => {}
            }
        }

        if hosts > 1 || (hosts == 0 && is_1_1) {
            return Err(Reject::bad("a request needs exactly one Host"));
        }
        if encodings > 0 {
            if !(chunked && encodings == 1 && is_1_1) {
                return Err(Reject::bad("the only Transfer-Encoding is chunked, in HTTP/1.1"));
            }
            if length.is_some() {
                return Err(Reject::bad("Content-Length does not go with Transfer-Encoding"));
            }
        }
        self.framing = if chunked { Framing::Chunked } else { Framing::Length(length.unwrap_or(0)) };
        self.content_length = length;
        self.keep_alive = !close && (is_1_1 || keep_alive);
        self.upgrade = upgrade;
        self.expects_continue = expects_continue && self.framing != Framing::Length(0);
        Ok(())
    }

    /// The headers in the order of the wire, as names and values.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |span: &Range<u32>| &self.text[span.start as usize..span.end as usize];
        self.fields.iter().map(move |(name, value)| (text(name), text(value)))
    }

    /// The value of the first header called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The length of the body, if the client said it.
    pub(crate) fn content_length(&self) -> Option<usize> {
        self.content_length.and_then(|length| usize::try_from(length).ok())
    }

    /// A head that was not read from anywhere.
    pub(crate) fn set(&mut self, method: Method, target: String, version: HTTPVersion, headers: &[Header]) {
        *self = Head { target, method, version, ..Head::default() };
        for header in headers {
            let mut push = |part: &str| {
                let start = self.text.len() as u32;
                self.text.push_str(part);
                start..self.text.len() as u32
            };
            let (name, value) = (push(header.field.as_str().as_str()), push(header.value.as_str()));
            self.fields.push((name, value));
        }
        self.content_length = self.header("Content-Length").and_then(|length| length.parse().ok());
    }

    /// Gives memory back when more than `bytes` of it are held.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        if self.text.capacity() + self.target.capacity() > bytes {
            *self = Head::default();
        }
    }
}

const TOO_MANY_HEADERS: Reject = Reject::new(431, "the head has too many headers");

fn parse_reject(error: httparse::Error) -> Reject {
    match error {
        httparse::Error::TooManyHeaders => TOO_MANY_HEADERS,
        httparse::Error::HeaderName => Reject::bad("a header's name is malformed"),
        httparse::Error::HeaderValue => Reject::bad("a header's value is malformed"),
        _ => Reject::bad("the request line is malformed"),
    }
}

/// Tells another version of HTTP from nonsense where the version should stand.
fn version_reject(text: &str) -> Reject {
    let line = text.lines().next().unwrap_or_default();
    let mut words = line.split(' ').skip(2);
    let version = words.next().and_then(|word| word.strip_prefix("HTTP/")).map(str::as_bytes);
    let is_version = matches!(version, Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
        && words.next().is_none();
    if is_version {
        Reject::new(505, "this server speaks HTTP/1.0 and HTTP/1.1")
    } else {
        Reject::bad("the request line is malformed")
    }
}

fn parse_length(value: &str) -> Result<u64, Reject> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reject::bad("Content-Length is not a number"));
    }
    value.parse().map_err(|_| Reject::new(413, "the body is too large"))
}

/// The four forms of a target, each where it belongs.
fn check_target(method: &Method, target: &str) -> Result<(), Reject> {
    if target.contains('#') {
        return Err(Reject::bad("the target has a fragment"));
    }
    let scheme_length = match target.as_bytes().first() {
        Some(b'/') if *method != Method::Connect => return Ok(()),
        Some(b'*') if target == "*" && *method == Method::Options => return Ok(()),
        _ => scheme_length(target),
    };
    let authority = match (method, scheme_length) {
        (Method::Connect, _) => target,
        (_, Some(length)) => target[length..].split(['/', '?']).next().unwrap_or_default(),
        (_, None) => return Err(Reject::bad("the target is malformed")),
    };
    if authority.is_empty() {
        return Err(Reject::bad("the target names no host"));
    }
    check_host(authority)
}

/// The length of `http://` or `https://` at the front of an absolute target.
pub(crate) fn scheme_length(target: &str) -> Option<usize> {
    ["http://", "https://"]
        .iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|front| front.eq_ignore_ascii_case(scheme)))
        .map(|scheme| scheme.len())
}

/// A host is a name or address with perhaps a port; what else stands there is an attempt at something.
fn check_host(host: &str) -> Result<(), Reject> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte);
    if host.bytes().all(fits) { Ok(()) } else { Err(Reject::bad("the host is malformed")) }
}

/// Finds the end of a head as it comes in, looking at each byte once, and stops at the first limit.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    line_start: usize,
    position: usize,
    lines: usize,
}

impl Scanner {
    /// The length of the head at the front of `data`, if it is whole. `data` must begin with what it began with
    /// at the last call. A length of two is no head but an empty line before one.
    pub(crate) fn scan(&mut self, data: &[u8], limits: &Limits) -> Result<Option<usize>, Reject> {
        while let Some(found) = data[self.position..].iter().position(|&byte| byte == b'\n') {
            let end = self.position + found;
            let line = &data[self.line_start..end];
            self.check(line, limits)?;
            let Some((b'\r', line)) = line.split_last() else {
                return Err(Reject::bad("a line does not end with CR LF"));
            };
            self.position = end + 1;
            self.line_start = end + 1;
            self.lines += 1;
            if line.is_empty() {
                return Ok(Some(end + 1));
            }
            if self.lines > limits.headers + 1 {
                return Err(TOO_MANY_HEADERS);
            }
        }
        self.position = data.len();
        self.check(&data[self.line_start..], limits)?;
        Ok(None)
    }

    /// Looks whether a line, perhaps not a whole one, goes beyond the limits; of two, the one that it meets first.
    fn check(&self, line: &[u8], limits: &Limits) -> Result<(), Reject> {
        let line_bytes = line.strip_suffix(b"\r").unwrap_or(line).len();
        let head_room = limits.head_bytes.saturating_sub(self.line_start);
        if line_bytes <= limits.line_bytes.min(head_room) {
            return Ok(());
        }
        Err(match self.lines {
            _ if head_room < limits.line_bytes => Reject::new(431, "the head is too large"),
            0 => Reject::new(414, "the request line is too long"),
            _ => Reject::new(431, "a header is too long"),
        })
    }
}
