//! The secrets of webhooks: made, taken, sealed, and opened again.

use postgres::Row;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::signature::{parse_secret, show_secret};
use crate::error::{Code, Error, Result};
use crate::sealing::Store;
use crate::secret::{Keys, Place, Sealed};
use crate::sql;

/// Bytes of a secret that is made here.
const SECRET_BYTES: usize = 32;

/// All secrets of webhooks.
pub const STORE: Store =
    Store { table: "gateway.webhooks", stale: sql!("gateway/webhooks/stale"), reseal: sql!("gateway/webhooks/reseal") };

/// Where the secret of a webhook is kept.
pub fn current(webhook: Uuid) -> Place<'static> {
    Place { table: "gateway.webhooks", column: "secret", row: webhook }
}

/// Where the one before it is kept.
pub fn previous(webhook: Uuid) -> Place<'static> {
    Place { table: "gateway.webhooks", column: "previous_secret", row: webhook }
}

/// Takes the secret that a body gives, or makes one.
pub fn take(body: &mut Map<String, Value>) -> Result<Vec<u8>> {
    match body.remove("secret") {
        Some(Value::String(text)) => parse_secret(&text).ok_or_else(|| {
            let message = "must be whsec_ and 24 to 64 bytes in base64";
            Error::new(Code::ValidationError, format!("secret {message}")).field("secret", message)
        }),
        _ => {
            let mut bytes = vec![0; SECRET_BYTES];
            let failed = |error| Error::internal("no random bytes from the system").because(error);
            getrandom::fill(&mut bytes).map_err(failed)?;
            Ok(bytes)
        }
    }
}

/// An object with a secret in it, and the same without it, for whoever asks again.
pub fn shown(object: &str, secret: &[u8]) -> (String, String) {
    let with = |secret: Value| format!("{},\"secret\":{secret}}}", object.strip_suffix('}').unwrap_or(object));
    (with(json!(show_secret(secret))), with(Value::Null))
}

/// The secrets that a delivery is signed with: the one of now, and for a while after a rotation the one before it.
pub fn of(keys: &Keys, row: &Row) -> Result<Vec<Vec<u8>>> {
    let webhook: Uuid = row.get("webhook_id");
    let now = Sealed { text: row.get("secret"), key_id: row.get("secret_key_id") };
    let mut secrets = vec![keys.open(current(webhook), &now)?];
    if let (Some(text), Some(key_id)) = (row.get("previous_secret"), row.get("previous_secret_key_id")) {
        secrets.push(keys.open(previous(webhook), &Sealed { text, key_id })?);
    }
    Ok(secrets)
}
