//! mainstay keeps what an internal platform must not lose, on PostgreSQL.
//!
//! The modules, each of which uses only those above it:

pub mod error;
pub mod config;
pub mod request_id;
pub mod json;
pub mod json_schema;
pub mod metrics;
pub mod sql;
pub mod db;
pub mod migrate;
pub mod fields;
pub mod http;
pub mod resource;
pub mod leases;
pub mod jobs;
pub mod secret;
pub mod sealing;
pub mod outgoing;
pub mod identity;
pub mod telemetry;
pub mod gateway;
pub mod templates;
pub mod devx;
pub mod entities;
pub mod ops;
pub mod serve;
pub mod cli;
