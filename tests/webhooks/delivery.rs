//! Delivery as Standard Webhooks says, to a receiver that takes what it gets.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{Receiver, deliveries, delivery_in, make_team, read, start, webhook};
use crate::support::app::text;

#[test]
fn an_event_arrives_at_once_signed_and_with_the_headers_of_standard_webhooks() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({ "headers": { "X-Tenant": "blue" } }));
    let before = std::time::Instant::now();
    make_team(&client, "platform");
    let received = receiver.wait_for(1).remove(0);
    assert!(received.at.duration_since(before).as_millis() < 900, "it waited for the next look at the table");
    assert!(received.is_signed_with(&text(&made["secret"])), "{received:?}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(received.header("webhook-timestamp").parse().unwrap()) < 60, "{received:?}");
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.header("x-tenant"), "blue");
    assert!(received.header("user-agent").starts_with("mainstay/"), "{received:?}");
    assert_eq!(received.event()["id"], received.id());
    assert_eq!(received.event()["type"], "teams.created");
    let delivery = delivery_in(&client, &made, "SUCCEEDED");
    assert_eq!(delivery["event_id"], received.id());
    assert_eq!((&delivery["attempt"], &delivery["response_status"]), (&json!(1), &json!(200)));
    assert!(delivery["finished_at"].is_string() && delivery["next_attempt_at"].is_null(), "{delivery}");
    let path = format!("/api/webhook-events/{}", received.id());
    assert_eq!(client.get(&path).expect(200).json()["status"], "PROCESSED");
}

#[test]
fn every_status_from_200_to_299_is_a_success() {
    let receiver = Receiver::with(|_, before| super::receiver::Manner::Answer([200, 201, 202, 204, 299][before % 5]));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    for slug in ["a", "b", "c", "d", "e"] {
        make_team(&client, slug);
    }
    crate::support::wait::wait_for("all five succeed", super::PATIENCE, || {
        deliveries(&client, &made).iter().all(|delivery| delivery["status"] == "SUCCEEDED").then_some(())
    });
    assert_eq!(receiver.received().len(), 5);
    assert_eq!(read(&client, &made)["failure_count"], 0);
}

#[test]
fn what_waits_for_a_disabled_webhook_is_sent_once_it_is_enabled_again() {
    let receiver = Receiver::with(|_, before| super::receiver::Manner::Answer(if before == 0 { 500 } else { 200 }));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    make_team(&client, "one");
    delivery_in(&client, &made, "PENDING");
    receiver.wait_for(1);
    let path = format!("/api/webhooks/{}", text(&made["id"]));
    crate::support::wait::wait_for("the failure is noted", super::PATIENCE, || {
        (read(&client, &made)["failure_count"] == 1).then_some(())
    });
    client.patch(&path, &json!({ "enabled": false })).expect(200);
    super::hurry(&app);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(receiver.received().len(), 1);
    client.patch(&path, &json!({ "enabled": true })).expect(200);
    delivery_in(&client, &made, "SUCCEEDED");
    let received = receiver.received();
    assert_eq!((received.len(), received[0].id()), (2, received[1].id()));
}

#[test]
fn metrics_count_attempts() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    make_team(&client, "one");
    delivery_in(&client, &made, "SUCCEEDED");
    let metrics = client.get("/metrics").expect(200);
    assert!(metrics.text().contains("mainstay_webhook_attempts_total{outcome=\"succeeded\"} 1"), "{}", metrics.text());
}
