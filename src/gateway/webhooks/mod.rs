//! Webhooks: who is told what happens here, by Standard Webhooks.
//!
//! What happens is written by a trigger on the audit, in the transaction of the change; from there on it is ours: claimed,
//! signed, sent, tried again, and given up at last. Knows nothing of the domains whose changes these are.

mod secrets;
pub mod signature;
mod envelope;
mod schedule;
mod attempt;
mod outcome;
mod lanes;
mod claims;
mod deliverer;
mod resource;
mod trial;
mod rotation;
mod events;
mod event_types;
mod deliveries;
mod replay;
mod statistics;
mod jobs;
mod seed;
pub(super) mod whole;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::config::Config;
use crate::db::Session;
use crate::error::Result;
use crate::http::Endpoint;
use crate::outgoing::{Client, Reach};
use crate::sealing::settle;
use crate::secret::Keys;
pub use deliverer::Deliverer;
pub use jobs::jobs;
pub(super) use resource::{READ, WRITE};
pub use secrets::STORE;
pub use seed::{SEED_NAME, SEED_SECRET, SEED_URL, seed};

/// The channel on which the database says that something is to be delivered.
pub const CHANNEL: &str = "mainstay_deliveries";

/// Everything that webhooks need while the server runs.
pub struct Webhooks {
    reach: Arc<Reach>,
    client: Client,
    keys: Arc<Keys>,
    timeout: Duration,
    in_flight: usize,
    in_flight_each: u32,
    /// Where receivers find the whole of an event that was too long.
    public_url: String,
    /// Trials that somebody waits for.
    trials: AtomicUsize,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Webhooks").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Webhooks {
    pub fn new(config: &Config, keys: Arc<Keys>) -> Result<Arc<Webhooks>> {
        let reach = Arc::new(Reach::configured(config, "WEBHOOK")?);
        let timeout = config.duration("WEBHOOK_TIMEOUT");
        let in_flight = config.integer("WEBHOOK_IN_FLIGHT") as usize;
        let authorities = config.text("WEBHOOK_ROOT_CERT").map(Path::new);
        Ok(Arc::new(Webhooks {
            client: Client::new(reach.clone(), authorities, timeout, in_flight)?,
            reach,
            keys,
            timeout,
            in_flight,
            in_flight_each: config.integer("WEBHOOK_IN_FLIGHT_EACH"),
            public_url: config.public_url(),
            trials: AtomicUsize::new(0),
        }))
    }

    /// For programs other than the server, which settles the secrets of all domains.
    pub fn settle_secrets(&self, session: &mut Session) -> Result<()> {
        settle(&self.keys, session, &[STORE])
    }

    /// Makes of the body of a new webhook what is kept of it: with an id, and its secret sealed. Answers the id, and the
    /// secret to be shown this once.
    fn seal_new(&self, body: &mut Map<String, Value>, user: Option<Uuid>) -> Result<(Uuid, Vec<u8>)> {
        let id = Uuid::now_v7();
        let secret = secrets::take(body)?;
        let sealed = self.keys.seal(secrets::current(id), &secret)?;
        body.insert("id".to_owned(), json!(id));
        body.insert("secret".to_owned(), json!(sealed.text));
        body.insert("secret_key_id".to_owned(), json!(sealed.key_id));
        body.insert("created_by".to_owned(), json!(user));
        Ok((id, secret))
    }
}

/// All endpoints of webhooks.
pub fn endpoints(webhooks: &Arc<Webhooks>) -> Vec<Endpoint> {
    let mut endpoints = trial::endpoints(webhooks);
    endpoints.extend(rotation::endpoints(webhooks));
    endpoints.extend(replay::endpoints());
    endpoints.extend(statistics::endpoints());
    endpoints.extend(resource::endpoints(webhooks));
    endpoints.extend(deliveries::endpoints());
    endpoints.extend(events::endpoints());
    endpoints.push(event_types::endpoint());
    endpoints
}
