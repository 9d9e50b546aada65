//! Requests that wait for a change of the routes, without a thread.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::route;
use super::snapshot::{SNAPSHOT, etag, wait_for_names};
use crate::support::App;
use crate::support::client::{Asked, Client};
use crate::support::serving::Serving;
use crate::support::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for the snapshot behind the one that there is now, and waits for so long.
fn wait(client: &Client, etag: &str, time: &str) -> Asked {
    client.begin("GET", &format!("{SNAPSHOT}?wait={time}&etag={}", etag.trim_matches('"')), None).unwrap()
}

/// Waits until so many requests wait.
fn wait_for_waiting(app: &App, count: usize) {
    wait_for("they wait", PATIENCE, || {
        let metrics = app.nobody().get("/metrics").expect(200);
        let line = metrics.text().lines().find(|line| line.starts_with("mainstay_http_requests_waiting ")).unwrap();
        (line.split(' ').nth(1) == Some(&count.to_string())).then_some(())
    });
}

#[test]
fn who_waits_is_answered_as_soon_as_the_routes_change_on_whichever_server() {
    let app = App::start();
    let client = app.operator().client;
    let another = app.another();
    let tag = etag(&client);
    let waiting = [wait(&client, &tag, "50s"), wait(&another.client(&client), &tag, "50s")];
    wait_for_waiting(&app, 1);
    client.post("/api/routes", &route("a", "/a")).expect(201);
    let committed = Instant::now();
    for asked in waiting {
        let answer = asked.answer().unwrap().expect(200);
        assert_eq!(answer.json()["routes"][0]["name"], "a");
        assert_ne!(answer.header("ETag"), Some(&*tag));
    }
    assert!(committed.elapsed() < Duration::from_secs(5), "{:?}", committed.elapsed());
    wait_for_waiting(&app, 0);
}

#[test]
fn that_a_request_waited_for_a_change_is_no_latency() {
    let app = App::start();
    let client = app.operator().client;
    let tag = etag(&client);
    wait(&client, &tag, "3s").answer().unwrap().expect(304);
    let wanted =
        format!("mainstay_http_request_duration_seconds_bucket{{method=\"GET\",path=\"{SNAPSHOT}\",le=\"2.5\"}} 2");
    // A request is counted once its answer was sent.
    wait_for("both answers of the snapshot are quick, the one that waited for three seconds too", PATIENCE, || {
        let metrics = app.nobody().get("/metrics").expect(200);
        metrics.text().lines().any(|line| line == wanted).then_some(())
    });
}

#[test]
fn who_has_another_configuration_does_not_wait_and_who_waits_in_vain_is_told_so() {
    let app = App::start();
    let client = app.operator().client;
    let tag = etag(&client);
    let start = Instant::now();
    wait(&client, "0123", "50s").answer().unwrap().expect(200);
    client.get(&format!("{SNAPSHOT}?wait=50s")).expect(200);
    assert!(start.elapsed() < Duration::from_secs(20));
    let start = Instant::now();
    let answer = wait(&client, &tag, "300ms").answer().unwrap().expect(304);
    assert_eq!(answer.header("ETag"), Some(&*tag));
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    let header = client.with("If-None-Match", &tag).get(&format!("{SNAPSHOT}?wait=20ms")).expect(304);
    assert_eq!(header.body.len(), 0);
}

#[test]
fn a_change_between_the_look_and_the_wait_is_not_missed() {
    let app = App::start();
    let client = app.operator().client;
    let id = client.post("/api/routes", &route("a", "/a")).expect(201).json()["id"].as_str().unwrap().to_owned();
    wait_for_names(&client, &["a"]);
    let mut tag = etag(&client);
    let start = Instant::now();
    for timeout in 1..=40 {
        // Both at once: the wait may begin before the change, after it, or in the midst of it.
        let waiting = wait(&client, &tag, "50s");
        client.patch(&format!("/api/routes/{id}"), &json!({ "timeout": timeout })).expect(200);
        let answer = waiting.answer().unwrap().expect(200);
        assert_eq!(answer.json()["routes"][0]["timeout"], timeout);
        tag = answer.header("ETag").unwrap().to_owned();
    }
    assert!(start.elapsed() < Duration::from_secs(45), "one of them has slept: {:?}", start.elapsed());
}

