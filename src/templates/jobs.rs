//! What is done in the background: downloads are counted, many with one change of the template.

use std::time::Duration;

use serde_json::json;

use crate::db::Statements;
use crate::jobs::Job;
use crate::sql;

/// How often downloads are counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// Downloads that one statement counts.
const COUNT_ROWS: i64 = 10_000;

/// All jobs of the domain.
pub fn jobs() -> Vec<Job> {
    vec![Job::new("count-downloads", COUNT_EVERY, |session| {
        let row = session.one(&sql!("templates/downloads/count"), &[&COUNT_ROWS])?;
        Ok(json!({ "counted": row.get::<_, i64>(0) }))
    })]
}
