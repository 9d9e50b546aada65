//! Path patterns: `/users/{id}/files/*`.
//!
//! A pattern is made of segments. One is literal, or `{name}`, which stands for any segment that is not empty; the last
//! may be `*`, which stands for all that may follow, and for nothing: `/a/*` takes `/a`, `/a/` and `/a/b/c`, but not `/ab`.
//! A slash at the end is a segment as any other: `/a` and `/a/` are two paths.

use std::collections::HashSet;

/// Characters of a pattern.
pub(super) const LENGTH_MAX: usize = 1024;

/// A part of a pattern, between two slashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    Literal(&'a str),
    Parameter(&'a str),
    Rest,
}

/// The segments of a pattern; none, if it is no pattern.
pub(super) fn segments(pattern: &str) -> Option<Vec<Segment<'_>>> {
    let mut segments = Vec::new();
    let mut names = HashSet::new();
    let mut parts = pattern.strip_prefix('/')?.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let segment = match part.strip_prefix('{').map(|part| part.strip_suffix('}')) {
            Some(name) => Segment::Parameter(name.filter(|name| is_name(name) && names.insert(*name))?),
            None if part == "*" && is_last => Segment::Rest,
            None if is_literal(part) && (is_last || !part.is_empty()) => Segment::Literal(part),
            None => return None,
        };
        segments.push(segment);
    }
    Some(segments)
}

/// Whether a text is a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    segments(text).is_some()
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a segment is written as every path is before it is looked up: without `.` and `..`, with nothing encoded that
/// need not be, and what must be, in capitals.
fn is_literal(part: &str) -> bool {
    let mut rest = part.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = match (byte, behind) {
            (b'%', [high, low, behind @ ..]) if is_needed(*high, *low) => behind,
            (byte, behind) if is_plain(*byte) || b"!$&'()+,;=:@".contains(byte) => behind,
            _ => return false,
        };
    }
    part != "." && part != ".."
}

/// What RFC 3986 calls unreserved: it means the same whether it is encoded or not.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Whether these are the digits of a byte that cannot stand there as it is.
fn is_needed(high: u8, low: u8) -> bool {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    digit(high).zip(digit(low)).is_some_and(|(high, low)| !is_plain(high * 16 + low))
}
