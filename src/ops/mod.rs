//! What keeps the service running: its settings, its health, its figures, and questions to its database.

mod judge;
mod figures;
mod health;
mod detail;
pub mod doctor;
mod metrics;
mod query;
mod jobs;
mod settings;

use std::sync::Arc;

use crate::http::{Access, Endpoint, Permission, Role};
use crate::secret::Keys;
pub use health::{Health, Progress};
pub use jobs::jobs;
pub use metrics::Counts;
pub use settings::STORE;

/// All endpoints of the domain. What tells more than that the server is well is open to everybody where `is_open`.
pub fn endpoints(health: &Arc<Health>, keys: &Arc<Keys>, counts: Counts, is_open: bool) -> Vec<Endpoint> {
    let access = match is_open {
        true => Access::Public,
        false => Access::Permission(Permission::new("read:metrics", Role::Viewer)),
    };
    let mut endpoints = health::endpoints(health, access);
    endpoints.extend(detail::endpoints(health, access));
    endpoints.push(metrics::endpoint(health, counts, access));
    endpoints.push(query::endpoint());
    endpoints.extend(settings::endpoints(keys));
    endpoints
}
