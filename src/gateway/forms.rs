//! The forms of what routes are made of: paths, upstreams, headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::pattern;
use crate::fields::Form;

/// A path pattern.
pub(super) const PATH: Form = Form {
    format: None,
    pattern: Some(r"^(/((?!\.{1,2}(/|$))([A-Za-z0-9._~!$&'()+,;=:@-])+|\{[A-Za-z_][A-Za-z0-9_]*\}))*(/|/\*)?$"),
    expected: "a path pattern like /users/{id}/files/*: segments of letters, digits and -._~!$&'()+,;=:@, or %XX where \
               it is needed, each parameter a whole segment and named once, * at the end alone",
    check: pattern::is_pattern,
};

/// The front of a path, in whole segments.
pub(super) const PREFIX: Form = Form {
    format: None,
    pattern: Some(r"^(/(?!\.{1,2}(/|$))[A-Za-z0-9._~!$&'()+,;=:@-]+)+$"),
    expected: "the beginning of a path in whole segments, like /api/users, without parameters and without / at its end",
    check: |text| {
        let is_literal = |segment: &pattern::Segment<'_>| matches!(segment, pattern::Segment::Literal(_));
        !text.ends_with('/') && pattern::segments(text).is_some_and(|segments| segments.iter().all(is_literal))
    },
};

/// Where a request goes: the path of the request, less `strip_path`, is put behind its path.
pub(super) const UPSTREAM: Form = Form {
    format: Some("uri"),
    pattern: Some(
        r"^(https?|wss?)://([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(:[1-9][0-9]{0,3})?(/[A-Za-z0-9_~-]+)*$",
    ),
    expected: "an http, https, ws or wss URL with a host, and no user, query or fragment",
    check: |text| is_url(text, &["http", "https", "ws", "wss"]),
};

/// Where the keys that sign tokens are read.
pub(super) const KEYS_URL: Form = Form {
    format: Some("uri"),
    pattern: Some(
        r"^https://([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(:[1-9][0-9]{0,3})?(/[A-Za-z0-9_~-]+)*$",
    ),
    expected: "an https URL with a host, and no user, query or fragment",
    check: |text| is_url(text, &["https"]),
};

/// The name of a header that a gateway may set. Those that are about the connection, or about where a body ends, are its own.
pub(super) const HEADER_NAME: Form = Form {
    format: None,
    pattern: Some(r"^X-[A-Za-z0-9-]+$"),
    expected: "the name of a header, and of none that is about the connection or the length of the body",
    check: is_header_name,
};

/// What a header may be set to.
pub(super) const HEADER_VALUE: Form = Form {
    format: None,
    pattern: Some(r"^([!-~]([ -~]*[!-~])?)?$"),
    expected: "a line of ASCII characters, none of them a control character, without white space at its ends",
    check: |text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim_matches(' ').len() == text.len(),
};

/// Headers that no route sets or takes away: whoever did would change where the request ends.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        && !OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_path = path.is_empty() || path == "/" || {
        let path = path.strip_suffix('/').unwrap_or(path);
        pattern::segments(path)
            .is_some_and(|segments| segments.iter().all(|segment| matches!(segment, pattern::Segment::Literal(_))))
    };
    schemes.contains(&scheme) && is_path && is_place(place)
}

/// A host, and perhaps a port.
fn is_place(place: &str) -> bool {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    port.is_none_or(is_port) && is_host(host)
}

/// A name, or an address. What ends in digits is an address, or nothing: `127.1` would mean something to some.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}
