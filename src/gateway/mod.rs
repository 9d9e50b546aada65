//! What gateways do, and who is told of what happens.
//!
//! Knows of the other domains only who is calling.

mod pattern;
mod forms;
mod routes;
mod snapshot;
mod memory;
mod reading;
mod target;
mod near;
mod matching;
pub mod webhooks;
pub mod export;
pub mod configuration;

use std::sync::Arc;

use crate::db::{Database, Heard};
use crate::error::Result;
use crate::http::{Bell, Endpoint};
use memory::Memory;
pub use snapshot::{Route, Snapshot};

/// The channel on which the database says that routes have changed.
pub const CHANNEL: &str = "mainstay_routes";

/// Everything that the domain keeps while the server runs.
pub struct Gateway {
    memory: Memory,
}

impl Gateway {
    pub fn new(database: Database) -> Arc<Gateway> {
        Arc::new(Gateway { memory: Memory::new(database, Arc::default()) })
    }

    /// Takes note of what the database says of routes.
    pub fn hear(&self, heard: Heard<'_>) {
        self.memory.hear(heard);
    }

    /// Keeps the routes in memory right, until [`Gateway::stop`].
    pub fn keep(&self) {
        self.memory.run();
    }

    /// What requests wait at for a change of the routes.
    pub fn bell(&self) -> &Bell {
        &self.memory.bell
    }

    /// All routes, now.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>> {
        self.memory.snapshot()
    }

    pub fn stop(&self) {
        self.memory.stop();
        self.memory.bell.close();
    }
}

/// All endpoints of the domain.
pub fn endpoints(gateway: &Arc<Gateway>) -> Vec<Endpoint> {
    let mut endpoints = routes::endpoints();
    endpoints.push(reading::endpoint(gateway));
    endpoints.push(matching::endpoint(gateway));
    endpoints.extend(configuration::endpoints());
    endpoints
}
