//! The table of all endpoints: the one place that knows all domains.

use std::path::Path;
use std::sync::Arc;

use crate::config::{Address, Config, Variables};
use crate::db::Database;
use crate::error::{Error, Result};
use crate::gateway::webhooks::{self, Deliverer, Webhooks};
use crate::gateway::{self, Gateway};
use crate::http::{Endpoint, batch, openapi};
use crate::identity::{self, Identity};
use crate::jobs::{Job, Jobs};
use crate::ops::{self, Counts, Health};
use crate::telemetry::{self, Recorder};

/// What endpoints are made from.
pub struct Parts {
    pub identity: Arc<Identity>,
    pub gateway: Arc<Gateway>,
    pub webhooks: Arc<Webhooks>,
    pub health: Arc<Health>,
    pub jobs: Arc<Jobs>,
    /// What counts as well, while the server runs.
    pub recorder: Option<Arc<Recorder>>,
    pub deliverer: Option<Arc<Deliverer>>,
}

/// All endpoints.
pub fn endpoints(config: &Config, parts: &Parts) -> Vec<Endpoint> {
    let is_open = !config.is_production() || config.boolean("METRICS_PUBLIC") == Some(true);
    let mut counts = Counts { jobs: parts.jobs.clone(), recorder: parts.recorder.clone(), others: Vec::new() };
    if let Some(deliverer) = parts.deliverer.clone() {
        counts.others.push(Box::new(move |text| deliverer.write(text)));
    }
    let mut endpoints =
        ops::endpoints(&parts.health, counts, config.path("MAINSTAY_DATA").unwrap_or(Path::new("var")), is_open);
    endpoints.push(openapi::endpoint());
    endpoints.extend(identity::endpoints(&parts.identity));
    endpoints.extend(telemetry::endpoints());
    endpoints.extend(gateway::endpoints(&parts.gateway));
    endpoints.extend(webhooks::endpoints(&parts.webhooks));
    endpoints.push(batch::endpoint());
    endpoints
}

/// The same endpoints for somebody who only reads about them. What they would work with is there in name only: pools that
/// keep no connection never make one, and the secret is nobody's.
pub fn described(config: &Config) -> Result<Vec<Endpoint>> {
    let unused = [
        ("DB_POOL_MIN", "0"),
        ("DB_POOL_READONLY_MIN", "0"),
        ("DB_POOL_PRIORITY_MIN", "0"),
        ("DB_POOL_BACKGROUND_MIN", "0"),
        ("JWT_SECRET", "a table of endpoints is made, and no token ever"),
        ("ENCRYPTION_KEY", "a table of endpoints is made, and nothing is sealed"),
    ];
    let idle = Config::from(&Variables::of(unused), |path| std::fs::read_to_string(path))
        .map_err(|problems| Error::internal(problems.to_string()))?;
    let database = Database::open(&idle, &Address::unix(Path::new("/"), "nobody", "none"))?;
    let health = Arc::new(Health::new(database.clone(), false));
    let jobs = Arc::new(Jobs::new(jobs(config, &health)));
    let parts = Parts {
        identity: Identity::new(&idle, database.clone())?,
        gateway: Gateway::new(database),
        webhooks: Webhooks::new(&idle)?,
        health,
        jobs,
        recorder: None,
        deliverer: None,
    };
    Ok(endpoints(config, &parts))
}

/// All jobs.
pub fn jobs(config: &Config, health: &Arc<Health>) -> Vec<Job> {
    let mut jobs = ops::jobs(health);
    jobs.extend(identity::jobs());
    jobs.extend(telemetry::jobs(config));
    jobs.extend(webhooks::jobs(config));
    jobs
}
