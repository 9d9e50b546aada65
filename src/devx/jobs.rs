//! What is done in the background: services are asked how they are, work of which nothing was heard any more comes to its
//! end, and what is old is forgotten.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Devx, health};
use crate::config::Config;
use crate::db::Statements;
use crate::jobs::{Job, in_portions};
use crate::sql;

/// How often leases are looked after, services are asked, and what is old is looked for.
const GIVE_UP_EVERY: Duration = Duration::from_secs(10);
const CHECK_EVERY: Duration = Duration::from_secs(5);
const CLEAN_EVERY: Duration = Duration::from_secs(600);
/// Rows that one statement changes, or removes.
const ROWS_MAX: i64 = 1000;
const CLEAN_ROWS: i64 = 10_000;
/// How long it is known how services were.
const HEALTH_DAYS: i32 = 30;

/// All jobs of the domain.
pub fn jobs(config: &Config, devx: &Arc<Devx>) -> Vec<Job> {
    let (devx, days) = (devx.clone(), config.integer("AUDIT_LOG_DAYS") as i32);
    vec![
        Job::new("give-up-generations", GIVE_UP_EVERY, |session| {
            Ok(json!({ "failed": session.exec(&sql!("devx/generations/give_up"), &[&ROWS_MAX])? }))
        }),
        Job::new("check-services", CHECK_EVERY, move |session| health::round(&devx, session)),
        Job::new("clean-health-checks", CLEAN_EVERY, |session| {
            let clean = || session.exec(&sql!("devx/health_checks/clean"), &[&HEALTH_DAYS, &CLEAN_ROWS]);
            Ok(json!({ "removed": in_portions(CLEAN_ROWS, clean)? }))
        }),
        Job::new("clean-activity", CLEAN_EVERY, move |session| {
            let clean = || session.exec(&sql!("devx/activity/clean"), &[&days, &CLEAN_ROWS]);
            Ok(json!({ "removed": in_portions(CLEAN_ROWS, clean)? }))
        }),
    ]
}
