//! Webhooks that want one event after the other.

use std::time::Duration;

use serde_json::json;

use super::receiver::{Manner, Received};
use super::{Receiver, deliveries, hurry, make_team, start, webhook};
use crate::support::wait::wait_for;

/// The slugs of the teams that events are about.
fn slugs(received: &[Received]) -> Vec<String> {
    let slug = |event: serde_json::Value| event["data"]["changes"]["slug"][1].as_str().unwrap().to_owned();
    received.iter().map(|received| slug(received.event())).collect()
}

#[test]
fn an_ordered_webhook_gets_events_in_their_order_and_waits_for_one_that_failed() {
    let receiver = Receiver::with(|_, before| Manner::Answer(if before == 3 { 500 } else { 200 }));
    let app = start();
    let client = app.admin().client;
    let members = json!({ "ordered": true, "retry_config": { "schedule": [2] } });
    let made = webhook(&client, &receiver, &["teams.created"], members);
    let names: Vec<String> = (0..12).map(|number| format!("team-{number}")).collect();
    for name in &names {
        make_team(&client, name);
    }
    let received = receiver.wait_for(13);
    let mut expected = names.clone();
    expected.insert(4, names[3].clone());
    assert_eq!(slugs(&received), expected);
    assert!(received[4].at - received[3].at >= Duration::from_millis(1900), "it did not wait");
    wait_for("all are delivered", super::PATIENCE, || {
        deliveries(&client, &made).iter().all(|delivery| delivery["status"] == "SUCCEEDED").then_some(())
    });
}

#[test]
fn an_ordered_webhook_goes_on_after_one_that_was_given_up() {
    let receiver =
        Receiver::with(|received, _| Manner::Answer(if received.body.contains("\"bad\"") { 500 } else { 200 }));
    let app = start();
    let client = app.admin().client;
    let members = json!({ "ordered": true, "retry_config": { "schedule": [1] } });
    webhook(&client, &receiver, &["teams.created"], members);
    for name in ["good", "bad", "better"] {
        make_team(&client, name);
    }
    assert_eq!(slugs(&receiver.wait_for(4)), ["good", "bad", "bad", "better"]);
}

#[test]
fn one_that_waits_holds_up_nobody_where_the_order_does_not_matter() {
    let receiver =
        Receiver::with(|received, _| Manner::Answer(if received.body.contains("\"bad\"") { 500 } else { 200 }));
    let app = start();
    let client = app.admin().client;
    webhook(&client, &receiver, &["teams.created"], json!({}));
    for name in ["bad", "good", "better"] {
        make_team(&client, name);
    }
    let received = receiver.wait_for(3);
    let mut slugs = slugs(&received);
    slugs.sort_unstable();
    assert_eq!(slugs, ["bad", "better", "good"]);
    hurry(&app);
}
