//! Who is calling, and what they may do.
//!
//! Owns users, teams, sessions, keys and passwords. Knows nothing of the other domains.

mod base62;
mod hs256;
pub mod key;
pub mod password;
pub mod token;
mod mail;
mod sessions;
mod callers;
mod strangers;
mod counting;
mod users;
mod teams;
mod api_keys;
mod login;
mod account;
pub mod admin;
pub mod first;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::db::{Database, Heard, Statements};
use crate::error::Result;
use crate::http::{Admission, Endpoint};
use crate::jobs::{Job, in_portions};
use callers::Callers;
use counting::Counting;
use mail::Mail;
use password::Passwords;
use strangers::Strangers;
use token::Tokens;

/// The channel on which the database says that a caller has changed.
pub const CHANNEL: &str = "mainstay_callers";

/// Everything that identity keeps while the server runs.
pub struct Identity {
    callers: Callers,
    tokens: Tokens,
    passwords: Passwords,
    strangers: Strangers,
    counting: Arc<Counting>,
    mail: Mail,
    is_registration_open: bool,
}

impl Identity {
    pub fn new(config: &Config, database: Database) -> Result<Arc<Identity>> {
        let secret = crate::secret::configured(config, "JWT_SECRET")?;
        let is_development = config.text("APP_ENV") == Some("development");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mail = Mail::new(
            config.text("MAIL_COMMAND"),
            config.text("MAIL_FROM").unwrap_or_default(),
            &config.public_url(),
            is_development.then(|| config.path("MAINSTAY_DATA").unwrap_or(Path::new("var")).join("mail")),
        );
        Ok(Arc::new(Identity {
            callers: Callers::new(database),
            tokens: Tokens::new(&secret, config.text("JWT_SECRET_PREVIOUS")),
            passwords: Passwords::new(config.integer("BCRYPT_ROUNDS"), cores),
            strangers: Strangers::default(),
            counting: Arc::default(),
            mail,
            is_registration_open: config.text("AUTH_REGISTRATION").map_or(is_development, |text| text == "open"),
        }))
    }

    /// Takes note of what the database says of callers.
    pub fn hear(&self, heard: Heard<'_>) {
        self.callers.hear(heard);
    }
}

/// A password that nobody knows yet.
pub fn random_password() -> Result<String> {
    base62::secret()
}

/// What admits callers.
pub fn admission(identity: &Arc<Identity>) -> Admission {
    let identity = identity.clone();
    Box::new(move |credentials, may_ask| identity.callers.admit(credentials, &identity.tokens, may_ask))
}

/// Rows of one statement that cleans up.
const CLEAN_ROWS: i64 = 5000;

/// What is done in the background.
pub fn jobs() -> Vec<Job> {
    let clean = |name, query: crate::sql::Query| {
        Job::new(name, Duration::from_secs(600), move |session| {
            let removed = in_portions(CLEAN_ROWS, || session.exec(&query, &[&CLEAN_ROWS]))?;
            Ok(serde_json::json!({ "removed": removed }))
        })
    };
    vec![
        clean("clean-sessions", crate::sql!("identity/sessions/clean")),
        clean("clean-user-tokens", crate::sql!("identity/user_tokens/clean")),
    ]
}

/// All endpoints of the domain.
pub fn endpoints(identity: &Arc<Identity>) -> Vec<Endpoint> {
    let mut endpoints = login::endpoints(identity);
    endpoints.extend(account::endpoints(identity));
    endpoints.extend(users::endpoints(identity));
    endpoints.extend(teams::endpoints());
    endpoints.extend(sessions::endpoints());
    endpoints.extend(api_keys::endpoints());
    endpoints
}
