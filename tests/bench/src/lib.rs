//! What the benchmarks share: a PostgreSQL of their own, options, and figures that can be compared.
//!
//! Whoever is compared is measured in alternating rounds of one run, and ratios are taken round by round: a slow minute of
//! a machine that others use too speaks neither for nor against anybody.

pub mod arguments;
pub mod cluster;
pub mod figures;
pub mod served;
pub mod statements;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
