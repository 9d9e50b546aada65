//! What the tests stand on: a PostgreSQL of their own, and a fresh database for each that asks.

pub mod app;
pub mod binary;
pub mod client;
pub mod certificate;
pub mod database;
pub mod gateway;
pub mod proxy;
pub mod folder;
pub mod other;
pub mod pools;
pub mod sealing;
pub mod server;
pub mod serving;
pub mod upstream;
pub mod wait;

pub use app::App;
pub use database::{database, migrated};
pub use folder::folder;

/// How much of something a test does: what is usual, or what a variable says.
pub fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}
