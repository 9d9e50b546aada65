//! The database: where it is, how to get a connection to it, and what one does with one.
//!
//! Knows nothing of HTTP, migrations or tables.

mod binaries;
mod connection;
mod guard;
mod pool;
mod session;
mod transaction;
mod tls;

pub use binaries::Binaries;
pub use connection::{Connection, Dialer};
pub use pool::{Held, Pool, PoolOptions, PoolStats, Purpose};
pub use session::{Params, Session};
pub use transaction::{Isolation, Transaction, TransactionOptions};
