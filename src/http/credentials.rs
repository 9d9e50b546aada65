//! What clients show to be admitted.

use subtle::ConstantTimeEq;
use tiny_http::Request;

use crate::error::{Code, Error, Result};

/// What a client showed to be admitted.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    ApiKey(&'a str),
    Token(&'a str),
}

impl Credentials<'_> {
    /// Whether they are the same, without telling by the time it takes how much of them is.
    pub(super) fn are(&self, other: &Credentials<'_>) -> bool {
        match (self, other) {
            (Credentials::ApiKey(one), Credentials::ApiKey(other))
            | (Credentials::Token(one), Credentials::Token(other)) => one.as_bytes().ct_eq(other.as_bytes()).into(),
            _ => false,
        }
    }
}

/// The API key or token of a request.
pub(super) fn credentials(request: &Request) -> Result<Option<Credentials<'_>>> {
    if let Some(key) = request.header("X-API-Key") {
        return Ok(Some(Credentials::ApiKey(key.trim())));
    }
    let Some(header) = request.header("Authorization") else { return Ok(None) };
    match header.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => {
            let token = token.trim();
            Ok(Some(if token.starts_with("ctm_") { Credentials::ApiKey(token) } else { Credentials::Token(token) }))
        }
        _ => Err(Error::new(Code::InvalidToken, "Authorization must be Bearer and a token or an API key")),
    }
}
