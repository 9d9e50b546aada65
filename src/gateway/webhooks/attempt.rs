//! One attempt: a message signed and sent, and what came of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use postgres::Row;
use serde_json::Value;

use super::envelope::{Event, body};
use super::signature::sign;
use super::{Webhooks, secrets};
use crate::error::Result;
use crate::outgoing::Answer;

/// Where a message goes, and how.
#[derive(Debug)]
pub struct Target {
    pub url: String,
    pub headers: Value,
    pub retry_config: Value,
    pub secrets: Vec<Vec<u8>>,
}

impl Target {
    /// From a row of those statements that have all of it.
    pub fn read(webhooks: &Webhooks, row: &Row) -> Result<Target> {
        Ok(Target {
            url: row.get("url"),
            headers: row.get("headers"),
            retry_config: row.get::<_, Option<Value>>("retry_config").unwrap_or_default(),
            secrets: secrets::of(&webhooks.keys, row)?,
        })
    }
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// The answer, or why there is none.
    pub answer: Result<Answer, String>,
    pub took: Duration,
}

impl Attempt {
    /// One that was not made.
    pub fn refused(reason: impl Into<String>) -> Attempt {
        Attempt { answer: Err(reason.into()), took: Duration::ZERO }
    }

    pub fn has_succeeded(&self) -> bool {
        matches!(&self.answer, Ok(Answer { status: 200..=299, .. }))
    }

    /// Whether the receiver says that it wants nothing any more.
    pub fn is_gone(&self) -> bool {
        matches!(&self.answer, Ok(Answer { status: 410, .. }))
    }

    pub fn retry_after(&self) -> Option<Duration> {
        self.answer.as_ref().ok().and_then(|answer| answer.retry_after)
    }

    /// Why it failed, if it did.
    pub fn error(&self) -> Option<String> {
        match &self.answer {
            Err(reason) => Some(reason.clone()),
            Ok(_) if self.has_succeeded() => None,
            Ok(Answer { status: 300..=399, .. }) => Some("answered with a redirect, which is not followed".to_owned()),
            Ok(answer) => Some(format!("answered {}", answer.status)),
        }
    }
}

/// Sends an event to a target.
pub fn send(webhooks: &Webhooks, target: &Target, event: &Event) -> Attempt {
    // Rules may have changed since the URL was taken.
    if let Err(problem) = webhooks.reach.check(&target.url) {
        return Attempt::refused(format!("the URL {problem}"));
    }
    let (id, body) = (event.id.to_string(), body(event, &webhooks.public_url));
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let signatures = sign(&target.secrets, &id, timestamp, &body);
    let timestamp = timestamp.to_string();
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("webhook-id", id.as_str()),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signatures.as_str()),
    ];
    let own = target.headers.as_object().into_iter().flatten();
    headers.extend(own.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))));
    let start = Instant::now();
    let answer = webhooks.client.post(&target.url, &headers, &body);
    Attempt { answer, took: start.elapsed() }
}
