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
mod deliverer;
mod resource;
mod trial;
mod rotation;
mod events;
mod deliveries;
mod replay;
mod statistics;
mod jobs;
mod seed;
pub(super) mod whole;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::Config;
use crate::db::Session;
use crate::error::{Error, Result};
use crate::http::Endpoint;
use crate::outgoing::{Client, Reach};
use crate::secret::{Keys, Place, Sealed};
pub use deliverer::Deliverer;
pub use jobs::jobs;
pub(super) use resource::{READ, WRITE};
pub use seed::{SEED_NAME, SEED_SECRET, SEED_URL, seed};

/// The channel on which the database says that something is to be delivered.
pub const CHANNEL: &str = "mainstay_deliveries";

/// Everything that webhooks need while the server runs.
pub struct Webhooks {
    reach: Arc<Reach>,
    client: Client,
    keys: Keys,
    /// Whether the keys open what is sealed.
    has_right_keys: AtomicBool,
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
    pub fn new(config: &Config) -> Result<Arc<Webhooks>> {
        let reach = Arc::new(Reach::configured(config)?);
        let timeout = config.duration("WEBHOOK_TIMEOUT");
        let in_flight = config.integer("WEBHOOK_IN_FLIGHT") as usize;
        let authorities = config.text("WEBHOOK_ROOT_CERT").map(Path::new);
        Ok(Arc::new(Webhooks {
            client: Client::new(reach.clone(), authorities, timeout, in_flight)?,
            reach,
            keys: Keys::configured(config)?,
            has_right_keys: AtomicBool::new(false),
            timeout,
            in_flight,
            in_flight_each: config.integer("WEBHOOK_IN_FLIGHT_EACH"),
            public_url: config.text("PUBLIC_URL").unwrap_or_default().trim_end_matches('/').to_owned(),
            trials: AtomicUsize::new(0),
        }))
    }

    /// Makes sure that what is sealed opens, before anything else is sealed; what the key before this one has sealed is
    /// sealed again.
    pub fn check_secrets(&self, session: &mut Session) -> Result<()> {
        secrets::check(&self.keys, session)?;
        secrets::renew(&self.keys, session)?;
        self.has_right_keys.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Seals a secret, if the key is the one that others have sealed with, too.
    fn seal(&self, place: Place, secret: &[u8]) -> Result<Sealed> {
        match self.has_right_keys.load(Ordering::Relaxed) {
            true => self.keys.seal(place, secret),
            false => Err(Error::database_unavailable("secrets cannot be kept yet: /ready says why")),
        }
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
    endpoints
}
