//! Receivers that fail: what is tried again and when, and when nothing is sent any more.

use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::Manner;
use super::{PATIENCE, Receiver, deliveries, delivery_in, hurry, make_team, read, start, start_with, webhook};
use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;
use crate::support::wait::wait_for;

/// A delivery after its first attempt, which has failed.
fn failed_once(client: &Client, webhook: &Value) -> Value {
    wait_for("the first attempt has failed", PATIENCE, || {
        deliveries(client, webhook)
            .into_iter()
            .find(|delivery| delivery["attempt"] == 1 && delivery["error"].is_string())
    })
}

/// Seconds until the next attempt, as the database reckons.
fn wait_of(app: &App, delivery: &Value) -> f64 {
    let sql =
        "SELECT date_part('epoch', next_attempt_at - now()) FROM gateway.webhook_deliveries WHERE id = $1::text::uuid";
    app.database.client().query_one(sql, &[&text(&delivery["id"])]).unwrap().get(0)
}

#[test]
fn what_failed_is_tried_again_with_the_same_id_by_a_schedule_with_jitter() {
    let receiver = Receiver::with(|_, _| Manner::Full(500, "", "out of\u{0} order".to_owned()));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    make_team(&client, "one");
    let mut waits = Vec::new();
    for attempt in 1..=8 {
        let delivery = wait_for("the attempt is over", PATIENCE, || {
            let delivery = deliveries(&client, &made).remove(0);
            (delivery["attempt"] == attempt && ["PENDING", "FAILED"].contains(&delivery["status"].as_str().unwrap()))
                .then_some(delivery)
        });
        assert_eq!(delivery["error"], "answered 500");
        assert_eq!(delivery["response_excerpt"], "out of  order");
        if attempt < 8 {
            assert_eq!(delivery["status"], "PENDING");
            waits.push(wait_of(&app, &delivery));
            hurry(&app);
        } else {
            assert_eq!(delivery["status"], "FAILED");
        }
    }
    for (wait, least) in waits.iter().zip([5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0]) {
        assert!((least - 2.0..=least * 1.2).contains(wait), "{waits:?}");
    }
    let received = receiver.received();
    assert_eq!(received.len(), 8);
    assert!(received.iter().all(|one| one.id() == received[0].id() && one.body == received[0].body));
    let event = client.get(&format!("/api/webhook-events/{}", received[0].id())).expect(200).json();
    assert_eq!((&event["status"], &event["attempts"]), (&json!("FAILED"), &json!(8)));
}

#[test]
fn a_webhook_may_have_a_schedule_of_its_own() {
    let receiver = Receiver::with(|_, _| Manner::Answer(404));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({ "retry_config": { "schedule": [1] } }));
    let once = webhook(&client, &receiver, &["teams.created"], json!({ "retry_config": { "schedule": [] } }));
    make_team(&client, "one");
    assert_eq!(delivery_in(&client, &made, "FAILED")["attempt"], 2);
    assert_eq!(delivery_in(&client, &once, "FAILED")["attempt"], 1);
}

#[test]
fn no_redirect_is_followed() {
    let elsewhere = Receiver::start();
    let location = format!("Location: {}\r\n", elsewhere.url());
    let location: &'static str = Box::leak(location.into_boxed_str());
    let receiver =
        Receiver::with(move |_, before| Manner::Full([301, 302, 307, 308][before % 4], location, String::new()));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({ "retry_config": { "schedule": [1, 1, 1] } }));
    make_team(&client, "one");
    let failed = delivery_in(&client, &made, "FAILED");
    assert_eq!((&failed["attempt"], &failed["response_status"]), (&json!(4), &json!(308)));
    assert!(text(&failed["error"]).contains("redirect"), "{failed}");
    assert!(elsewhere.received().is_empty());
}

#[test]
fn retry_after_is_the_least_wait_whether_seconds_or_a_time() {
    let date = "Retry-After: Fri, 01 Jan 2038 00:00:00 GMT\r\n";
    let receiver = Receiver::with(move |_, before| {
        Manner::Full(
            if before == 0 { 429 } else { 503 },
            if before == 0 { "Retry-After: 120\r\n" } else { date },
            String::new(),
        )
    });
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    make_team(&client, "one");
    let first = wait_of(&app, &failed_once(&client, &made));
    assert!((115.0..=121.0).contains(&first), "{first}");
    hurry(&app);
    let second = wait_for("the second attempt has failed", PATIENCE, || {
        deliveries(&client, &made)
            .into_iter()
            .find(|delivery| delivery["attempt"] == 2 && delivery["status"] == "PENDING")
    });
    let second = wait_of(&app, &second);
    assert!((86_000.0..=86_401.0).contains(&second), "a day is the longest: {second}");
}

