//! What is recorded: who changed what, who called what, how the platform feels, and what its users are told.
//!
//! The audit is written by the triggers of the tables, in the transaction of the change; nothing here writes it.
//! Knows of the other domains only who is calling.

mod audit_logs;
mod api_access_logs;
mod activity_logs;
mod metrics;
mod notifications;
mod figures;
mod recorder;
pub mod partitions;
mod jobs;

use crate::http::Endpoint;
pub use jobs::jobs;
pub use recorder::{ENTRIES_MAX, Recorded, Recorder, RecorderOptions};

/// All endpoints of the domain.
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = audit_logs::endpoints();
    endpoints.extend(api_access_logs::endpoints());
    endpoints.extend(activity_logs::endpoints());
    endpoints.extend(metrics::endpoints());
    endpoints.extend(notifications::endpoints());
    endpoints
}
