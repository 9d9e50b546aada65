//! The database: where it is, how to get a connection to it, and what one does with one.
//!
//! Knows nothing of HTTP, migrations or tables.

mod binaries;

pub use binaries::Binaries;
