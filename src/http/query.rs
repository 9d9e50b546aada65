//! The query string of a request.

use std::borrow::Cow;

use crate::error::{Code, Error, Result};

/// Parameters of a request: more than the longest list of filters has.
const PARAMETERS_MAX: usize = 200;

/// The parameters of a query string, decoded, in their order.
#[derive(Debug, Default)]
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub fn parse(text: &'a str) -> Result<Query<'a>> {
        let mut parameters = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.push((decode(name)?, decode(value)?));
            if parameters.len() > PARAMETERS_MAX {
                return Err(malformed(format!("the query string has more than {PARAMETERS_MAX} parameters")));
            }
        }
        Ok(Query(parameters))
    }

    /// A parameter that may be given once.
    pub fn one(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(malformed(format!("{name} is given twice"))),
            (value, None) => Ok(value),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn malformed(message: String) -> Error {
    Error::new(Code::MalformedRequest, message)
}

/// Percent-decoding, with `+` for a space.
fn decode(text: &str) -> Result<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Ok(Cow::Borrowed(text));
    }
    decode_bytes(text, true).map(Cow::Owned)
}

/// A part of a path, decoded: a `+` is a plus there.
pub(super) fn decode_segment(text: &str) -> Result<Cow<'_, str>> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    decode_bytes(text, false).map(Cow::Owned)
}

fn decode_bytes(text: &str, plus_is_space: bool) -> Result<String> {
    let wrong = || malformed(format!("{text:?} is not rightly percent-encoded"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(wrong);
                (digit()? * 16 + digit()?) as u8
            }
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(wrong()),
    }
}
