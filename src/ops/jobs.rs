//! Jobs that belong to no other domain.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Health;
use crate::db::Statements;
use crate::jobs::{Job, in_portions};
use crate::migrate::Partitioned;
use crate::sql;

/// Rows of one statement that cleans up.
const CLEAN_ROWS: i64 = 5000;

pub fn jobs(health: &Arc<Health>) -> Vec<Job> {
    let health = health.clone();
    vec![
        Job::new("clean-idempotency-keys", Duration::from_secs(600), |session| {
            let clean = || session.exec(&sql!("ops/idempotency_keys/clean"), &[&CLEAN_ROWS]);
            Ok(json!({ "removed": in_portions(CLEAN_ROWS, clean)? }))
        }),
        Job::new("measure-database", Duration::from_secs(60), move |session| {
            let row = session.one(&sql!("ops/health/size"), &[])?;
            let bytes: i64 = row.get(0);
            health.set_database_bytes(bytes as u64);
            health.set_partitions(session.all(&Partitioned::ALL, &[])?.iter().map(Partitioned::of).collect());
            Ok(json!({ "size_bytes": bytes }))
        }),
    ]
}
