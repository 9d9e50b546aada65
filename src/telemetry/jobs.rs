//! What keeps the logs from failing and from growing for ever: partitions made ahead, and what is old removed.

use std::time::Duration;

use serde_json::json;

use crate::config::Config;
use crate::db::Statements;
use crate::jobs::Job;
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
        Job::new("make-log-partitions", HOUR, |session| {
            let made: Option<Vec<String>> = session.one(&sql!("telemetry/partitions/make"), &[])?.get(0);
            Ok(json!({ "made": made.unwrap_or_default() }))
        }),
        Job::new("drop-log-partitions", HOUR, move |session| {
            let row = session.one(&sql!("telemetry/partitions/drop"), &[&audit_days, &access_days])?;
            Ok(json!({ "dropped": row.get::<_, Option<Vec<String>>>(0).unwrap_or_default() }))
        }),
        Job::new("clean-metrics", TEN_MINUTES, move |session| {
            let system = session.exec(&sql!("telemetry/system_metrics/clean"), &[&metrics_days, &CLEAN_ROWS])?;
            let performance =
                session.exec(&sql!("telemetry/performance_metrics/clean"), &[&metrics_days, &CLEAN_ROWS])?;
            Ok(json!({ "removed": system + performance }))
        }),
        Job::new("clean-notifications", TEN_MINUTES, |session| {
            Ok(json!({ "removed": session.exec(&sql!("telemetry/notifications/clean"), &[&CLEAN_ROWS])? }))
        }),
    ]
}
