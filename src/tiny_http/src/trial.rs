//! Tries the reader of a connection on any bytes, cut in any way: for the fuzzer, and for a random run among the tests.

use crate::limits::{Limits, Reject};
use crate::reader::{Phase, Reader, Step};

/// What became of the bytes, in order.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Request {
        line: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    Rejected(Reject),
    /// The bytes ended in the middle of something.
    Open(Phase),
}

/// Reads `bytes` as one connection's, in pieces of the given lengths, and checks all that must be true of any bytes.
///
/// The first byte chooses the limits; they are small, so that they are met.
#[allow(unreachable_pub)] // the fuzzer's door
pub fn try_bytes(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let limits = Limits {
        head_bytes: if choice & 1 == 0 { 32 << 10 } else { 200 },
        line_bytes: if choice & 2 == 0 { 8 << 10 } else { 60 },
        headers: if choice & 4 == 0 { 100 } else { 3 },
        body_buffer_bytes: if choice & 8 == 0 { 1 << 20 } else { 10 },
        body_bytes: if choice & 16 == 0 { 1 << 20 } else { 24 },
        continue_early: choice & 32 != 0,
        ..Limits::default()
    };
    let whole = read(bytes, usize::MAX, &limits);
    check(&whole);
    let step = usize::from(choice >> 6);
    for piece in [1, 2 + step, 7 + 5 * step] {
        let cut = read(bytes, piece, &limits);
        assert_eq!(whole, cut, "the same bytes in pieces of {piece} are read in another way");
    }
    drain(bytes, 3, &limits);
}

/// Reads everything as a program does that reads every body.
fn read(bytes: &[u8], piece: usize, limits: &Limits) -> Vec<Event> {
    let mut reader = Reader::new();
    let mut pieces = bytes.chunks(piece.min(bytes.len().max(1)));
    let mut events = Vec::new();
    loop {
        let request = match reader.advance(limits) {
            Ok(Step::Request) => read_request(&mut reader, &mut pieces, limits),
            Ok(Step::More | Step::MoreAfterContinue | Step::Large | Step::Drained) => Ok(None),
            Err(reject) => Err(reject),
        };
        match request {
            Ok(Some(request)) => {
                events.push(request);
                reader.finish();
                continue;
            }
            Ok(None) => {}
            Err(reject) => {
                events.push(Event::Rejected(reject));
                return events;
            }
        }
        match pieces.next() {
            Some(piece) => reader.input.extend(piece),
            None => {
                events.push(Event::Open(reader.phase()));
                return events;
            }
        }
    }
}

/// Reads one request to the end of its body; `None` if the bytes end first.
fn read_request<'a>(
    reader: &mut Reader,
    pieces: &mut impl Iterator<Item = &'a [u8]>,
    limits: &Limits,
) -> Result<Option<Event>, Reject> {
    let mut body = Vec::new();
    let mut out = [0; 13];
    loop {
        match reader.read_body(&mut out, limits)? {
            0 if reader.is_body_done() => break,
            0 => match pieces.next() {
                Some(piece) => reader.input.extend(piece),
                None => return Ok(None),
            },
            count => body.extend_from_slice(&out[..count]),
        }
        assert!(body.len() as u64 <= limits.body_bytes, "a body beyond its limit");
    }
    let head = &reader.head;
    let line = format!("{} {} {}", head.method, head.target, head.version);
    let headers = head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Some(Event::Request { line, headers, body }))
}

/// Reads everything as a program does that reads no body.
fn drain(bytes: &[u8], piece: usize, limits: &Limits) {
    let mut reader = Reader::new();
    let mut pieces = bytes.chunks(piece);
    loop {
        match reader.advance(limits) {
            Ok(Step::Request) => reader.finish(),
            Ok(Step::Drained) => {}
            Ok(Step::More | Step::MoreAfterContinue | Step::Large) => match pieces.next() {
                Some(piece) => reader.input.extend(piece),
                None => return,
            },
            Err(_) => return,
        }
    }
}

