//! How far the partitions of our tables reach. They are made by a job; what is written beyond them fails.

use crate::sql;
use crate::sql::Query;

/// A table with partitions by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitioned {
    pub table: String,
    /// Whether there is a partition for now.
    pub has_today: bool,
    /// When the last partition ends, in seconds since 1970.
    pub ends_at: i64,
}

impl Partitioned {
    /// Reads them all; each row is one.
    pub const ALL: Query = sql!("migrate/partitions");

    pub fn of(row: &postgres::Row) -> Partitioned {
        Partitioned { table: row.get("name"), has_today: row.get("has_today"), ends_at: row.get("ends_at") }
    }
}
