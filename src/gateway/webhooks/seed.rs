//! The webhook of development: an example, switched off, for there is nobody who listens.

use serde_json::json;
use uuid::Uuid;

use super::secrets::{self, STORE};
use crate::config::Config;
use crate::db::{Session, Statements};
use crate::error::{Code, Error, Result};
use crate::sealing::settle;
use crate::secret::Keys;
use crate::sql;
use crate::sql::Json;

const ACTOR: &str = r#"{"user_agent":"mainstay seed"}"#;
pub const SEED_NAME: &str = "Sample webhook";
pub const SEED_URL: &str = "http://localhost:9000/hooks";
/// Everybody knows it, so `mainstay webhook listen` does, too.
pub const SEED_SECRET: &[u8] = b"not a secret, as everybody knows";

/// Makes the example, if it is not there; answers whether it was made.
pub fn seed(config: &Config, session: &mut Session) -> Result<bool> {
    let keys = Keys::configured(config)?;
    settle(&keys, session, &[STORE])?;
    let id = Uuid::now_v7();
    let sealed = keys.seal(secrets::current(id), SEED_SECRET)?;
    let webhook = json!({
        "id": id,
        "name": SEED_NAME,
        "url": SEED_URL,
        "events": ["routes.*"],
        "secret": sealed.text,
        "secret_key_id": sealed.key_id,
        "headers": {},
        "ordered": false,
        "enabled": false,
        "metadata": { "seed": true },
    });
    let rows = session.all(&sql!("gateway/webhooks/insert"), &[&Json(ACTOR), &Json(&webhook.to_string())]);
    match rows {
        Ok(rows) if rows.is_empty() => Err(Error::internal("the sample webhook was not made")),
        Ok(_) => Ok(true),
        Err(error) if error.code == Code::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}
