//! What is recorded of an attempt.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::attempt::Attempt;
use super::schedule::wait_after;

/// What became of a claimed delivery.
#[derive(Debug)]
pub struct Outcome {
    pub id: Uuid,
    pub webhook: Uuid,
    pub took: Duration,
    /// When somebody else may have claimed it.
    pub until: Instant,
    pub is_gone: bool,
    pub has_succeeded: bool,
    record: Value,
}

/// Which claim of which delivery it was.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    pub id: Uuid,
    pub webhook: Uuid,
    pub fence: i64,
    /// Counted from 1, since somebody asked for it last.
    pub attempt: i32,
    pub until: Instant,
}

impl Outcome {
    pub fn of(claim: Claim, attempt: &Attempt, retry_config: &Value) -> Outcome {
        let wait = match attempt.is_gone() {
            // Whoever enables it again may ask for what it has missed.
            true => None,
            false => wait_after(claim.attempt, retry_config, attempt.retry_after()),
        };
        Outcome::new(claim, attempt, wait)
    }

    /// Of an attempt that will never be of any use.
    pub fn hopeless(claim: Claim, reason: &str) -> Outcome {
        Outcome::new(claim, &Attempt::refused(reason), None)
    }

    fn new(claim: Claim, attempt: &Attempt, wait: Option<Duration>) -> Outcome {
        let mut record = recorded(attempt);
        if !attempt.has_succeeded() {
            record["status"] = json!(if wait.is_some() { "PENDING" } else { "FAILED" });
        }
        record["id"] = json!(claim.id);
        record["fence"] = json!(claim.fence);
        record["wait_ms"] = json!(wait.unwrap_or_default().as_millis() as u64);
        Outcome {
            id: claim.id,
            webhook: claim.webhook,
            took: attempt.took,
            until: claim.until,
            is_gone: attempt.is_gone(),
            has_succeeded: attempt.has_succeeded(),
            record,
        }
    }
}

/// An attempt as the columns of a delivery have it.
pub fn recorded(attempt: &Attempt) -> Value {
    let answer = attempt.answer.as_ref().ok();
    json!({
        "status": if attempt.has_succeeded() { "SUCCEEDED" } else { "FAILED" },
        "response_status": answer.map(|answer| answer.status),
        "response_ms": attempt.took.as_millis() as u64,
        "response_excerpt": answer.map(|answer| &answer.excerpt),
        "error": attempt.error(),
    })
}

/// All of some, as the statement takes them.
pub fn records(outcomes: &[Outcome]) -> String {
    Value::Array(outcomes.iter().map(|outcome| outcome.record.clone()).collect()).to_string()
}
