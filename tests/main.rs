//! The tests of mainstay, through its doors: the binary, HTTP, and the database.

#![allow(clippy::unwrap_used, unreachable_pub)] // support code of tests is test code

mod support;
mod harness;
mod config;
mod cli;
mod cli_identity;
mod tls;
mod pools;
mod postgresql;
mod plans;
mod sessions;
mod cluster;
mod migrate;
mod identity_schema;
mod identity_tokens;
mod sql;
mod serve;
mod faults;
mod overload;
mod deployment;
mod api;
mod tidy;
mod admin_query;
mod health;
mod metrics;
mod readme;
mod openapi;
mod telemetry;
mod templates;
mod devx;
mod gateway;
mod entities;
mod webhooks;
