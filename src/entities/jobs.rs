//! Background work of the domain.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Entities;
use super::text::table;
use crate::db::Statements;
use crate::jobs::Job;
use crate::sql;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Rows that are purged by one statement, and statements for one table in a run.
const ROWS_MAX: i32 = 1000;
const STEPS_MAX: usize = 100;

/// All jobs of the domain: of servers without entities, none.
pub fn jobs(entities: &Entities) -> Vec<Job> {
    let mut purged: Vec<(String, String, i32)> = Vec::new();
    for entity in entities.list.iter().filter(|entity| entity.models.soft_deletable) {
        purged.push((entity.name.clone(), table(&entity.name), entity.retention_days as i32));
    }
    if purged.is_empty() {
        return Vec::new();
    }
    let purge = Job::new("purge_entities", HOUR, move |session| {
        let mut counts = Map::new();
        for (name, table, days) in &purged {
            let mut total = 0;
            for _ in 0..STEPS_MAX {
                let row = session.one(&sql!("entities/purge"), &[table, &ROWS_MAX, days])?;
                let count: i64 = row.get(0);
                total += count;
                if count == 0 {
                    break;
                }
            }
            counts.insert(name.clone(), total.into());
        }
        Ok(Value::Object(counts))
    });
    vec![purge]
}
