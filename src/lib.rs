//! mainstay keeps what an internal platform must not lose, on PostgreSQL.
//!
//! The modules, each of which uses only those above it:

pub mod error;
pub mod config;
pub mod sql;
pub mod db;
pub mod migrate;
pub mod identity;
pub mod serve;
pub mod cli;
