//! Webhooks: who is told what happens, through HTTP, by real servers that receive, well-behaved and not.

mod receiver;
mod resource;
mod signatures;
mod secrets;
mod outbox;
mod delivery;
mod failures;
mod order;
mod replay;
mod trials;
mod reach;
mod faults;
mod crowd;
mod listen;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;
use crate::support::wait::wait_for;
use receiver::Receiver;

const PATIENCE: Duration = Duration::from_secs(60);

/// Settings with which webhooks may be sent to this machine.
const LOCAL: [(&str, &str); 2] = [("WEBHOOK_ALLOW_HTTP", "true"), ("WEBHOOK_ALLOW_PRIVATE", "127.0.0.1")];

/// A server that may send to this machine.
fn start() -> App {
    App::start_with(&LOCAL)
}

/// The same with other settings beside that.
fn start_with(settings: &[(&str, &str)]) -> App {
    App::start_with(&[&LOCAL, settings].concat())
}

/// A webhook for some events, made, with members beside those that every one has.
#[track_caller]
fn webhook(client: &Client, receiver: &Receiver, events: &[&str], members: Value) -> Value {
    let mut body = json!({ "name": uuid::Uuid::now_v7(), "url": receiver.url(), "events": events });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    client.post("/api/webhooks", &body).expect(201).json()
}

/// Lets something happen: a team is made.
#[track_caller]
fn make_team(client: &Client, slug: &str) -> Value {
    client.post("/api/teams", &json!({ "name": slug, "slug": slug })).expect(201).json()
}

/// The deliveries of a webhook, oldest first.
#[track_caller]
fn deliveries(client: &Client, webhook: &Value) -> Vec<Value> {
    let path = format!("/api/webhook-deliveries?sort=id&limit=200&webhook_id={}", text(&webhook["id"]));
    client.get(&path).expect(200).json()["data"].as_array().unwrap().clone()
}

/// The one delivery of a webhook, as soon as it is in this state.
#[track_caller]
fn delivery_in(client: &Client, webhook: &Value, status: &str) -> Value {
    wait_for(&format!("a delivery is {status}"), PATIENCE, || {
        deliveries(client, webhook).into_iter().find(|delivery| delivery["status"] == status)
    })
}

/// The webhook as it is now.
#[track_caller]
fn read(client: &Client, webhook: &Value) -> Value {
    client.get(&format!("/api/webhooks/{}", text(&webhook["id"]))).expect(200).json()
}

/// Lets time pass for what waits: it is due now.
fn hurry(app: &App) {
    let sql = "UPDATE gateway.webhook_deliveries SET next_attempt_at = now() WHERE status = 'PENDING';
        UPDATE gateway.webhooks SET blocked_until = now() WHERE blocked_until IS NOT NULL;
        NOTIFY mainstay_deliveries";
    app.database.client().batch_execute(sql).unwrap();
}
