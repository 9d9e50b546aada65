//! All routes at once, as a gateway reads them.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::{route, with};
use crate::support::App;
use crate::support::client::Client;
use crate::support::wait::wait_for;

pub const SNAPSHOT: &str = "/api/routes/snapshot";
const PATIENCE: Duration = Duration::from_secs(30);

/// The ETag of the whole configuration.
#[track_caller]
pub fn etag(client: &Client) -> String {
    client.get(SNAPSHOT).expect(200).header("ETag").unwrap().to_owned()
}

/// The names of the enabled routes, in their order.
#[track_caller]
fn names(client: &Client) -> Vec<String> {
    let snapshot = client.get(SNAPSHOT).expect(200).json();
    let routes = snapshot["routes"].as_array().unwrap();
    routes.iter().map(|route| route["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits until these are the enabled routes.
#[track_caller]
pub fn wait_for_names(client: &Client, expected: &[&str]) {
    let mut last = Vec::new();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        last = names(client);
        if last == expected {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    last.truncate(20);
    panic!("{last:?} are not {expected:?}");
}

#[test]
fn a_gateway_reads_all_enabled_routes_in_the_order_in_which_they_are_tried() {
    let app = App::start();
    let client = app.operator().client;
    let paths =
        ["/*", "/{x}", "/a/*", "/a/{id}/c", "/a/{id}", "/a/b/*", "/a/b", "/a/b/", "/a", "/", "/a/ab", "/ab", "/{x}/b"];
    for path in paths {
        client.post("/api/routes", &route(path, path)).expect(201);
    }
    client.post("/api/routes", &with(route("off", "/off"), json!({ "enabled": false }))).expect(201);
    client.post("/api/routes", &with(route("put", "/{y}"), json!({ "methods": ["PUT"] }))).expect(201);
    let expected = [
        "/",
        "/a",
        "/a/ab",
        "/a/b",
        "/a/b/",
        "/a/b/*",
        "/a/{id}",
        "/a/{id}/c",
        "/a/*",
        "/ab",
        "put",
        "/{x}",
        "/{x}/b",
        "/*",
    ];
    let mut expected = expected.to_vec();
    // Two routes with the same pattern and other methods are in the order of their names.
    expected.swap(10, 11);
    wait_for_names(&client, &expected);
    let snapshot = client.get(SNAPSHOT).expect(200).json();
    let first = &snapshot["routes"][0];
    let path = format!("/api/routes/{}", first["id"].as_str().unwrap());
    assert_eq!(client.get(&path).expect(200).json(), *first, "a route looks the same wherever it is read");
}

#[test]
fn one_strong_etag_names_the_whole_configuration_on_every_server_and_after_a_restart() {
    let mut app = App::start();
    let user = app.operator();
    let client = &user.client;
    let empty = etag(client);
    client.post("/api/routes", &route("a", "/a")).expect(201);
    wait_for_names(client, &["a"]);
    let one = client.get(SNAPSHOT).expect(200);
    assert_eq!(one.header("Cache-Control"), Some("private, no-cache"));
    assert_eq!(one.header("Content-Type"), Some("application/json"));
    let tag = one.header("ETag").unwrap();
    assert!(tag != empty && tag.starts_with('"'), "{tag}");
    assert_eq!(format!("\"{}\"", one.json()["etag"].as_str().unwrap()), tag);
    for known in [tag, &format!("\"x\", {tag}"), &format!("W/{tag}"), "*"] {
        let answer = client.with("If-None-Match", known).get(SNAPSHOT).expect(304);
        assert_eq!((answer.body.len(), answer.header("ETag")), (0, Some(tag)));
    }
    client.get(&format!("{SNAPSHOT}?etag={}", tag.trim_matches('"'))).expect(304);
    client.with("If-None-Match", &empty).get(SNAPSHOT).expect(200);

    let another = app.another();
    wait_for("the other server has the same", PATIENCE, || (etag(&another.client(client)) == tag).then_some(()));
    drop(another);
    app.restart();
    assert_eq!(etag(&client.at(app.address())), tag);
}

#[test]
fn what_is_asked_for_wrongly_is_refused_and_strangers_see_nothing() {
    let app = App::start();
    let client = app.viewer().client;
    for query in [
        "wait=",
        "wait=1",
        "wait=56s",
        "wait=-1s",
        "wait=1h",
        "wait=soon",
        "wait=1s&wait=2s",
        "enabled=true",
        "etags=x",
    ] {
        client.get(&format!("{SNAPSHOT}?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
    app.nobody().get(SNAPSHOT).refuse(401, "MISSING_API_KEY");
    let other = app.somebody("ADMIN", &["read:teams"]).client;
    other.get(SNAPSHOT).refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn a_client_that_asks_for_gzip_gets_the_same_snapshot_compressed() {
    let app = App::start();
    let client = app.operator().client;
    for index in 0..20 {
        client.post("/api/routes", &route(&format!("r{index:02}"), &format!("/{index:02}"))).expect(201);
    }
    wait_for("all are there", PATIENCE, || (names(&client).len() == 20).then_some(()));
    let plain = client.get(SNAPSHOT).expect(200);
    assert_eq!((plain.header("Content-Encoding"), plain.header("Vary")), (None, Some("Accept-Encoding")));
    for _ in 0..2 {
        let compressed = client.with("Accept-Encoding", "gzip").get(SNAPSHOT).expect(200);
        assert_eq!(compressed.header("Content-Encoding"), Some("gzip"));
        assert!(compressed.body.len() < plain.body.len() / 4);
        let mut body = Vec::new();
        GzDecoder::new(&*compressed.body).read_to_end(&mut body).unwrap();
        assert!(body == plain.body);
    }
}

#[test]
fn every_kind_of_change_is_seen_however_it_is_made() {
    let app = App::start();
    let client = app.operator().client;
    let mut database = app.database.client();
    let mut run = |text: &str| database.batch_execute(text).unwrap();
    run("INSERT INTO gateway.routes (name, path, upstream)
         SELECT 'n' || n, '/' || n, 'http://a' FROM generate_series(1, 300) AS n");
    wait_for("300 are there", PATIENCE, || (names(&client).len() == 300).then_some(()));
    run("UPDATE gateway.routes SET enabled = name IN ('n1', 'n2')");
    wait_for_names(&client, &["n1", "n2"]);
    run("UPDATE gateway.routes SET path = '/9' || name WHERE enabled AND name = 'n1'");
    wait_for_names(&client, &["n2", "n1"]);
    run("UPDATE gateway.routes SET id = ops.uuid_v7() WHERE name = 'n2'");
    run("DELETE FROM gateway.routes WHERE name = 'n1'");
    wait_for_names(&client, &["n2"]);
    run("BEGIN; UPDATE gateway.routes SET name = 'never' WHERE name = 'n2'; ROLLBACK");
    run("INSERT INTO gateway.routes (name, path, upstream)
         SELECT 'm' || n, '/m/' || n, 'http://a' FROM generate_series(1, 6000) AS n");
    wait_for("6001 are there", PATIENCE, || (names(&client).len() == 6001).then_some(()));
    run("TRUNCATE gateway.routes");
    wait_for_names(&client, &[]);
}

#[test]
fn a_change_is_visible_on_every_server_within_100_ms_of_its_commit() {
    let app = App::start();
    let here = app.operator().client;
    let another = app.another();
    let there = another.client(&here);
    let id = here.post("/api/routes", &route("a", "/a")).expect(201).json()["id"].as_str().unwrap().to_owned();
    let timeout_at = |client: &Client| client.get(SNAPSHOT).expect(200).json()["routes"][0]["timeout"].clone();
    let mut times: Vec<Duration> = (1..=30)
        .map(|timeout| {
            here.patch(&format!("/api/routes/{id}"), &json!({ "timeout": timeout })).expect(200);
            let committed = Instant::now();
            for client in [&there, &here] {
                wait_for("the change is visible", PATIENCE, || (timeout_at(client) == timeout).then_some(()));
            }
            committed.elapsed()
        })
        .collect();
    times.sort_unstable();
    // The machine that runs all tests at once may stop a server for a moment, but not most of the time.
    assert!(times[15] < Duration::from_millis(100), "{times:?}");
}

#[test]
fn what_changes_while_nobody_listens_is_seen_all_the_same() {
    let app = App::start();
    let client = app.operator().client;
    client.post("/api/routes", &route("a", "/a")).expect(201);
    wait_for_names(&client, &["a"]);
    let mut database = app.database.client();
    for round in 0..5 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'mainstay/listen%'";
        let ended: i64 = database.query_one(end, &[]).unwrap().get(0);
        assert!(ended <= 1);
        let name = format!("round {round}");
        database.execute("UPDATE gateway.routes SET name = $1", &[&name]).unwrap();
        wait_for_names(&client, &[&name]);
    }
}

#[test]
fn readers_never_see_a_configuration_that_was_not_there() {
    let app = App::start();
    let client = app.operator().client;
    let mut database = app.database.client();
    database
        .batch_execute(
            "INSERT INTO gateway.routes (name, path, upstream)
             SELECT 'r' || n, '/r/' || n, 'http://0' FROM generate_series(1, 500) AS n",
        )
        .unwrap();
    wait_for("all are there", PATIENCE, || (names(&client).len() == 500).then_some(()));
    let writer = thread::spawn(move || {
        for round in 1..=30 {
            let upstream = format!("http://{}", if round % 2 == 0 { "even" } else { "odd" });
            let mut transaction = database.transaction().unwrap();
            for half in ["r1%", "r%"] {
                let statement = "UPDATE gateway.routes SET upstream = $1 WHERE name LIKE $2 AND upstream <> $1";
                transaction.execute(statement, &[&upstream, &half]).unwrap();
            }
            transaction.commit().unwrap();
        }
    });
    while !writer.is_finished() {
        let snapshot = client.get(SNAPSHOT).expect(200).json();
        let upstreams: Vec<&Value> =
            snapshot["routes"].as_array().unwrap().iter().map(|route| &route["upstream"]).collect();
        assert_eq!(upstreams.len(), 500);
        assert!(upstreams.iter().all(|upstream| *upstream == upstreams[0]), "half of one and half of the other");
    }
    writer.join().unwrap();
}
