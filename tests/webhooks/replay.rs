//! What has happened is told again: one delivery, or all of some time; and what waits is given up.

use serde_json::json;

use super::receiver::Manner;
use super::{Receiver, deliveries, delivery_in, make_team, start, webhook};
use crate::support::app::text;
use crate::support::wait::wait_for;

#[test]
fn a_delivery_is_made_again_with_the_same_id_whether_it_succeeded_or_not() {
    let receiver = Receiver::with(|_, before| Manner::Answer(if before == 0 { 500 } else { 200 }));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({ "retry_config": { "schedule": [] } }));
    make_team(&client, "one");
    let failed = delivery_in(&client, &made, "FAILED");
    let path = format!("/api/webhook-deliveries/{}/retry", text(&failed["id"]));
    assert_eq!(client.post(&path, &json!({})).expect(200).json()["status"], "PENDING");
    let succeeded = delivery_in(&client, &made, "SUCCEEDED");
    assert_eq!(succeeded["attempt"], 2);
    let event = || client.get(&format!("/api/webhook-events/{}", text(&failed["event_id"]))).expect(200).json();
    assert_eq!((&event()["status"], &event()["attempts"]), (&json!("PROCESSED"), &json!(2)));
    client.post(&path, &json!({})).expect(200);
    let received = receiver.wait_for(3);
    assert!(received.iter().all(|one| one.id() == received[0].id()));
    wait_for("it is done again", super::PATIENCE, || (event()["status"] == "PROCESSED").then_some(()));
    let nobody = format!("/api/webhook-deliveries/{}/retry", uuid::Uuid::now_v7());
    client.post(&nobody, &json!({})).refuse(404, "NOT_FOUND");
}

#[test]
fn a_time_is_replayed_to_a_webhook_that_was_not_there_and_what_it_has_had_only_if_asked() {
    let (app, early, late) = (start(), Receiver::start(), Receiver::start());
    let client = app.admin().client;
    let first = webhook(&client, &early, &["teams.created"], json!({}));
    for slug in ["one", "two", "three"] {
        make_team(&client, slug);
    }
    early.wait_for(3);
    let second = webhook(&client, &late, &["teams.*"], json!({}));
    let path = |webhook: &serde_json::Value| format!("/api/webhooks/{}/replay", text(&webhook["id"]));
    let always = json!({ "from": "2020-01-01T00:00:00Z" });
    let trial = client.with("Prefer", "tx=rollback").post(&path(&second), &always).expect(200).json();
    assert_eq!(trial, json!({ "affected": 3, "is_all": true }));
    client.with("Prefer", "max-affected=2").post(&path(&second), &always).refuse(400, "MALFORMED_REQUEST");
    assert!(deliveries(&client, &second).is_empty());
    client.post(&path(&second), &always).expect(200);
    late.wait_for(3);
    wait_for("all are delivered", super::PATIENCE, || {
        let all = [deliveries(&client, &first), deliveries(&client, &second)].concat();
        all.iter().all(|delivery| delivery["status"] == "SUCCEEDED").then_some(())
    });
    assert_eq!(client.post(&path(&first), &always).expect(200).json()["affected"], 0);
    let all = json!({ "from": "2020-01-01T00:00:00Z", "only": "all" });
    assert_eq!(client.post(&path(&first), &all).expect(200).json()["affected"], 3);
    early.wait_for(6);
    let before = json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z", "only": "all" });
    assert_eq!(client.post(&path(&first), &before).expect(200).json()["affected"], 0);
    client.post(&path(&first), &json!({})).refuse(422, "VALIDATION_ERROR");
    let counted = "SELECT count(*) FROM gateway.webhook_events WHERE deliveries <> 2 AND type = 'teams.created'";
    assert_eq!(app.database.client().query_one(counted, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn what_waits_is_given_up_one_by_one_or_all_and_not_what_is_over() {
    let receiver = Receiver::with(|_, _| Manner::Answer(500));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    for slug in ["one", "two", "three"] {
        make_team(&client, slug);
    }
    wait_for("all have failed once", super::PATIENCE, || {
        let all = deliveries(&client, &made);
        all.iter().all(|delivery| delivery["status"] == "PENDING" && delivery["attempt"] == 1).then_some(())
    });
    let first = deliveries(&client, &made).remove(0);
    let path = format!("/api/webhook-deliveries/{}/cancel", text(&first["id"]));
    assert_eq!(client.post(&path, &json!({})).expect(200).json()["status"], "CANCELLED");
    client.post(&path, &json!({})).refuse(409, "CONFLICT");
    let path = format!("/api/webhooks/{}/cancel", text(&made["id"]));
    assert_eq!(client.post(&path, &json!({})).expect(200).json(), json!({ "affected": 2, "is_all": true }));
    assert!(deliveries(&client, &made).iter().all(|delivery| delivery["status"] == "CANCELLED"));
    let events = client.get("/api/webhook-events?status=PROCESSED").expect(200).json();
    assert_eq!(events["data"].as_array().unwrap().len(), 3);
}

#[test]
fn a_replay_that_is_asked_for_twice_at_once_sends_everything_once() {
    let (app, early, late) = (start(), Receiver::start(), Receiver::start());
    let client = app.admin().client;
    webhook(&client, &early, &["teams.created"], json!({}));
    for number in 0..20 {
        make_team(&client, &format!("team-{number}"));
    }
    early.wait_for(20);
    let second = webhook(&client, &late, &["teams.created"], json!({}));
    let path = format!("/api/webhooks/{}/replay", text(&second["id"]));
    let body = json!({ "from": "2020-01-01T00:00:00Z" });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| client.post(&path, &body).expect(200));
        }
    });
    late.wait_for(20);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let received = late.received();
    let mut ids: Vec<&str> = received.iter().map(super::receiver::Received::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), received.len()), (20, 20));
}
