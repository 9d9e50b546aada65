//! What is built here: projects, their services, and what is generated for them from templates.
//!
//! Owns the schema devx. Of templates it knows what the database says of what was published.

mod projects;
mod environment;
mod health;
mod services;
mod generations;
mod outdated;
mod diff;
mod activity;
mod jobs;

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::error::Result;
use crate::http::Endpoint;
use crate::outgoing::{Client, Reach};
use crate::secret::Keys;
pub use environment::STORE;
pub use jobs::jobs;

/// What is a user's here: their own, and what is in the projects that they see.
const OWN: &str = "t.user_id = {user} OR t.project_id = ANY (ARRAY(SELECT devx.current_project_ids()))";

/// Everything that the domain needs while the server runs.
pub struct Devx {
    keys: Arc<Keys>,
    reach: Arc<Reach>,
    client: Client,
}

impl Devx {
    pub fn new(config: &Config, keys: Arc<Keys>) -> Result<Arc<Devx>> {
        let reach = Arc::new(Reach::configured(config, "SERVICE_CHECK")?);
        let authorities = config.text("WEBHOOK_ROOT_CERT").map(Path::new);
        let client = Client::new(reach.clone(), authorities, health::TIMEOUT, health::AT_ONCE)?;
        Ok(Arc::new(Devx { keys, reach, client }))
    }
}

/// All endpoints of the domain.
pub fn endpoints(devx: &Arc<Devx>) -> Vec<Endpoint> {
    let mut endpoints = projects::endpoints();
    endpoints.extend(services::endpoints(devx));
    endpoints.extend(generations::endpoints());
    endpoints.extend(outdated::endpoints());
    endpoints.extend(activity::endpoints());
    endpoints
}