/// What is true of every request that was let through.
fn check(events: &[Event]) {
    for event in events {
        let Event::Request { line, headers, body } = event else { continue };
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "the request line {line:?}");
        assert_eq!(line.split(' ').count(), 3, "the request line {line:?}");
        let count = |wanted: &str| headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).count();
        let is_1_1 = line.ends_with(" 1.1");
        assert!(count("Host") == 1 || (count("Host") == 0 && !is_1_1), "hosts of {headers:?}");
        let encodings = count("Transfer-Encoding");
        assert!(encodings == 0 || (encodings == 1 && is_1_1 && count("Content-Length") == 0), "framing of {headers:?}");
        for (name, value) in headers {
            assert!(crate::header::is_token(name.as_bytes()), "the name {name:?}");
            assert!(value.bytes().all(crate::header::is_value_byte), "the value {value:?}");
            if name.eq_ignore_ascii_case("Content-Length") {
                assert_eq!(value.parse(), Ok(body.len()), "the length of {body:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::try_bytes;
    use std::time::{Duration, Instant};

    /// How long the random run takes; the fuzzer in `fuzz` is the thorough one.
    const TIME: Duration = Duration::from_secs(2);

    /// Pieces that requests are made of, good ones and bad ones.
    const PIECES: [&[u8]; 49] = [
        b"GET / HTTP/1.1\r\n",
        b"POST /a?b=c HTTP/1.1\r\n",
        b"HEAD * HTTP/1.0\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n",
        b"GET http://a/b HTTP/1.1\r\n",
        b"GET / HTTP/2.0\r\n",
        b"GET /",
        b" HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"Host: a\r\n\r\n",
        b"host:b\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 5\r\n\r\nhello",
        b"Content-Length: 0\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Connection: close, keep-alive\r\n",
        b"Connection: upgrade\r\n",
        b"Expect: 100-continue\r\n",
        b"Expect: something\r\n",
        b"X: \t y \r\n",
        b" folded\r\n",
        b"X :1\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b":",
        b" ",
        b"hello",
        b"5\r\nhello\r\n",
        b"1\r\nx\r\n",
        b"3;a=b\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\nT: v\r\n\r\n",
        b"0\r\n: v\r\n\r\n",
        b"00000000000000000\r\n",
        b"fffffffffffffff\r\n",
        b"5 \r\n",
        b"5\n",
        b"\t",
        b";",
        b"a",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];

    /// Numbers without a crate: xorshift64*.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
        }
    }

    /// A request that is nearly right, its sizes near the limits.
    fn add_request(bytes: &mut Vec<u8>, random: &mut Random) {
        bytes.extend_from_slice(PIECES[random.below(6)]);
        bytes.extend_from_slice(b"Host: a\r\n");
        for _ in 0..random.below(4) {
            let length = 50 + random.below(10);
            bytes.extend_from_slice(&[b"X: ", "a".repeat(length).as_bytes(), b"\r\n"].concat());
        }
        let length = random.below(30);
        if random.below(2) == 0 {
            bytes.extend_from_slice(format!("Content-Length: {length}\r\n\r\n{}", "b".repeat(length)).as_bytes());
            return;
        }
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let mut left = length;
        while left > 0 {
            let size = 1 + random.below(left);
            bytes.extend_from_slice(format!("{size:x}\r\n{}\r\n", "c".repeat(size)).as_bytes());
            left -= size;
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    }

    #[test]
    fn any_bytes_are_read_in_the_same_way_however_they_are_cut() {
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        let mut random = Random(seed);
        let until = Instant::now() + TIME;
        let mut count = 0;
        while Instant::now() < until {
            let mut bytes = vec![random.below(256) as u8];
            for _ in 0..random.below(8) {
                match random.below(3) {
                    0 => bytes.extend_from_slice(PIECES[random.below(PIECES.len())]),
                    _ => add_request(&mut bytes, &mut random),
                }
            }
            for _ in 0..random.below(2) {
                let position = random.below(bytes.len());
                bytes[position] = random.below(256) as u8;
            }
            let caught = std::panic::catch_unwind(|| try_bytes(&bytes));
            assert!(caught.is_ok(), "seed {seed}, input {:?}", String::from_utf8_lossy(&bytes));
            count += 1;
        }
        assert!(count > 100, "only {count} inputs were tried");
    }
}
