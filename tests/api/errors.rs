//! Errors: every code, its status, its shape, and how little it tells of the inside.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use mainstay::error::Code;
use serde_json::json;

use super::specimen::Specimens;
use crate::support::App;
use crate::support::app::text;
use crate::support::client::Answer;
use crate::support::wait::wait_for;

/// One answer for each code that needs nothing to be broken.
fn refusals() -> Vec<Answer> {
    let app = App::start();
    let (admin, user, nobody) = (app.admin().client, app.user().client, app.nobody());
    let path = user.post("/api/teams", &json!({ "name": "x", "slug": "x" })).expect(201);
    let path = path.header("Location").unwrap();
    let login = json!({ "email": "nobody@example.org", "password": "wrong password" });
    let mut refusals = vec![
        user.get("/api/teams?limit=0"),
        admin.post("/api/database/query", &json!({ "sql": "SELECT nonsense" })),
        nobody.get("/api/teams"),
        nobody.with("X-API-Key", "ctm_x").get("/api/teams"),
        nobody.with("Authorization", "Bearer x").get("/api/teams"),
        user.get("/api/settings"),
        user.get("/api/teams/x"),
        user.put("/api/teams", &json!({})),
        user.post("/api/teams", &json!({ "name": "x", "slug": "x" })),
        user.with("If-Match", "\"9\"").delete(path),
        user.post("/api/teams", &json!("x".repeat(1 << 20))),
        user.send("POST", "/api/teams", None),
        admin.post("/api/users", &json!({})),
    ];
    refusals.extend((0..5).map(|_| nobody.post("/api/auth/login", &login)));
    let zoo = Specimens::serve();
    refusals.push(zoo.client.delete(&zoo.make(&json!({ "name": "x" }))));
    refusals.push(zoo.client.get("/api/panic"));
    let limited = App::start_with(&[("RATE_LIMIT", "1")]);
    refusals.extend((0..3).map(|_| limited.nobody().get("/api/teams")));
    refusals
}

/// A server whose one connection is held, because what it writes is locked, and then takes too long.
fn exhaustion() -> Vec<Answer> {
    let app = App::start_with(&[
        ("DB_POOL_MIN", "1"),
        ("DB_POOL_MAX", "1"),
        ("DB_ACQUIRE_TIMEOUT", "300ms"),
        ("DB_QUERY_TIMEOUT", "1500ms"),
    ]);
    let user = app.user().client;
    let team = |slug: &str| user.post("/api/teams", &json!({ "name": "x", "slug": slug }));
    team("x").expect(201);
    let mut other = app.database.client();
    let mut lock = other.transaction().unwrap();
    lock.batch_execute("LOCK TABLE identity.teams IN ACCESS EXCLUSIVE MODE").unwrap();
    let answers = thread::scope(|scope| {
        let first = scope.spawn(|| team("y"));
        let waits = "SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let mut watcher = app.database.client();
        wait_for("the first holds the connection", Duration::from_secs(20), || watcher.query_opt(waits, &[]).unwrap());
        let second = team("z");
        vec![second, first.join().unwrap()]
    });
    lock.rollback().unwrap();
    team("y").expect(201);
    answers
}

/// A server whose database goes away, and comes back.
fn outage() -> Vec<Answer> {
    let app = App::start_with(&[("DB_ACQUIRE_TIMEOUT", "500ms")]);
    let user = app.user().client;
    user.get("/api/teams").expect(200);
    let name = app.database.address().name().to_owned();
    let mut postgres = crate::support::server::server().client("postgres");
    postgres.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    postgres.query(end, &[&name]).unwrap();
    let read = user.get("/api/teams");
    let write = user.post("/api/teams", &json!({ "name": "x", "slug": "x" }));
    let login = app.nobody().post("/api/auth/login", &json!({ "email": "a@b.cd", "password": "x" }));
    app.nobody().get("/live").expect(200);
    postgres.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).unwrap();
    wait_for("it is as before", Duration::from_secs(20), || (user.get("/api/teams").status == 200).then_some(()));
    vec![read, write, login]
}

#[test]
fn every_code_is_answered_with_its_status_and_all_have_one_shape() {
    let answers = thread::scope(|scope| {
        let parts = [scope.spawn(refusals), scope.spawn(exhaustion), scope.spawn(outage)];
        parts.map(|part| part.join().unwrap()).concat()
    });
    let mut met = BTreeSet::new();
    for answer in answers {
        let body = answer.json();
        let code = Code::ALL.into_iter().find(|code| body["code"] == json!(code.name())).unwrap();
        met.insert(code.name());
        assert_eq!((answer.status, &body["status"]), (code.status(), &json!(code.status())), "{body}");
        assert_eq!(answer.header("Content-Type"), Some("application/problem+json"));
        assert_eq!((&body["type"], &body["title"]), (&json!("about:blank"), &json!(code.title())));
        assert_eq!(body["request_id"], json!(answer.header("X-Request-Id").unwrap()));
        assert!(!text(&body["detail"]).is_empty());
        let known = ["type", "title", "status", "detail", "code", "fields", "request_id"];
        assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{body}");
        let has = |name: &str| answer.header(name).is_some();
        let waits = matches!(answer.status, 423 | 429 | 503);
        assert_eq!(has("Retry-After"), waits, "{body}");
        assert_eq!(has("WWW-Authenticate"), answer.status == 401, "{body}");
        assert_eq!(has("Allow"), answer.status == 405, "{body}");
        assert_eq!(
            has("RateLimit-Limit") && has("RateLimit-Remaining") && has("RateLimit-Reset"),
            answer.status == 429
        );
        // Neither where the database is nor who else is calling is anybody's business.
        for secret in
            ["42", "postgres", "sql", "SELECT", "socket", "trial.specimens", "POST /api/teams (request", "panicked"]
        {
            assert!(!text(&body["detail"]).contains(secret), "{body}");
        }
    }
    let expected: BTreeSet<&str> = Code::ALL.into_iter().map(Code::name).collect();
    assert_eq!(met, expected);
}

#[test]
fn what_should_not_have_happened_is_told_by_the_id_of_the_request_alone_and_the_server_goes_on() {
    let zoo = Specimens::serve();
    for index in 0..20 {
        let client = zoo.client.with("X-Request-Id", &format!("id-{index}"));
        for answer in [client.get("/api/panic"), client.send("POST", "/api/mistake", None)] {
            let body = answer.refuse(500, "INTERNAL_ERROR").json();
            let expected = json!({
                "type": "about:blank", "title": "Internal error", "status": 500, "code": "INTERNAL_ERROR",
                "detail": "something went wrong here; the log says what, under the request's id",
                "request_id": format!("id-{index}"),
            });
            assert_eq!(body, expected);
        }
    }
    zoo.make(&json!({ "name": "x" }));
}

#[test]
fn bytes_that_mean_nothing_are_answered_at_once() {
    let zoo = Specimens::serve();
    let start = Instant::now();
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET"] {
        for path in ["/api/specimens", "/api/specimens/x", "/api/batch", "/api/panic", "/api/mistake"] {
            for body in [b"\0\0\0\0".as_slice(), b"{", b"\xff", b"[[[[[[", b"\"", b"1e9999999"] {
                let answer = zoo.client.with("If-Match", "*").send(method, path, Some(body));
                assert!(answer.status >= 400 || (method, answer.status) == ("GET", 200), "{method} {path}");
                assert!(answer.status < 500 || path == "/api/panic" || path == "/api/mistake", "{}", answer.text());
            }
        }
    }
    assert!(start.elapsed() < Duration::from_secs(30));
}
