//! The database: where it is, how to get a connection to it, and what one does with one.
//!
//! Knows nothing of HTTP, migrations or tables.

mod binaries;
mod guard;
mod tls;
mod connection;
pub mod cluster;
mod pool;
mod session;
mod transaction;
mod database;

pub use binaries::Binaries;
pub use cluster::Cluster;
pub use connection::{Connection, Dialer};
pub use database::{Database, DatabaseStats, Which};
pub use pool::{Held, Pool, PoolOptions, PoolStats, Purpose};
pub use session::{Params, Session};
pub use transaction::{Isolation, Transaction, TransactionOptions};