#[test]
fn a_thousand_who_wait_cost_no_thread_and_are_all_answered() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let app = App::start();
    let user = app.operator();
    let url = app.database.pairs();
    let serving = Serving::start(&[
        ("DATABASE_URL", url.as_str()),
        ("RATE_LIMIT", "0"),
        ("MAINSTAY_DATA", app.data().to_str().unwrap()),
    ]);
    serving.wait_until_ready();
    let client = user.client.at(serving.address());
    let tag = etag(&client);
    let threads = || fs::read_dir(format!("/proc/{}/task", serving.id())).unwrap().count();
    let before = threads();
    let waiting: Vec<Asked> = (0..1000).map(|_| wait(&client, &tag, "55s")).collect();
    wait_for("all of them wait", PATIENCE, || {
        serving.get("/metrics").1.contains("\nmainstay_http_requests_waiting 1000\n").then_some(())
    });
    assert_eq!(threads(), before);
    client.get("/api/routes").expect(200);
    client.post("/api/routes", &route("a", "/a")).expect(201);
    let committed = Instant::now();
    for asked in waiting {
        assert_eq!(asked.answer().unwrap().expect(200).json()["routes"][0]["name"], "a");
    }
    assert!(committed.elapsed() < Duration::from_secs(10), "{:?}", committed.elapsed());
}

#[test]
fn a_client_that_goes_away_is_noticed_and_forgotten() {
    let app = App::start();
    let admin = app.admin();
    let tag = etag(&admin.client);
    let waiting = wait(&admin.client.with("X-Request-Id", "gone"), &tag, "55s");
    wait_for_waiting(&app, 1);
    drop(waiting);
    wait_for_waiting(&app, 0);
    let row = wait_for("it is in the access log", PATIENCE, || {
        let rows = admin.client.get("/api/api-access-logs?request_id=gone").expect(200).json();
        rows["data"].as_array().unwrap().first().cloned()
    });
    assert_eq!((&row["status"], &row["path"]), (&json!(499), &json!("/api/routes/snapshot")));
}

#[test]
fn a_server_that_stops_answers_those_who_wait() {
    let mut app = App::start();
    let client = app.operator().client;
    let waiting = wait(&client, &etag(&client), "55s");
    wait_for_waiting(&app, 1);
    let start = Instant::now();
    app.stop();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    waiting.answer().unwrap().expect(304);
}

#[test]
fn who_may_not_read_routes_any_more_when_they_change_gets_nothing() {
    let app = App::start();
    let (user, admin) = (app.operator(), app.admin());
    let waiting = wait(&user.client, &etag(&user.client), "55s");
    wait_for_waiting(&app, 1);
    admin.client.patch(&format!("/api/users/{}", user.id), &json!({ "status": "SUSPENDED" })).expect(200);
    admin.client.post("/api/routes", &route("secret", "/secret")).expect(201);
    let answer = waiting.answer().unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(!answer.text().contains("secret"));
}

#[test]
fn a_request_that_has_waited_is_in_log_and_figures_once_with_its_own_id_and_all_its_time() {
    let app = App::start();
    let admin = app.admin();
    let tag = etag(&admin.client);
    let answer = wait(&admin.client.with("X-Request-Id", "patient"), &tag, "250ms").answer().unwrap().expect(304);
    assert_eq!(answer.header("X-Request-Id"), Some("patient"));
    let total = answer.header("Server-Timing").unwrap().rsplit("dur=").next().unwrap().to_owned();
    assert!(total.parse::<f64>().unwrap() >= 250.0, "{total}");
    let rows = wait_for("it is in the access log", PATIENCE, || {
        let rows = admin.client.get("/api/api-access-logs?request_id=patient").expect(200).json();
        let rows = rows["data"].as_array().unwrap().clone();
        (!rows.is_empty()).then_some(rows)
    });
    assert_eq!((rows.len(), &rows[0]["status"], &rows[0]["user_id"]), (1, &json!(304), &json!(admin.id)));
    assert!(rows[0]["duration_ms"].as_f64().unwrap() >= 250.0, "{}", rows[0]);
    let metrics = app.nobody().get("/metrics").expect(200);
    let line = "mainstay_http_requests_total{method=\"GET\",path=\"/api/routes/snapshot\",status=\"3xx\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
}
