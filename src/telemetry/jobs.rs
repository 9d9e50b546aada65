//! What keeps the logs from failing and from growing for ever: partitions made ahead, and what is old removed.

use std::time::Duration;

use serde_json::json;

use super::partitions;
use crate::config::Config;
use crate::db::Statements;
use crate::jobs::{Job, in_portions};
use crate::sql;

const HOUR: Duration = Duration::from_secs(3600);
const TEN_MINUTES: Duration = Duration::from_secs(600);
/// Rows that a job removes at once.
const CLEAN_ROWS: i64 = 10_000;

/// All jobs of the domain.
pub fn jobs(config: &Config) -> Vec<Job> {
    let days = |name: &str| config.integer(name) as i32;
    let (audit_days, access_days, metrics_days) =
        (days("AUDIT_LOG_DAYS"), days("ACCESS_LOG_DAYS"), days("METRICS_DAYS"));
    vec![
        Job::new("make-log-partitions", HOUR, |session| Ok(json!({ "made": partitions::make(session)? }))),
        Job::new("drop-log-partitions", HOUR, move |session| {
            let logs = [("telemetry.audit_logs", audit_days), ("telemetry.api_access_logs", access_days)];
            partitions::drop_old(session, "drop-log-partitions", &logs)
        }),
        Job::new("clean-metrics", TEN_MINUTES, move |session| {
            let mut clean = |query| in_portions(CLEAN_ROWS, || session.exec(&query, &[&metrics_days, &CLEAN_ROWS]));
            let system = clean(sql!("telemetry/system_metrics/clean"))?;
            let performance = clean(sql!("telemetry/performance_metrics/clean"))?;
            Ok(json!({ "removed": system + performance }))
        }),
        Job::new("clean-notifications", TEN_MINUTES, |session| {
            let clean = || session.exec(&sql!("telemetry/notifications/clean"), &[&CLEAN_ROWS]);
            Ok(json!({ "removed": in_portions(CLEAN_ROWS, clean)? }))
        }),
    ]
}
