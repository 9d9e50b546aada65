//! The access log in its table: beside the way of the requests, and bounded.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mainstay::http::Exchange;
use mainstay::request_id::RequestId;
use mainstay::telemetry::{ENTRIES_MAX, Recorder, RecorderOptions};
use serde_json::{Value, json};

use super::rows;
use crate::support::client::Client;
use crate::support::pools::open;
use crate::support::wait::wait_for;
use crate::support::{App, migrated};

/// Requests, and no figures.
const REQUESTS: RecorderOptions = RecorderOptions { notes_requests: true, measures_every: Duration::ZERO };
const PATIENCE: Duration = Duration::from_secs(30);

/// The row of a request, as soon as there is one.
fn row(client: &Client, request: &str) -> Value {
    wait_for("the request is in the table", PATIENCE, || {
        let rows = rows(client, &format!("/api/api-access-logs?request_id={request}"));
        assert!(rows.len() < 2, "{rows:?}");
        rows.into_iter().next()
    })
}

#[test]
fn each_request_to_the_api_has_a_row_with_who_what_and_how_long() {
    let app = App::start();
    let admin = app.admin();
    let named = |name: &str| app.nobody().with("X-Request-Id", name).with("User-Agent", "curl/8");
    let with_key = named("good").with("X-API-Key", &admin.key);
    let bytes = with_key.get(&format!("/api/users/{}?", admin.id)).expect(200).body.len();
    named("stranger").get("/api/users").expect(401);
    named("scanner").get("/wp-login.php?secret=1").expect(404);
    named("health").get("/health").expect(200);
    let good = row(&admin.client, "good");
    for (name, expected) in [
        ("user_id", json!(admin.id)),
        ("method", json!("GET")),
        ("path", json!("/api/users/{id}")),
        ("status", json!(200)),
        ("bytes", json!(bytes)),
        ("ip_address", json!("127.0.0.1")),
        ("user_agent", json!("curl/8")),
    ] {
        assert_eq!(good[name], expected, "{name}");
    }
    assert!(good["api_key_id"].is_string());
    assert!(good["duration_ms"].as_f64().is_some_and(|time| time > 0.0 && time < 60_000.0), "{good}");
    let stranger = row(&admin.client, "stranger");
    assert_eq!((&stranger["user_id"], &stranger["status"]), (&Value::Null, &json!(401)));
    let scanner = row(&admin.client, "scanner");
    assert_eq!((&scanner["path"], &scanner["status"]), (&json!(""), &json!(404)), "what was asked for is not kept");
    assert_eq!(rows(&admin.client, "/api/api-access-logs?request_id=health"), [] as [Value; 0]);
    let failures = rows(&admin.client, "/api/api-access-logs?status__gte=400&path=/api/users&duration_ms__lt=60000");
    assert_eq!(failures.len(), 1);
    app.user().client.get("/api/api-access-logs").refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn of_strangers_that_are_refused_a_few_are_in_the_log_and_all_are_counted() {
    let app = App::start();
    let admin = app.admin().client;
    for _ in 0..100 {
        app.nobody().get("/nowhere").expect(404);
        app.nobody().with("X-API-Key", "ctm_wrong").get("/api/teams").expect(401);
    }
    admin.with("X-Request-Id", "behind-them").get("/api/nowhere").expect(404);
    admin.with("X-Request-Id", "behind-all").get("/api/teams/none").expect(404);
    row(&admin, "behind-all");
    let refused = rows(&admin, "/api/api-access-logs?status__gte=400&status__lt=404&limit=200");
    let lost = rows(&admin, "/api/api-access-logs?status=404&limit=200");
    assert_eq!(refused.len() + lost.len(), 61, "sixty of strangers, and one of somebody");
    let metrics = app.nobody().get("/metrics").expect(200).text().to_owned();
    assert!(metrics.contains("\nmainstay_http_requests_unlogged_total 141\n"), "{metrics}");
}

#[test]
fn what_has_not_been_written_is_written_when_the_server_stops() {
    let mut app = App::start();
    let admin = app.admin().client;
    for index in 0..20 {
        admin.with("X-Request-Id", &format!("last-{index}")).get("/api/teams").expect(200);
    }
    app.stop();
    let count = "SELECT count(*) FROM telemetry.api_access_logs WHERE request_id LIKE 'last-%'";
    assert_eq!(app.database.client().query_one(count, &[]).unwrap().get::<_, i64>(0), 20);
}

#[test]
fn the_table_can_be_left_out() {
    let app = App::start_with(&[("ACCESS_LOG_TABLE", "false"), ("METRICS_SECONDS", "0")]);
    app.admin().client.get("/api/teams").expect(200);
    assert!(app.running().recorder().is_none());
}

/// A request that somebody made.
fn exchange() -> Exchange {
    let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut exchange = Exchange::new(RequestId::new(None), address, &tiny_http::Method::Get);
    exchange.status = 200;
    exchange
}

#[test]
fn what_finds_no_room_while_the_table_is_locked_is_counted_and_the_rest_is_written_once() {
    let database = migrated();
    let recorder = Recorder::start(open(&database.address(), &[]), REQUESTS).unwrap();
    let (mut client, mut other) = (database.client(), database.client());
    let mut lock = client.transaction().unwrap();
    lock.batch_execute("LOCK TABLE telemetry.api_access_logs").unwrap();
    recorder.note(exchange());
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_for("the recorder has begun to write", PATIENCE, || {
        (other.query_one(waits, &[]).unwrap().get::<_, i64>(0) > 0).then_some(())
    });
    let some = exchange();
    for _ in 0..ENTRIES_MAX + 100 {
        recorder.note(some.clone());
    }
    let recorded = recorder.recorded();
    assert_eq!((recorded.written, recorded.dropped, recorded.waiting), (0, 100, ENTRIES_MAX));
    lock.commit().unwrap();
    let written = wait_for("all that found room is written", PATIENCE, || {
        let recorded = recorder.recorded();
        (recorded.waiting == 0 && recorded.written > ENTRIES_MAX as u64).then_some(recorded.written)
    });
    assert_eq!(written, ENTRIES_MAX as u64 + 1);
    assert_eq!(recorder.recorded().dropped, 100);
    let count = "SELECT count(*), count(DISTINCT id) FROM telemetry.api_access_logs";
    let row = other.query_one(count, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (written as i64, written as i64));
}

#[test]
fn requests_wait_while_the_database_is_away_and_are_dropped_only_when_everything_ends() {
    let database = migrated();
    let mut admin = crate::support::server::server().client("postgres");
    let name = database.address().name().to_owned();
    let recorder = Recorder::start(open(&database.address(), &[("DB_ACQUIRE_TIMEOUT", "100ms")]), REQUESTS).unwrap();
    // Connections to it are refused, as if it were gone.
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).unwrap();
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[&name]).unwrap();
    for _ in 0..600 {
        recorder.note(exchange());
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((recorder.recorded().written, recorder.recorded().dropped), (0, 0));
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).unwrap();
    wait_for("they are written", PATIENCE, || (recorder.recorded().written == 600).then_some(()));
    assert_eq!(recorder.recorded().dropped, 0);
}
