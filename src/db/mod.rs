//! The database: where it is, how to get a connection to it, and what one does with one.
//!
//! Knows nothing of HTTP, migrations or tables.

mod binaries;
mod tls;
mod local;
mod guard;
mod prepared;
mod connection;
mod dialer;
pub mod cluster;
mod pool_stats;
mod crowd;
mod manager;
mod pool;
mod statement_log;
mod statements;
mod session;
mod transaction;
mod listen;
mod database;

pub use binaries::Binaries;
pub use cluster::Cluster;
pub use connection::Connection;
pub use database::{Database, DatabaseStats, Which};
pub use dialer::Dialer;
pub use listen::{Heard, Listener};
pub use manager::PoolOptions;
pub use pool::{Held, Pool, Purpose};
pub use pool_stats::PoolStats;
pub use session::Session;
pub use statement_log::StatementLog;
pub use statements::{Params, Statements, insist};
pub use tls::system_authorities;
pub use transaction::{Isolation, Transaction, TransactionOptions};
