//! A trial: an event of its own is sent to a webhook at once, whatever its state, and the caller sees what came of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use super::attempt::{Target, send};
use super::envelope::Event;
use super::outcome::recorded;
use super::resource::WRITE;
use super::rotation::not_found;
use super::{Webhooks, deliveries};
use crate::config::show_time;
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::http::{Access, Call, Endpoint, Output, Reply, post};
use crate::sql;
use crate::sql::Json;

/// Trials at the same time: each has a thread that others would like to have, too.
const TRIALS_MAX: usize = 4;

pub(super) fn endpoints(webhooks: &Arc<Webhooks>) -> Vec<Endpoint> {
    let webhooks = webhooks.clone();
    let test = post("/api/webhooks/{id}/test", Access::Permission(WRITE), move |call| {
        let waiting = webhooks.trials.fetch_add(1, Ordering::Relaxed);
        let result = if waiting < TRIALS_MAX { test(&webhooks, call) } else { Err(too_many()) };
        webhooks.trials.fetch_sub(1, Ordering::Relaxed);
        result
    });
    vec![
        test.summary("Send an event of the type webhooks.test to a webhook, enabled or not, and show what came of it")
            .answers(200, Output::Object(deliveries::fields()))
            .named("", "WebhookDelivery")
            .fails(&[Code::RateLimitExceeded]),
    ]
}

fn test(webhooks: &Webhooks, call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, actor) = (call.id()?, call.actor());
    let row = call.session()?.maybe(&sql!("gateway/webhook_deliveries/target"), &[&id])?;
    let target = Target::read(webhooks, &row.ok_or_else(|| not_found(id))?)?;
    let payload = json!({ "webhook_id": id, "message": "This is a test. Nothing has happened." });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let event = Event {
        id: Uuid::now_v7(),
        kind: "webhooks.test".to_owned(),
        timestamp: show_time(now),
        payload: payload.to_string(),
    };
    // Nothing of the database is held while somebody else takes their time.
    let mut record: Value = recorded(&send(webhooks, &target, &event));
    record["event_id"] = json!(event.id);
    record["payload"] = payload;
    let query = sql!("gateway/webhook_deliveries/test");
    let row = call.session()?.maybe(&query, &[&Json(&actor), &id, &Json(&record.to_string())])?;
    // Deleted meanwhile.
    let row = row.ok_or_else(|| not_found(id))?;
    Ok(Reply::json(200, row.get::<_, &str>(0)))
}

fn too_many() -> Error {
    let message = format!("{TRIALS_MAX} webhooks are being tested just now; try again soon");
    Error::new(Code::RateLimitExceeded, message).retry_after(Duration::from_secs(5))
}
