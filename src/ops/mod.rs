//! What keeps the service running: its settings, and what it says of its health.

mod health;
mod settings;

use std::sync::Arc;

use crate::http::Endpoint;
pub use health::{Health, Progress};

/// All endpoints of the domain.
pub fn endpoints(health: &Arc<Health>, is_open: bool) -> Vec<Endpoint> {
    let mut endpoints = health::endpoints(health, is_open);
    endpoints.extend(settings::endpoints());
    endpoints
}
