//! What happens is an event in the same transaction, if somebody asks for it.

use serde_json::{Value, json};

use super::{Receiver, deliveries, make_team, start, start_with, webhook};
use crate::support::app::text;

fn events(client: &crate::support::client::Client, query: &str) -> Vec<Value> {
    let path = format!("/api/webhook-events?sort=id&limit=200&{query}");
    client.get(&path).expect(200).json()["data"].as_array().unwrap().clone()
}

#[test]
fn every_audited_change_of_every_domain_is_an_event_with_what_has_changed_and_who_did_it() {
    let (app, receiver) = (start(), Receiver::start());
    let admin = app.admin();
    webhook(&admin.client, &receiver, &["*"], json!({}));
    let team = make_team(&admin.client, "platform");
    let path = format!("/api/teams/{}", text(&team["id"]));
    admin.client.patch(&path, &json!({ "name": "Platform" })).expect(200);
    admin.client.delete(&path).expect(204);
    let setting = json!({ "key": "colour", "value": "blue", "secret": true });
    admin.client.post("/api/settings", &setting).expect(201);
    let received = receiver.wait_for(7);
    let kinds: Vec<String> = received.iter().map(super::receiver::Received::kind).collect();
    for kind in ["teams.created", "teams.updated", "teams.deleted", "settings.created", "team_members.created"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind} is not among {kinds:?}");
    }
    let update = received.iter().find(|received| received.kind() == "teams.updated").unwrap().event();
    assert_eq!(update["data"]["id"], team["id"]);
    assert_eq!(update["data"]["changes"], json!({ "name": ["platform", "Platform"] }));
    assert_eq!(update["data"]["user_id"], admin.id);
    assert!(update["timestamp"].is_string() && update["data"]["request_id"].is_string(), "{update}");
    let setting = received.iter().find(|received| received.kind() == "settings.created").unwrap();
    assert!(!setting.body.contains("blue"), "{}", setting.body);
}

#[test]
fn only_what_a_webhook_asks_for_is_recorded_for_it() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created", "settings.*"], json!({}));
    let asleep = webhook(&client, &receiver, &["*"], json!({ "enabled": false }));
    let team = make_team(&client, "platform");
    client.delete(&format!("/api/teams/{}", text(&team["id"]))).expect(204);
    client.post("/api/settings", &json!({ "key": "colour", "value": 1 })).expect(201);
    receiver.wait_for(2);
    let kinds: Vec<String> = deliveries(&client, &made).iter().map(|delivery| text(&delivery["event_type"])).collect();
    assert_eq!(kinds, ["teams.created", "settings.created"]);
    assert!(deliveries(&client, &asleep).is_empty());
    let recorded: Vec<String> = events(&client, "").iter().map(|event| text(&event["type"])).collect();
    assert_eq!(recorded, ["teams.created", "settings.created"]);
}

#[test]
fn what_is_undone_never_happened() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    webhook(&client, &receiver, &["teams.*"], json!({}));
    let team = json!({ "name": "gone", "slug": "gone" });
    client.with("Prefer", "tx=rollback").post("/api/teams", &team).expect(201);
    let operations = json!({ "operations": [
        { "method": "POST", "path": "/api/teams", "body": team },
        { "method": "POST", "path": "/api/teams", "body": { "name": "", "slug": "" } },
    ] });
    let refused = client.post("/api/batch", &operations);
    assert!(refused.status >= 400, "{}", refused.text());
    make_team(&client, "here");
    let received = receiver.wait_for(1);
    assert_eq!(received[0].event()["data"]["changes"]["slug"], json!([null, "here"]));
    assert!(events(&client, "type=teams.created").len() == 1);
}

