//! Services are asked how they are, where that is wanted, as carefully as webhooks are sent: no further than one may reach.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::Devx;
use crate::db::{Session, Statements};
use crate::error::Result;
use crate::sql;
use crate::sql::Json;

/// How often a service is asked.
const EVERY_SECONDS: i64 = 30;
/// Services that are asked at the same time. One round takes no longer than one of them may.
pub(super) const AT_ONCE: usize = 16;
/// How long a service may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of what is kept of an error.
const ERROR_MAX: usize = 500;

/// Asks those that are due, and writes down how they are.
pub(super) fn round(devx: &Devx, session: &mut Session) -> Result<Value> {
    let rows = session.all(&sql!("devx/health_checks/due"), &[&(AT_ONCE as i64), &EVERY_SECONDS])?;
    let due: Vec<(Uuid, String)> = rows.iter().map(|row| (row.get("id"), row.get("health_check_url"))).collect();
    let seen: Vec<Value> = thread::scope(|scope| {
        let threads: Vec<_> = due.iter().map(|(id, url)| scope.spawn(move || ask(devx, *id, url))).collect();
        // One that panicked has said so, and is asked again the next time.
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    if !seen.is_empty() {
        session.exec(&sql!("devx/health_checks/write"), &[&Json(&json!(seen).to_string())])?;
    }
    let down = seen.iter().filter(|check| check["status"] == "DOWN").count();
    Ok(json!({ "asked": seen.len(), "down": down }))
}

/// A service is up if it answers, and with a status of success.
fn ask(devx: &Devx, id: Uuid, url: &str) -> Value {
    let start = Instant::now();
    let answer = devx.reach.check(url).and_then(|()| devx.client.get(url));
    let took = start.elapsed().as_millis() as u64;
    match answer {
        Ok(answer) => {
            let status = if (200..300).contains(&answer.status) { "UP" } else { "DOWN" };
            json!({ "service_id": id, "status": status, "response_status": answer.status, "response_ms": took })
        }
        Err(error) => {
            let error: String = error.chars().take(ERROR_MAX).collect();
            json!({ "service_id": id, "status": "DOWN", "response_ms": took, "error": error })
        }
    }
}
