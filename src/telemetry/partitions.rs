//! Partitions of what grows, taken away when everything in them is old.
//!
//! A partition is detached first while others read and write (`DETACH … CONCURRENTLY`, which PostgreSQL 13 does not have), and
//! dropped when nobody can be at work in it. Who is interrupted leaves one that is half detached; the next run goes on with it.
//!
//! A clock that jumps ahead makes everything old. So nothing is dropped until the job has run for a day without a gap.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::db::{Session, Statements, TransactionOptions};
use crate::error::Result;
use crate::sql;

const NAME: &str = "telemetry/partitions/drop";

/// Makes the partitions of the logs that are missing, and answers their names.
pub(super) fn make(session: &mut Session) -> Result<Vec<String>> {
    let made: Option<Vec<String>> = session.one(&sql!("telemetry/partitions/make"), &[])?.get(0);
    Ok(made.unwrap_or_default())
}

/// Takes away what is older than so many days, table by table, for the job of this name. What it could not do is for the next
/// time, and said.
pub fn drop_old(session: &mut Session, job: &str, tables: &[(&str, i32)]) -> Result<Value> {
    let steady = session.one(&sql!("ops/jobs/steady"), &[&job])?;
    let since: &str = steady.get("since");
    let (mut dropped, mut waiting) = (Vec::new(), Vec::new());
    for (table, days) in tables {
        for row in session.all(&sql!("telemetry/partitions/old"), &[table, days])? {
            let name: String = row.get("name");
            let result = match steady.get("is_a_day") {
                true => take_away(session, table, &name, row.get("state"), row.get("detaches_concurrently")),
                false => {
                    waiting.push(name);
                    continue;
                }
            };
            match result {
                Ok(()) => dropped.push(name),
                Err(error) => {
                    log::warn!("{name} could not be dropped now: {error}");
                    waiting.push(name);
                }
            }
        }
    }
    Ok(json!({ "dropped": dropped, "waiting": waiting, "steady_since": since }))
}

fn take_away(session: &mut Session, table: &str, name: &str, state: &str, is_concurrent: bool) -> Result<()> {
    let detach = format!("ALTER TABLE {table} DETACH PARTITION {name}");
    match state {
        "attached" if !is_concurrent => {
            return session.transaction(TransactionOptions::default(), |transaction| {
                // Whoever comes later waits for whoever is waited for here.
                transaction.all_of(NAME, Cow::Borrowed("SET LOCAL lock_timeout = '1s'"), &[])?;
                transaction.all_of(NAME, Cow::Owned(format!("DROP TABLE {name}")), &[]).map(drop)
            });
        }
        "attached" => drop(session.all_of(NAME, Cow::Owned(format!("{detach} CONCURRENTLY")), &[])?),
        "pending" => drop(session.all_of(NAME, Cow::Owned(format!("{detach} FINALIZE")), &[])?),
        _ => {}
    }
    session.all_of(NAME, Cow::Owned(format!("DROP TABLE {name}")), &[]).map(drop)
}