#[test]
fn a_change_of_a_thousand_rows_is_a_thousand_events() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["settings.created"], json!({}));
    let sql = "INSERT INTO ops.settings (key, value) SELECT 'key' || n, to_jsonb(n) FROM generate_series(1, 1000) AS n";
    app.database.client().batch_execute(sql).unwrap();
    let received = receiver.wait_for(1000);
    let mut ids: Vec<&str> = received.iter().map(super::receiver::Received::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1000);
    let path = format!("/api/webhooks/{}/statistics", text(&made["id"]));
    let done = || Some(client.get(&path).expect(200).json()).filter(|statistics| statistics["succeeded"] == 1000);
    crate::support::wait::wait_for("all are delivered", super::PATIENCE, done);
    assert_eq!(receiver.received().len(), 1000);
    assert_eq!(events(&client, "status=PROCESSED").len(), 200);
    assert!(events(&client, "type=tests.none").is_empty() && events(&client, "status=PENDING").is_empty());
    assert!(events(&client, "status=PROCESSING").is_empty());
}

#[test]
fn events_from_outside_are_told_too_and_the_same_key_tells_them_once() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    webhook(&client, &receiver, &["invoices.*"], json!({}));
    let event = json!({ "type": "invoices.paid", "source": "billing", "payload": { "total": 12.5 } });
    let keyed = client.with("Idempotency-Key", "invoice-1");
    let made = keyed.post("/api/webhook-events", &event).expect(201).json();
    assert_eq!((&made["status"], &made["deliveries"]), (&json!("PENDING"), &json!(1)));
    assert_eq!(keyed.post("/api/webhook-events", &event).expect(201).json(), made);
    let nobody = json!({ "type": "orders.paid", "source": "billing", "payload": {} });
    assert_eq!(client.post("/api/webhook-events", &nobody).expect(201).json()["status"], "PROCESSED");
    let received = receiver.wait_for(1);
    assert_eq!(received[0].event()["data"], json!({ "total": 12.5 }));
    assert_eq!(received[0].event()["id"], made["id"]);
    for wrong in [
        json!({ "type": "teams.created", "source": "mainstay", "payload": {} }),
        json!({ "type": "Teams", "source": "billing", "payload": {} }),
        json!({ "type": "teams", "source": "billing", "payload": [] }),
    ] {
        client.post("/api/webhook-events", &wrong).refuse(422, "VALIDATION_ERROR");
    }
}

#[test]
fn a_payload_over_20_kb_is_sent_as_a_reference_and_kept_whole() {
    let (app, receiver) = (start_with(&[("PUBLIC_URL", "https://store.example.org/")]), Receiver::start());
    let client = app.admin().client;
    webhook(&client, &receiver, &["files.*"], json!({}));
    let event = json!({ "type": "files.made", "source": "files", "payload": { "text": "x".repeat(30_000) } });
    let made = client.post("/api/webhook-events", &event).expect(201).json();
    let received = receiver.wait_for(1);
    assert!(received[0].body.len() < 1000, "{}", received[0].body);
    let data = &received[0].event()["data"];
    assert_eq!(data["reference"], format!("https://store.example.org/api/webhook-events/{}", text(&made["id"])));
    let path = format!("/api/webhook-events/{}", text(&made["id"]));
    assert_eq!(client.get(&path).expect(200).json()["payload"], event["payload"]);
}

#[test]
fn a_write_makes_the_partition_of_its_day_if_nobody_else_has() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    webhook(&client, &receiver, &["teams.*"], json!({}));
    let drop = "DO $$ BEGIN
        EXECUTE 'DROP TABLE gateway.webhook_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM_DD');
    END $$";
    app.database.client().batch_execute(drop).unwrap();
    make_team(&client, "late");
    receiver.wait_for(1);
}

#[test]
fn a_webhook_that_is_deleted_takes_its_deliveries_with_it_and_its_events_are_done() {
    let (app, receiver) = (start(), Receiver::with(|_, _| super::receiver::Manner::Answer(500)));
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    make_team(&client, "one");
    receiver.wait_for(1);
    super::delivery_in(&client, &made, "PENDING");
    client.delete(&format!("/api/webhooks/{}", text(&made["id"]))).expect(204);
    assert!(deliveries(&client, &made).is_empty());
    assert_eq!(events(&client, "type=teams.created")[0]["status"], "PROCESSED");
}