#[test]
fn who_answers_410_gets_nothing_any_more_and_administrators_are_told() {
    let receiver = Receiver::with(|_, _| Manner::Answer(410));
    let app = start();
    let admin = app.admin();
    let made = webhook(&admin.client, &receiver, &["teams.created"], json!({}));
    make_team(&admin.client, "one");
    delivery_in(&admin.client, &made, "FAILED");
    let disabled = wait_for("it is disabled", PATIENCE, || {
        Some(read(&admin.client, &made)).filter(|webhook| webhook["enabled"] == false)
    });
    assert!(text(&disabled["disabled_reason"]).contains("410"), "{disabled}");
    make_team(&admin.client, "two");
    assert_eq!(deliveries(&admin.client, &made).len(), 1);
    let told = admin.client.get("/api/notifications?type=webhooks.disabled").expect(200).json();
    let told = told["data"].as_array().unwrap();
    assert!(told.iter().any(|notification| notification["data"]["webhook_id"] == made["id"]), "{told:?}");
    let audit = admin.client.get("/api/audit-logs?action=webhooks.update").expect(200).json();
    assert_eq!(audit["data"][0]["changes"]["enabled"], json!([true, false]));
}

#[test]
fn five_days_of_failures_disable_a_webhook() {
    let receiver = Receiver::with(|_, _| Manner::Answer(500));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    make_team(&client, "one");
    failed_once(&client, &made);
    assert_eq!(read(&client, &made)["enabled"], true);
    let past = "UPDATE gateway.webhooks SET failing_since = now() - interval '5 days 1 minute'";
    app.database.client().batch_execute(past).unwrap();
    hurry(&app);
    let disabled = wait_for("it is disabled", PATIENCE, || {
        Some(read(&client, &made)).filter(|webhook| webhook["enabled"] == false)
    });
    assert_eq!(disabled["disabled_reason"], "has failed for five days");
}

#[test]
fn five_failures_in_a_row_close_a_webhook_for_a_while_and_a_success_opens_it() {
    let receiver = Receiver::with(|_, _| Manner::Answer(500));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    for number in 0..30 {
        make_team(&client, &format!("team-{number}"));
    }
    let closed = wait_for("it is closed", PATIENCE, || {
        Some(read(&client, &made)).filter(|webhook| webhook["blocked_until"].is_string())
    });
    assert!(closed["failure_count"].as_i64().unwrap() >= 5, "{closed}");
    assert!(receiver.received().len() < 15, "{}", receiver.received().len());
    receiver.behave(|_, _| Manner::Answer(200));
    hurry(&app);
    let open = wait_for("it is open", PATIENCE, || {
        Some(read(&client, &made)).filter(|webhook| webhook["blocked_until"].is_null() && webhook["failure_count"] == 0)
    });
    assert!(open["failing_since"].is_null(), "{open}");
    hurry(&app);
    wait_for("all are delivered", PATIENCE, || {
        deliveries(&client, &made).iter().all(|delivery| delivery["status"] == "SUCCEEDED").then_some(())
    });
}

#[test]
fn an_attempt_ends_when_its_time_is_over_however_slowly_the_answer_drips() {
    let receiver = Receiver::with(|_, before| match before {
        0 => Manner::Never,
        _ => Manner::Drip(Duration::from_millis(100)),
    });
    let app = start_with(&[("WEBHOOK_TIMEOUT", "1s")]);
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({ "retry_config": { "schedule": [1] } }));
    make_team(&client, "one");
    let failed = delivery_in(&client, &made, "FAILED");
    assert_eq!((&failed["attempt"], &failed["error"]), (&json!(2), &json!("no answer in time")));
    let time = failed["response_ms"].as_i64().unwrap();
    assert!((900..2500).contains(&time), "{failed}");
}

#[test]
fn connections_that_are_refused_reset_or_nonsense_are_failures_in_words() {
    let receiver = Receiver::with(|_, before| match before {
        0 => Manner::Reset,
        1 => Manner::Raw("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
        _ => Manner::Raw(format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", "X-Long: yes\r\n".repeat(10_000))),
    });
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({ "retry_config": { "schedule": [1, 1] } }));
    make_team(&client, "one");
    let failed = delivery_in(&client, &made, "FAILED");
    assert_eq!(failed["attempt"], 3);
    assert!(failed["error"].is_string() && failed["response_status"].is_null(), "{failed}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let body = json!({ "name": "away", "url": format!("http://{closed}/"), "events": ["teams.created"], "retry_config": { "schedule": [] } });
    let away = client.post("/api/webhooks", &body).expect(201).json();
    make_team(&client, "two");
    assert!(text(&delivery_in(&client, &away, "FAILED")["error"]).contains("connection"));
}

#[test]
fn of_an_answer_one_kib_is_kept_and_no_more_is_waited_for() {
    let receiver = Receiver::with(|_, _| Manner::Full(200, "", "é".repeat(5_000_000)));
    let app = start();
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    make_team(&client, "one");
    let delivery = delivery_in(&client, &made, "SUCCEEDED");
    let excerpt = text(&delivery["response_excerpt"]);
    assert!((1000..=1024).contains(&excerpt.len()), "{}", excerpt.len());
}
