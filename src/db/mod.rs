//! The database: where it is, how to get a connection to it, and what one does with one.
//!
//! Knows nothing of HTTP, migrations or tables.

mod binaries;
mod guard;
mod tls;
mod connection;
pub mod cluster;
mod pool;
mod statements;
mod session;
mod transaction;
mod listen;
mod database;

pub use binaries::Binaries;
pub use cluster::Cluster;
pub use connection::{Connection, Dialer};
pub use database::{Database, DatabaseStats, Which};
pub use listen::{Heard, Listener};
pub use pool::{Held, Pool, PoolOptions, PoolStats, Purpose};
pub use session::Session;
pub use statements::{Params, Statements};
pub use transaction::{Isolation, Transaction, TransactionOptions};
