//! The path of a request as it is looked up, whichever of the ways to write it the client has chosen.

use crate::error::{Code, Error, Result};
use crate::fields::Form;

/// Characters of a URL.
pub(super) const LENGTH_MAX: usize = 8192;

/// A path in its one form (RFC 3986, 6.2.2): nothing encoded that need not be, no `.` and `..`.
#[derive(Debug)]
pub(super) struct Target {
    pub path: String,
    /// With its question mark; empty without one.
    pub query: String,
}

impl Target {
    /// A URL with a host, or a path; encoded as it should be.
    pub const FORM: Form = Form {
        format: None,
        pattern: Some(r"^(/|[^/?#]*://[^/?#]+)([^%?#]|%[0-9A-Fa-f]{2})*(\?[^#]*)?(#[\s\S]*)?$"),
        expected: "a URL, or a path that starts with /, rightly encoded",
        check: |text| Target::parse(text).is_ok(),
    };

    /// From a URL, or the path and query of one.
    pub fn parse(url: &str) -> Result<Target> {
        let url = url.split('#').next().unwrap_or_default();
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                let start = rest.find(['/', '?']).unwrap_or(rest.len());
                if start == 0 {
                    return Err(wrong("has no host"));
                }
                if rest[start..].starts_with('/') { rest[start..].to_owned() } else { format!("/{}", &rest[start..]) }
            }
            _ if url.starts_with('/') => url.to_owned(),
            _ => return Err(wrong("must be a URL, or a path that starts with /")),
        };
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        Ok(Target { path: without_dots(&encode(path)?), query: query.to_owned() })
    }

    pub fn segments(&self) -> Vec<&str> {
        self.path.strip_prefix('/').unwrap_or(&self.path).split('/').collect()
    }
}

fn wrong(message: &str) -> Error {
    Error::new(Code::ValidationError, format!("url {message}")).field("url", message)
}

/// The path with each byte in its one form.
fn encode(path: &str) -> Result<String> {
    let mut text = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let is_encoded = byte == b'%';
        let byte = match is_encoded {
            false => byte,
            true => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(wrong("is not rightly percent-encoded"));
                };
                (high * 16 + low) as u8
            }
        };
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match is_plain || (!is_encoded && b"/!$&'()*+,;=:@".contains(&byte)) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(text)
}

/// The path without `.` and `..`, as a client resolves them before it sends it.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if parts.peek().is_none() {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}
