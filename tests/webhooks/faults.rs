//! Servers that die or stand still in the middle of a delivery.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::receiver::Manner;
use super::{LOCAL, PATIENCE, Receiver, deliveries, start_with, webhook};
use crate::support::App;
use crate::support::app::text;
use crate::support::serving::Serving;
use crate::support::wait::wait_for;

/// With these an attempt may take two seconds, and a lease lasts four.
const QUICK: (&str, &str) = ("WEBHOOK_TIMEOUT", "2s");

/// A database with a webhook for teams, and nobody who serves it.
fn prepared(receiver: &Receiver, members: Value) -> (App, Value) {
    let mut app = start_with(&[QUICK]);
    let made = webhook(&app.admin().client, receiver, &["teams.created"], members);
    app.stop();
    (app, made)
}

fn serve(app: &App) -> Serving {
    let (url, data) = (app.database.pairs(), app.data().to_str().unwrap().to_owned());
    let settings = [("DATABASE_URL", url.as_str()), ("MAINSTAY_DATA", &data), QUICK];
    let serving = Serving::start(&[&LOCAL, &settings[..]].concat());
    serving.wait_until_ready();
    serving
}

fn insert_teams(app: &App, from: i32, to: i32) {
    let sql = "INSERT INTO identity.teams (name, slug) SELECT 'team', 'team-' || n FROM generate_series($1::integer, $2::integer) AS n";
    app.database.client().execute(sql, &[&from, &to]).unwrap();
}

/// Attempt, status and error of the one delivery.
fn state(app: &App) -> (i32, String, Option<String>) {
    let sql = "SELECT attempt, status, error FROM gateway.webhook_deliveries";
    let row = app.database.client().query_one(sql, &[]).unwrap();
    (row.get(0), row.get(1), row.get(2))
}

#[test]
fn an_attempt_of_a_server_that_was_killed_is_made_again_as_the_next_one_with_the_same_id() {
    let receiver = Receiver::with(|_, before| if before == 0 { Manner::Never } else { Manner::Answer(200) });
    let (app, _) = prepared(&receiver, json!({}));
    let first = serve(&app);
    insert_teams(&app, 1, 1);
    receiver.wait_for(1);
    first.end(Signal::KILL);
    assert_eq!(state(&app), (1, "DELIVERING".to_owned(), None));
    let _second = serve(&app);
    let received = receiver.wait_for(2);
    assert_eq!(received[0].id(), received[1].id());
    assert!(received[1].at - received[0].at >= Duration::from_millis(3500), "the lease was not waited for");
    wait_for("it is delivered", PATIENCE, || (state(&app) == (2, "SUCCEEDED".to_owned(), None)).then_some(()));
    assert_eq!(receiver.received().len(), 2);
}

#[test]
fn a_server_that_stood_still_past_its_lease_records_nothing_when_it_wakes() {
    // The first answer comes late, and to a server that stands still: what it is told then is none of its business.
    let receiver = Receiver::with(|_, before| match before {
        0 => Manner::Slowly(Duration::from_millis(1500)),
        _ => Manner::Answer(500),
    });
    let (app, _) = prepared(&receiver, json!({ "retry_config": { "schedule": [600, 600, 600] } }));
    let sleeper = serve(&app);
    insert_teams(&app, 1, 1);
    receiver.wait_for(1);
    sleeper.signal(Signal::STOP);
    let other = serve(&app);
    receiver.wait_for(2);
    let expected = (2, "PENDING".to_owned(), Some("answered 500".to_owned()));
    wait_for("the other has recorded its failure", PATIENCE, || (state(&app) == expected).then_some(()));
    sleeper.signal(Signal::CONT);
    wait_for("the sleeper is awake", PATIENCE, || (sleeper.get("/ready").0 == 200).then_some(()));
    wait_for("it has seen that it lost", PATIENCE, || {
        sleeper.get("/metrics").1.contains("mainstay_webhook_attempts_total{outcome=\"lost\"} 1").then_some(())
    });
    assert_eq!(state(&app), expected);
    assert_eq!(receiver.received().len(), 2);
    drop(other);
}

#[test]
fn what_a_server_that_is_told_to_stop_has_begun_it_ends_and_records() {
    let receiver = Receiver::with(|_, _| Manner::Slowly(Duration::from_millis(1000)));
    let (app, _) = prepared(&receiver, json!({}));
    let serving = serve(&app);
    insert_teams(&app, 1, 1);
    receiver.wait_for(1);
    let (code, log) = serving.end(Signal::TERM);
    assert_eq!(code, 0, "{log}");
    assert_eq!(state(&app), (1, "SUCCEEDED".to_owned(), None));
}

#[test]
fn two_servers_deliver_each_event_once_and_never_more_at_the_same_time_than_they_may() {
    let at_once = std::sync::Arc::new((std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0)));
    let receiver = Receiver::with(|_, _| Manner::Counted(Duration::from_millis(5)));
    receiver.count(at_once.clone());
    let app = super::start();
    let client = app.admin().client;
    let _another = app.another();
    let _third = app.another();
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    insert_teams(&app, 1, 500);
    receiver.wait_for(500);
    wait_for("all are recorded", PATIENCE, || {
        let path = format!("/api/webhooks/{}/statistics", text(&made["id"]));
        (client.get(&path).expect(200).json()["succeeded"] == 500).then_some(())
    });
    let received = receiver.received();
    let mut ids: Vec<&str> = received.iter().map(super::receiver::Received::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((received.len(), ids.len()), (500, 500));
    let most = at_once.1.load(std::sync::atomic::Ordering::SeqCst);
    assert!((1..=4).contains(&most), "{most} at the same time");
    assert!(deliveries(&client, &made).iter().all(|delivery| delivery["attempt"] == 1));
}
