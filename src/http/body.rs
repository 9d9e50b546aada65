//! The body of a call: read, parsed, and held against what the endpoint declares.

use std::io::Read;

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

/// The body, if it is not too long. What was announced as too long is not even begun.
fn read(request: &mut Request, bytes_max: usize) -> Result<Vec<u8>> {
    let too_large = || Error::new(Code::PayloadTooLarge, format!("the body must have at most {bytes_max} bytes"));
    let length = request.body_length().unwrap_or(0);
    if length > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(length);
    let mut reader = request.as_reader().take(bytes_max as u64 + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(Code::MalformedRequest, "the body did not come to its end").because(error))?;
    if bytes.len() > bytes_max { Err(too_large()) } else { Ok(bytes) }
}

/// A body must say that it is JSON, so that no form of another site can be one.
fn check_type(kind: Option<&str>) -> Result<()> {
    let kind = kind.unwrap_or_default();
    let name = kind.split(';').next().unwrap_or_default().trim();
    let is_json =
        ["application/json", "application/merge-patch+json"].iter().any(|known| name.eq_ignore_ascii_case(known));
    match is_json {
        true => Ok(()),
        false => {
            Err(Error::new(Code::UnsupportedMediaType, "the body must be JSON, with Content-Type: application/json"))
        }
    }
}
