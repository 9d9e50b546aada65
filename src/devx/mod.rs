//! What is built here: projects, their services, and what is generated for them from templates.
//!
//! Owns the schema devx. Of templates it knows what the database says of what was published.

mod projects;
mod services;
mod generations;
mod outdated;
mod diff;
mod activity;
mod jobs;

use crate::http::Endpoint;
pub use jobs::jobs;

/// All endpoints of the domain.
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = projects::endpoints();
    endpoints.extend(services::endpoints());
    endpoints.extend(generations::endpoints());
    endpoints.extend(outdated::endpoints());
    endpoints.extend(activity::endpoints());
    endpoints
}
