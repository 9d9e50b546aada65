//! What is done in the background: work of which nothing was heard any more comes to its end.

use std::time::Duration;

use serde_json::json;

use crate::db::Statements;
use crate::jobs::Job;
use crate::sql;

/// How often leases are looked after.
const GIVE_UP_EVERY: Duration = Duration::from_secs(10);
/// Rows that one statement changes.
const ROWS_MAX: i64 = 1000;

/// All jobs of the domain.
pub fn jobs() -> Vec<Job> {
    vec![Job::new("give-up-generations", GIVE_UP_EVERY, |session| {
        Ok(json!({ "failed": session.exec(&sql!("devx/generations/give_up"), &[&ROWS_MAX])? }))
    })]
}
