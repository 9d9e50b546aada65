//! What keeps the service running: its settings, for now.

mod settings;

pub use settings::endpoints;
