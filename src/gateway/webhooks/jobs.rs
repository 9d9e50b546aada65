//! What keeps events from failing and from growing for ever.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::statistics::first_id;
use crate::config::Config;
use crate::db::Statements;
use crate::error::Result;
use crate::jobs::Job;
use crate::sql;
use crate::telemetry::partitions;

const HOUR: Duration = Duration::from_secs(3600);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const DAY_SECONDS: u64 = 24 * 3600;
/// Rows that are removed at once, and how often in one run.
const CLEAN_ROWS: i64 = 10_000;
const CLEAN_ROUNDS: usize = 20;

/// Makes the partitions of events that are missing, and answers their names.
pub(super) fn make_partitions(statements: &mut dyn Statements) -> Result<Vec<String>> {
    let made: Option<Vec<String>> = statements.one(&sql!("gateway/webhook_events/make_partitions"), &[])?.get(0);
    Ok(made.unwrap_or_default())
}

/// All jobs of webhooks.
pub fn jobs(config: &Config) -> Vec<Job> {
    let days = config.integer("WEBHOOK_EVENT_DAYS");
    vec![
        Job::new("make-event-partitions", HOUR, |session| Ok(json!({ "made": make_partitions(session)? }))),
        Job::new("drop-event-partitions", HOUR, move |session| {
            partitions::drop_old(session, "drop-event-partitions", &[("gateway.webhook_events", days as i32)])
        }),
        Job::new("clean-deliveries", TEN_MINUTES, move |session| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
            let oldest = first_id(now.saturating_sub(u64::from(days) * DAY_SECONDS));
            let (mut removed, mut waiting) = (0, 0);
            for _ in 0..CLEAN_ROUNDS {
                let row = session.one(&sql!("gateway/webhook_deliveries/clean"), &[&oldest, &CLEAN_ROWS])?;
                let count: i64 = row.get("removed");
                removed += count;
                waiting += row.get::<_, i64>("waiting");
                if count < CLEAN_ROWS {
                    break;
                }
            }
            if waiting > 0 {
                log::warn!("{waiting} deliveries that still waited are not kept any more: see WEBHOOK_EVENT_DAYS");
            }
            Ok(json!({ "removed": removed, "waiting": waiting }))
        }),
    ]
}
