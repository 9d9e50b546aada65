//! HTTP itself: methods, paths, what every reply carries, compression, and pages of other origins.

use std::collections::BTreeSet;

use serde_json::json;

use super::raw;
use crate::support::App;
use crate::support::client::Client;

#[test]
fn a_path_that_is_nothing_is_not_found_and_one_without_the_method_names_those_it_has() {
    let app = App::start();
    let admin = app.admin().client;
    for path in [
        "/nonsense",
        "/api",
        "/api/",
        "/api/teams/",
        "//api/teams",
        "/api//teams",
        "/API/teams",
        "/api/te%61ms",
        "/api/teams/x/y",
        "/api/users/statistics/unlock",
        "/api/../api/teams",
        "/",
    ] {
        for method in ["GET", "POST", "BREW"] {
            admin.send(method, path, None).refuse(404, "NOT_FOUND");
        }
    }
    for (method, path, allow) in [
        ("BREW", "/api/teams", "GET, POST, PATCH, DELETE, HEAD, OPTIONS"),
        ("PUT", "/api/teams", "GET, POST, PATCH, DELETE, HEAD, OPTIONS"),
        ("POST", "/api/teams/x", "GET, PATCH, PUT, DELETE, HEAD, OPTIONS"),
        ("TRACE", "/api/teams/x", "GET, PATCH, PUT, DELETE, HEAD, OPTIONS"),
        ("GET", "/api/auth/login", "POST, OPTIONS"),
        ("DELETE", "/live", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/users/statistics", "GET, HEAD, OPTIONS"),
        ("get", "/api/teams", "GET, POST, PATCH, DELETE, HEAD, OPTIONS"),
    ] {
        let refused = admin.send(method, path, None).refuse(405, "METHOD_NOT_ALLOWED");
        assert_eq!(refused.header("Allow"), Some(allow), "{method} {path}");
    }
    for id in ["x", "1", "00000000-0000-0000-0000-00000000000g", "%20", "..", "null", "%F0%9F%98%80"] {
        admin.get(&format!("/api/teams/{id}")).refuse(404, "NOT_FOUND");
    }
    admin.get("/api/teams/00000000-0000-0000-0000-000000000000?x=1").refuse(400, "MALFORMED_REQUEST");
}

#[test]
fn head_is_get_without_a_body_and_options_names_the_methods() {
    let app = App::start();
    let admin = app.admin().client;
    let path = admin.post("/api/teams", &json!({ "name": "x", "slug": "x" })).expect(201);
    let path = path.header("Location").unwrap();
    for path in [path, "/api/teams", "/live", "/api/teams/x", "/api/teams?limit=0"] {
        let (get, head) = (admin.get(path), admin.send("HEAD", path, None));
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["Content-Type", "ETag"] {
            assert_eq!(head.header(name), get.header(name), "{path}");
        }
        if get.status == 200 && path != "/live" {
            assert_eq!(head.header("Content-Length"), get.header("Content-Length"), "{path}");
        }
    }
    for (path, allow) in
        [("/api/teams", "GET, POST, PATCH, DELETE, HEAD, OPTIONS"), ("/api/auth/login", "POST, OPTIONS")]
    {
        let answer = app.nobody().send("OPTIONS", path, None).expect(204);
        assert_eq!((answer.header("Allow"), answer.body.len()), (Some(allow), 0));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    }
    app.nobody().send("OPTIONS", "/nonsense", None).refuse(404, "NOT_FOUND");
}

#[test]
fn every_reply_carries_an_id_its_timing_and_that_it_is_not_to_be_kept() {
    let app = App::start();
    let admin = app.admin().client;
    let mut ids = BTreeSet::new();
    for (path, status) in
        [("/api/teams", 200), ("/api/teams/x", 404), ("/api/teams?x=1", 400), ("/live", 200), ("/nonsense", 404)]
    {
        let answer = admin.get(path).expect(status);
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        // Where nobody was admitted, nobody learns how long what took.
        assert_eq!(answer.header("Server-Timing").is_some(), path.starts_with("/api"), "{path}");
        if let Some(timing) = answer.header("Server-Timing") {
            let names: Vec<&str> = timing.split(", ").map(|part| part.split(';').next().unwrap()).collect();
            assert_eq!(names, ["auth", "pool", "db", "total"], "{timing}");
        }
        let id = answer.header("X-Request-Id").unwrap().to_owned();
        if status >= 400 {
            assert_eq!(answer.json()["request_id"], json!(id));
        }
        assert!(ids.insert(id), "each is its own");
    }
    for (sent, is_taken) in [
        ("abc-123_x.y", true),
        ("", false),
        ("a b", false),
        ("<script>", false),
        ("x\"y", false),
        (&"x".repeat(500), false),
    ] {
        let answer = admin.with("X-Request-Id", sent).get("/api/teams/x");
        assert_eq!(answer.header("X-Request-Id") == Some(sent), is_taken, "{sent}");
    }
}

#[test]
fn long_replies_are_compressed_for_those_who_ask_and_have_their_length() {
    let app = App::start();
    let admin = app.admin().client;
    for index in 0..120 {
        admin.post("/api/settings", &json!({ "key": format!("key {index}"), "value": "x".repeat(500) })).expect(201);
    }
    let plain = admin.get("/api/settings?limit=200").expect(200);
    let length = plain.body.len().to_string();
    assert_eq!((plain.header("Content-Length"), plain.header("Content-Encoding")), (Some(length.as_str()), None));
    assert!(plain.body.len() > 80_000 && plain.header("Vary") == Some("Accept-Encoding"));
    for (accepted, is_gzip) in [
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("*", true),
        ("gzip;q=0", false),
        ("identity", false),
        ("*;q=0", false),
        ("gzip;q=0, *", false),
        ("gzipx", false),
    ] {
        let answer = admin.with("Accept-Encoding", accepted).get("/api/settings?limit=200").expect(200);
        assert_eq!(answer.header("Content-Encoding") == Some("gzip"), is_gzip, "{accepted}");
        if is_gzip {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*answer.body), &mut text).unwrap();
            assert_eq!(text.as_bytes(), plain.body);
        }
    }
    let short = admin.with("Accept-Encoding", "gzip").get("/live").expect(200);
    assert_eq!(short.header("Content-Encoding"), None);
}

