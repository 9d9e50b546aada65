//! The table of all endpoints: the one place that knows all domains.

use std::path::Path;
use std::sync::Arc;

use crate::config::{Address, Config, Variables};
use crate::db::Database;
use crate::devx::{self, Devx};
use crate::entities::{self, Entities};
use crate::error::{Error, Result};
use crate::gateway::webhooks::{self, Deliverer, Webhooks};
use crate::gateway::{self, Gateway};
use crate::http::{Endpoint, batch, openapi};
use crate::identity::{self, Identity};
use crate::jobs::{Job, Jobs};
use crate::ops::{self, Counts, Health};
use crate::sealing::Store;
use crate::secret::Keys;
use crate::telemetry::{self, Recorder};
use crate::templates;

/// What the domains keep while the server runs.
pub struct Domains {
    pub identity: Arc<Identity>,
    pub gateway: Arc<Gateway>,
    pub webhooks: Arc<Webhooks>,
    pub devx: Arc<Devx>,
    pub entities: Entities,
    pub keys: Arc<Keys>,
    pub health: Arc<Health>,
    pub jobs: Arc<Jobs>,
}

impl Domains {
    pub fn new(config: &Config, database: &Database, entities: Entities) -> Result<Domains> {
        let asks_database = config.boolean("DB_HEALTH_CHECK_ENABLED") != Some(false);
        let data = config.path("MAINSTAY_DATA").unwrap_or(Path::new("var"));
        let health = Arc::new(Health::new(database.clone(), asks_database, is_open(config), data));
        let keys = Arc::new(Keys::configured(config)?);
        let devx = Devx::new(config, keys.clone())?;
        Ok(Domains {
            identity: Identity::new(config, database.clone())?,
            gateway: Gateway::new(database.clone()),
            webhooks: Webhooks::new(config, keys.clone())?,
            jobs: Arc::new(Jobs::new(jobs(config, &health, &devx, &entities))),
            devx,
            entities: entities.sealed_by(keys.clone()),
            keys,
            health,
        })
    }
}

/// Where secrets are kept.
pub fn stores(entities: &Entities) -> Vec<Store> {
    [ops::STORE, webhooks::STORE, devx::STORE].into_iter().chain(entities.stores()).collect()
}

/// All endpoints. What writes logs and what delivers events are there while a server runs.
pub fn endpoints(
    config: &Config,
    domains: &Domains,
    recorder: Option<&Arc<Recorder>>,
    deliverer: Option<&Arc<Deliverer>>,
) -> Vec<Endpoint> {
    let is_open = is_open(config);
    let mut counts = Counts { jobs: domains.jobs.clone(), recorder: recorder.cloned(), others: Vec::new() };
    if let Some(deliverer) = deliverer.cloned() {
        counts.others.push(Box::new(move |text| deliverer.write(text)));
    }
    let mut endpoints = ops::endpoints(&domains.health, &domains.keys, counts, is_open);
    endpoints.push(openapi::endpoint());
    endpoints.extend(identity::endpoints(&domains.identity));
    endpoints.extend(telemetry::endpoints());
    endpoints.extend(gateway::endpoints(&domains.gateway));
    endpoints.extend(webhooks::endpoints(&domains.webhooks));
    endpoints.extend(gateway::configuration::endpoints(&domains.webhooks));
    endpoints.extend(templates::endpoints());
    endpoints.extend(devx::endpoints(&domains.devx));
    endpoints.extend(domains.entities.endpoints());
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
    Ok(endpoints(config, &Domains::new(&idle, &database, Entities::configured(config)?)?, None, None))
}

/// Whether everybody may see what is inside.
fn is_open(config: &Config) -> bool {
    !config.is_production() || config.boolean("METRICS_PUBLIC") == Some(true)
}

/// All jobs.
fn jobs(config: &Config, health: &Arc<Health>, devx: &Arc<Devx>, entities: &Entities) -> Vec<Job> {
    let mut jobs = ops::jobs(health);
    jobs.extend(identity::jobs());
    jobs.extend(telemetry::jobs(config));
    jobs.extend(webhooks::jobs(config));
    jobs.extend(templates::jobs());
    jobs.extend(devx::jobs(config, devx));
    jobs.extend(entities::jobs(entities));
    jobs
}
