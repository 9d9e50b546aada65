//! The table of all endpoints: the one place that knows all domains.

use std::path::Path;
use std::sync::Arc;

use crate::config::{Address, Config, Variables};
use crate::db::Database;
use crate::error::{Error, Result};
use crate::gateway::{self, Gateway};
use crate::http::{Endpoint, batch, openapi};
use crate::identity::{self, Identity};
use crate::jobs::{Job, Jobs};
use crate::ops::{self, Counts, Health};
use crate::telemetry::{self, Recorder};

/// All endpoints.
pub fn endpoints(
    config: &Config,
    identity: &Arc<Identity>,
    gateway: &Arc<Gateway>,
    health: &Arc<Health>,
    jobs: &Arc<Jobs>,
    recorder: Option<&Arc<Recorder>>,
) -> Vec<Endpoint> {
    let is_open = !config.is_production() || config.boolean("METRICS_PUBLIC") == Some(true);
    let counts = Counts { jobs: jobs.clone(), recorder: recorder.cloned() };
    let mut endpoints =
        ops::endpoints(health, counts, config.path("MAINSTAY_DATA").unwrap_or(Path::new("var")), is_open);
    endpoints.push(openapi::endpoint());
    endpoints.extend(identity::endpoints(identity));
    endpoints.extend(telemetry::endpoints());
    endpoints.extend(gateway::endpoints(gateway));
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
    ];
    let idle = Config::from(&Variables::of(unused), |path| std::fs::read_to_string(path))
        .map_err(|problems| Error::internal(problems.to_string()))?;
    let database = Database::open(&idle, &Address::unix(Path::new("/"), "nobody", "none"))?;
    let health = Arc::new(Health::new(database.clone(), false));
    let jobs = Arc::new(Jobs::new(jobs(config, &health)));
    let gateway = Gateway::new(database.clone());
    Ok(endpoints(config, &Identity::new(&idle, database)?, &gateway, &health, &jobs, None))
}

/// All jobs.
pub fn jobs(config: &Config, health: &Arc<Health>) -> Vec<Job> {
    let mut jobs = ops::jobs(health);
    jobs.extend(identity::jobs());
    jobs.extend(telemetry::jobs(config));
    jobs
}
