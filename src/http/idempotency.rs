//! `Idempotency-Key`: the same POST again gets the first reply again, and does nothing.
//!
//! The reply is kept in the transaction that it speaks of, so there is never one without the other.

use std::borrow::Cow;

use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::{Body, Reply};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::sql;

const LENGTH_MAX: usize = 255;

/// The key of one request. It is the credential's that it came with: another one of the same user may do less, and is not
/// given what this one got.
#[derive(Debug)]
pub struct Key {
    credential_id: Uuid,
    key: String,
    /// Of the method, the path and the body.
    request_hash: [u8; 32],
}

impl Key {
    pub fn new(credential_id: Uuid, key: &str, request_hash: [u8; 32]) -> Result<Key> {
        let is_sane = (1..=LENGTH_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        match is_sane {
            true => Ok(Key { credential_id, key: key.to_owned(), request_hash }),
            false => Err(Error::new(
                Code::MalformedRequest,
                format!("Idempotency-Key must be 1 to {LENGTH_MAX} visible ASCII characters"),
            )),
        }
    }

    /// Makes sure that nobody else is using the key, and finds the reply that it got before.
    pub fn claim(&self, statements: &mut dyn Statements) -> Result<Option<Reply>> {
        let credential = self.credential_id.to_string();
        let lock = statements.one(&sql!("ops/idempotency_keys/lock"), &[&credential, &self.key])?;
        if !lock.get::<_, bool>(0) {
            let message = "a request with this Idempotency-Key is being answered right now";
            return Err(Error::new(Code::Conflict, message).retry_after(std::time::Duration::from_secs(1)));
        }
        let Some(row) = statements.maybe(&sql!("ops/idempotency_keys/select"), &[&self.credential_id, &self.key])?
        else {
            return Ok(None);
        };
        if row.get::<_, &[u8]>("request_hash") != self.request_hash {
            return Err(Error::new(Code::ValidationError, "this Idempotency-Key was used for another request")
                .field("Idempotency-Key", "must be new for a request that is not the same"));
        }
        let headers: Option<Value> = row.get("response_headers");
        let body: Option<String> = row.get("response_body");
        let mut reply = Reply::empty(row.get::<_, Option<i16>>("response_status").unwrap_or(200) as u16);
        for name in KEPT {
            if let Some(value) = headers.as_ref().and_then(|headers| headers[name].as_str()) {
                reply = reply.header(name, value.to_owned());
            }
        }
        reply.body = body.map_or(Body::Empty, Body::Json);
        Ok(Some(reply.header("Idempotency-Replayed", "true")))
    }

    /// Keeps the reply.
    pub fn keep(&self, statements: &mut dyn Statements, reply: &Reply) -> Result<()> {
        let body = match (&reply.kept, &reply.body) {
            (Some(text), _) | (None, Body::Json(text)) => Some(text.as_str()),
            _ => None,
        };
        let kept = |name: &&str| reply.headers.iter().find(|(known, _)| known == name);
        let headers: Value = KEPT
            .iter()
            .filter_map(kept)
            .map(|(name, value): &(&str, Cow<'_, str>)| ((*name).to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let hash = self.request_hash.as_slice();
        statements.exec(
            &sql!("ops/idempotency_keys/insert"),
            &[&self.credential_id, &self.key, &hash, &(reply.status as i16), &headers, &body],
        )?;
        Ok(())
    }
}

/// Headers that belong to the reply and not to the exchange.
const KEPT: [&str; 2] = ["Location", "ETag"];
