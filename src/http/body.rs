//! The body of a call: read, parsed, and held against what the endpoint declares.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tiny_http::Request;

use super::call::{Call, Source};
use crate::error::{Code, Error, Result};
use crate::fields;
use crate::json;

impl Call<'_, '_> {
    /// The body, which must be JSON.
    pub fn body(&mut self) -> Result<Value> {
        let value = match &mut self.source {
            Source::Operation { body, .. } => {
                return body.take().ok_or_else(|| Error::new(Code::MalformedRequest, "the operation has no body"));
            }
            Source::Request(request) => {
                check_type(request.header("Content-Type"))?;
                let bytes = read(request, self.endpoint.body_bytes_max)?;
                let bytes = decode(request.header("Content-Encoding"), bytes, self.endpoint.body_bytes_max)?;
                let (value, weight) = json::parse_weighed(&bytes)?;
                self.weight = Some(weight);
                value
            }
        };
        if self.header("Idempotency-Key").is_some() {
            self.body_hash = Sha256::digest(value.to_string()).into();
        }
        Ok(value)
    }

    /// The body, which must be an object.
    pub fn object(&mut self) -> Result<Map<String, Value>> {
        match self.body()? {
            Value::Object(object) => Ok(object),
            _ => Err(Error::new(Code::ValidationError, "the body must be an object")),
        }
    }

    /// The body, checked against what the endpoint declares.
    pub fn input(&mut self) -> Result<Map<String, Value>> {
        if let Source::Operation { input, .. } = &mut self.source
            && let Some(input) = input.take()
        {
            return Ok(input);
        }
        let (declared, mode) = self.endpoint.input.as_ref().ok_or_else(|| Error::internal("no input is declared"))?;
        let body = self.object()?;
        let mut input = fields::check(declared, body, *mode, self.is_admin())?;
        if let Some(check) = &self.endpoint.check {
            check(&mut input)?;
        }
        Ok(input)
    }
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(Code::PayloadTooLarge, format!("the body must have at most {bytes_max} bytes"))
}

/// The body, if it is not too long. What was announced as too long is not even begun.
fn read(request: &mut Request, bytes_max: usize) -> Result<Vec<u8>> {
    let length = request.body_length().unwrap_or(0);
    if length > bytes_max {
        return Err(too_large(bytes_max));
    }
    let bytes = read_up_to(request.as_reader(), length, bytes_max)?;
    bytes.ok_or_else(|| Error::new(Code::MalformedRequest, "the body did not come to its end"))
}

/// All bytes, if they are not too many; `None` if they cannot be read.
fn read_up_to(reader: impl Read, length: usize, bytes_max: usize) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(length);
    match reader.take(bytes_max as u64 + 1).read_to_end(&mut bytes) {
        Err(_) => Ok(None),
        Ok(_) if bytes.len() > bytes_max => Err(too_large(bytes_max)),
        Ok(_) => Ok(Some(bytes)),
    }
}

/// Bytes of a body that came compressed. Larger ones are counted as they come, by the HTTP layer; these it does not see.
const DECODED_BYTES_MAX: usize = 1 << 20;

/// The body as it was before it was compressed.
fn decode(encoding: Option<&str>, bytes: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>> {
    match encoding.map(str::trim) {
        None | Some("") => Ok(bytes),
        Some(name) if name.eq_ignore_ascii_case("identity") => Ok(bytes),
        Some(name) if ["gzip", "x-gzip"].iter().any(|known| name.eq_ignore_ascii_case(known)) => {
            let decoded = read_up_to(GzDecoder::new(&*bytes), 0, bytes_max.min(DECODED_BYTES_MAX))?;
            decoded.ok_or_else(|| Error::new(Code::MalformedRequest, "the body is not gzip, or not all of it"))
        }
        Some(name) => {
            let message = format!("Content-Encoding: {name} is not known here; there is gzip");
            Err(Error::new(Code::UnsupportedMediaType, message).header("Accept-Encoding", "gzip".to_owned()))
        }
    }
}

/// A body must say that it is JSON, so that no form of another site can be one.
fn check_type(kind: Option<&str>) -> Result<()> {
    let refused = |message| Err(Error::new(Code::UnsupportedMediaType, message));
    let kind = kind.unwrap_or_default();
    let (name, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let is = |text: &str, known: &[&str]| known.iter().any(|known| text.trim().eq_ignore_ascii_case(known));
    if !is(name, &["application/json", "application/merge-patch+json"]) {
        return refused("the body must be JSON, with Content-Type: application/json");
    }
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        is(name, &["charset"]).then(|| value.trim().trim_matches('"'))
    });
    match charset {
        Some(charset) if !is(charset, &["utf-8", "utf8", "us-ascii"]) => refused("the body must be in UTF-8"),
        _ => Ok(()),
    }
}
