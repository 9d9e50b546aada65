//! What gateways do, and who is told of what happens.
//!
//! Knows of the other domains only who is calling.

mod pattern;
mod forms;
mod routes;
pub mod order;
pub mod export;

use crate::http::Endpoint;

/// All endpoints of the domain.
pub fn endpoints() -> Vec<Endpoint> {
    routes::endpoints()
}
