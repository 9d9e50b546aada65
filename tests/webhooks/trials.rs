//! Trials of a webhook: an event of its own, at once, with what came of it.

use serde_json::json;

use super::receiver::Manner;
use super::{Receiver, deliveries, read, start, webhook};
use crate::support::app::text;

#[test]
fn a_test_says_at_once_what_the_receiver_answered_even_of_a_disabled_webhook() {
    let receiver = Receiver::with(|_, before| match before {
        0 => Manner::Full(202, "", "thank you".to_owned()),
        _ => Manner::Answer(500),
    });
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["routes.*"], json!({ "enabled": false }));
    let path = format!("/api/webhooks/{}/test", text(&made["id"]));
    let tried = client.post(&path, &json!({})).expect(200).json();
    assert_eq!((&tried["status"], &tried["response_status"]), (&json!("SUCCEEDED"), &json!(202)));
    assert_eq!(tried["response_excerpt"], "thank you");
    let received = receiver.received().remove(0);
    assert_eq!(received.kind(), "webhooks.test");
    assert!(received.is_signed_with(&text(&made["secret"])));
    assert_eq!(tried["event_id"], received.id());
    let failed = client.post(&path, &json!({})).expect(200).json();
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("answered 500")));
    assert_eq!(deliveries(&client, &made).len(), 2);
    assert_eq!(read(&client, &made)["failure_count"], 0);
    let event = client.get(&format!("/api/webhook-events/{}", text(&failed["event_id"]))).expect(200).json();
    assert_eq!(event["status"], "FAILED");
    let nobody = format!("/api/webhooks/{}/test", uuid::Uuid::now_v7());
    client.post(&nobody, &json!({})).refuse(404, "NOT_FOUND");
}