#[test]
fn pages_of_other_origins_call_where_the_settings_allow_it_and_nowhere_else() {
    let origin = |client: &Client, origin: &str| client.with("Origin", origin);
    let closed = App::start();
    let answer = origin(&closed.nobody(), "https://a.example").get("/live").expect(200);
    assert_eq!((answer.header("Access-Control-Allow-Origin"), answer.header("Vary")), (None, None));
    let app = App::start_with(&[("CORS_ORIGINS", "https://a.example, https://b.example:8443")]);
    for (from, is_allowed) in [
        ("https://a.example", true),
        ("https://b.example:8443", true),
        ("http://a.example", false),
        ("https://a.example.evil", false),
        ("https://b.example", false),
        ("null", false),
        ("https://A.example", false),
        ("*", false),
    ] {
        let client = origin(&app.nobody(), from);
        let expected = is_allowed.then_some(from);
        for answer in
            [client.get("/live").expect(200), client.get("/api/teams").expect(401), client.get("/nonsense").expect(404)]
        {
            assert_eq!(answer.header("Access-Control-Allow-Origin"), expected, "{from}");
            assert_eq!(answer.header("Vary"), Some("Origin"));
            assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
        }
        let preflight =
            client.with("Access-Control-Request-Method", "PATCH").send("OPTIONS", "/api/teams", None).expect(204);
        assert_eq!(preflight.header("Access-Control-Allow-Origin"), expected);
        assert_eq!(preflight.header("Access-Control-Allow-Methods").is_some(), is_allowed);
        assert_eq!(
            preflight.header("Access-Control-Allow-Headers").is_some_and(|all| all.contains("If-Match")),
            is_allowed
        );
    }
    let open = App::start_with(&[("CORS_ORIGINS", "*")]);
    let answer = origin(&open.nobody(), "https://any.example").get("/live").expect(200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("https://any.example"));
}

#[test]
fn requests_that_are_none_are_refused_before_anything_is_done() {
    let app = App::start();
    let address = app.address();
    for (request, status) in [
        ("GET /live HTTP/1.1\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /live\r\n\r\n", 400),
        ("GET  /live HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        ("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
        ("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
        ("GET /live HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    ] {
        let reply = raw(address, request.as_bytes());
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {reply}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9000));
    assert!(raw(address, long.as_bytes()).starts_with("HTTP/1.1 414"));
    let wide = format!("GET /live HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert!(raw(address, wide.as_bytes()).starts_with("HTTP/1.1 431"));
    let absolute = "GET http://example.org/live HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";
    assert!(raw(address, absolute.as_bytes()).starts_with("HTTP/1.1 200"));
}
