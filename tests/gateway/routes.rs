//! Routes as a resource: what they keep, and what is refused.

use postgres::error::SqlState;
use serde_json::{Value, json};

use super::{fields, route, with};
use crate::support::{App, migrated};

#[test]
fn a_route_is_kept_with_all_that_it_says_and_survives_a_restart() {
    let mut app = App::start();
    let user = app.operator();
    let full = json!({
        "name": "Payments",
        "path": "/pay/{customer}/*",
        "upstream": "https://pay.example.org:8443/v2",
        "methods": ["GET", "POST"],
        "strip_path": "/pay",
        "enabled": false,
        "rate_limit": { "max": 100, "windowMs": 60_000 },
        "auth": { "type": "jwt", "issuer": "https://id.example.org", "jwks_url": "https://id.example.org/keys" },
        "headers": { "X-Tenant": "acme", "Cookie": null },
        "timeout": 2500,
        "retry": { "attempts": 3, "backoff": 50 },
        "metadata": { "team": "pay", "tags": ["a"] },
    });
    let made = user.client.post("/api/routes", &full).expect(201);
    let path = made.header("Location").unwrap().to_owned();
    let made = made.json();
    for (name, value) in full.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    app.restart();
    let client = user.client.at(app.address());
    assert_eq!(client.get(&path).expect(200).json(), made);

    let small = client.post("/api/routes", &route("Small", "/small")).expect(201).json();
    for (name, value) in [
        ("methods", json!(["GET"])),
        ("enabled", json!(true)),
        ("headers", json!({})),
        ("metadata", json!({})),
        ("strip_path", Value::Null),
        ("rate_limit", Value::Null),
        ("auth", Value::Null),
        ("timeout", Value::Null),
        ("retry", Value::Null),
    ] {
        assert_eq!(small[name], value, "{name}");
    }
}

#[test]
fn viewers_read_routes_and_users_write_them_and_the_audit_says_who() {
    let app = App::start();
    let (viewer, user, admin) = (app.viewer(), app.operator(), app.admin());
    viewer.client.post("/api/routes", &route("One", "/one")).refuse(403, "INSUFFICIENT_PERMISSIONS");
    let id = user.client.post("/api/routes", &route("One", "/one")).expect(201).json()["id"].clone();
    let path = format!("/api/routes/{}", id.as_str().unwrap());
    viewer.client.get(&path).expect(200);
    viewer.client.patch(&path, &json!({ "enabled": false })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    user.client.patch(&path, &json!({ "path": "/two/{id}" })).expect(200);
    user.client.delete(&path).expect(204);
    let log = admin.client.get("/api/audit-logs?sort=id&resource_type=routes").expect(200).json();
    let log: Vec<(&str, &str)> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["action"].as_str().unwrap(), row["user_id"].as_str().unwrap()))
        .collect();
    let user = user.id.as_str();
    assert_eq!(log, [("routes.create", user), ("routes.update", user), ("routes.delete", user)]);
    let changes = admin.client.get("/api/audit-logs?action=routes.update").expect(200).json();
    assert_eq!(changes["data"][0]["changes"], json!({ "path": ["/one", "/two/{id}"] }));
}

#[test]
fn all_faults_of_a_route_are_told_at_once() {
    let app = App::start();
    let body = json!({
        "name": " ",
        "path": "pay",
        "upstream": "ftp://pay",
        "methods": [],
        "strip_path": "/a/",
        "enabled": "yes",
        "rate_limit": { "max": 0 },
        "auth": { "type": "magic" },
        "headers": { "Bad Name": "x", "X-Good": "a\r\nSet-Cookie: b" },
        "timeout": 600_001,
        "retry": { "attempts": 11 },
        "metadata": [],
        "weight": 1,
    });
    let answer = app.operator().client.post("/api/routes", &body).refuse(422, "VALIDATION_ERROR").json();
    let mut faults = fields(&answer);
    faults.sort_unstable();
    assert_eq!(
        faults,
        [
            "auth.type",
            "enabled",
            "headers.Bad Name",
            "headers.X-Good",
            "metadata",
            "methods",
            "name",
            "path",
            "rate_limit.max",
            "rate_limit.windowMs",
            "retry.attempts",
            "strip_path",
            "timeout",
            "upstream",
            "weight",
        ]
    );
}

#[test]
fn what_is_no_path_pattern_is_refused_and_what_is_one_is_not() {
    let app = App::start();
    let client = app.operator().client;
    let good = [
        "/",
        "/*",
        "/a",
        "/a/",
        "/a/*",
        "/a/{id}",
        "/{a}/{b}/*",
        "/a.b-c_d~e/@x:y;z=1,2",
        "/caf%C3%A9",
        "/a%2Fb",
        "/{Id2}/{_x}",
        "/.well-known/x",
    ];
    for (index, path) in good.into_iter().enumerate() {
        client.post("/api/routes", &route(&index.to_string(), path)).expect(201);
    }
    let long = format!("/{}", "a".repeat(1024));
    let bad = [
        "", "a", "*", "/a*", "/a/*/b", "/a//b", "//", "/a/**", "/{}", "/{1}", "/{a", "/a}", "/{a}b", "/a{b}",
        "/{a}/{a}", "/{a-b}", "/.", "/a/../b", "/a/./b", "/a?b", "/a#b", "/a b", "/a\nb", "/a\\b", "/é", "/%", "/%4",
        "/%41", "/%c3%a9", "/%zz", "/a|b", "/<a>", "/a\u{0}", &long,
    ];
    for path in bad {
        let answer = client.post("/api/routes", &route("bad", path));
        // Text with a zero byte is refused before anybody looks for paths in it.
        let is_refused = answer.status == 422 && fields(&answer.json()) == ["path"] || answer.status == 400;
        assert!(is_refused, "{path:?}: {}", answer.text());
    }
}

#[test]
fn what_is_no_upstream_is_refused_and_what_is_one_is_not() {
    let app = App::start();
    let client = app.operator().client;
    let good = [
        "http://a",
        "https://a.example.org/",
        "ws://my_service:8080/x",
        "wss://a.example.org:65535/a/b/",
        "http://127.0.0.1:80",
        "http://[::1]:8080/a",
        "http://[2001:db8::1]",
        "http://xn--caf-dma.example",
    ];
    for (index, upstream) in good.into_iter().enumerate() {
        let body = with(route(&index.to_string(), &format!("/{index}")), json!({ "upstream": upstream }));
        client.post("/api/routes", &body).expect(201);
    }
    for upstream in [
        "",
        "a",
        "//a",
        "http:/a",
        "http://",
        "http:///a",
        "HTTP://a",
        "ftp://a",
        "file:///etc/passwd",
        "http://u:p@a",
        "http://a?b",
        "http://a#b",
        "http://a b",
        "http://a\n",
        "http://a:0",
        "http://a:65536",
        "http://a:",
        "http://a:8x",
        "http://[::1",
        "http://::1",
        "http://[1.2.3.4]",
        "http://256.1.1.1",
        "http://127.1",
        "http://0x7f.0.0.1",
        "http://a..b",
        "http://-a",
        "http://a/../b",
        "http://a//b",
        "http://é",
        "javascript://a",
    ] {
        let body = with(route("bad", "/bad"), json!({ "upstream": upstream }));
        let answer = client.post("/api/routes", &body).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(fields(&answer), ["upstream"], "{upstream}");
    }
}

#[test]
fn every_other_field_is_held_to_what_it_may_be() {
    let app = App::start();
    let client = app.operator().client;
    for (members, field) in [
        (json!({ "methods": ["GET", "GET"] }), "methods"),
        (json!({ "methods": ["get"] }), "methods"),
        (json!({ "methods": ["CONNECT"] }), "methods"),
        (json!({ "methods": [null] }), "methods"),
        (json!({ "methods": null }), "methods"),
        (json!({ "strip_path": "/bad/*" }), "strip_path"),
        (json!({ "strip_path": "/{x}" }), "strip_path"),
        (json!({ "strip_path": "/" }), "strip_path"),
        (json!({ "strip_path": "/b" }), "strip_path"),
        (json!({ "strip_path": "/other" }), "strip_path"),
        (json!({ "rate_limit": { "max": 1, "windowMs": 86_400_001 } }), "rate_limit.windowMs"),
        (json!({ "rate_limit": { "max": 1.5, "windowMs": 1 } }), "rate_limit.max"),
        (json!({ "rate_limit": { "max": 1, "windowMs": 1, "burst": 1 } }), "rate_limit.burst"),
        (json!({ "rate_limit": 5 }), "rate_limit"),
        (json!({ "retry": { "attempts": 0 } }), "retry.attempts"),
        (json!({ "retry": { "attempts": 2, "backoff": "exponential" } }), "retry.backoff"),
        (json!({ "retry": {} }), "retry.attempts"),
        (json!({ "timeout": 0 }), "timeout"),
        (json!({ "auth": {} }), "auth.type"),
        (json!({ "auth": { "type": "api_key", "issuer": "x" } }), "auth.issuer"),
        (json!({ "auth": { "type": "jwt", "jwks_url": "http://a" } }), "auth.jwks_url"),
        (json!({ "auth": { "type": "api_key", "header": "Content-Length" } }), "auth.header"),
        (json!({ "headers": { "Connection": "close" } }), "headers.Connection"),
        (json!({ "headers": { "transfer-encoding": "chunked" } }), "headers.transfer-encoding"),
        (json!({ "headers": { "": "x" } }), "headers."),
        (json!({ "headers": { "X-A": "1", "x-a": "2" } }), "headers.x-a"),
        (json!({ "headers": { "X-A": 1 } }), "headers.X-A"),
        (json!({ "headers": { "X-A": " x" } }), "headers.X-A"),
        (json!({ "headers": { "X-A": "é" } }), "headers.X-A"),
        (json!({ "headers": { "X-A": "x".repeat(4097) } }), "headers.X-A"),
        (
            json!({ "headers": (0..51).map(|index| (format!("X-{index}"), json!(""))).collect::<serde_json::Map<_, _>>() }),
            "headers",
        ),
    ] {
        let body = with(route("bad", "/bad/{x}/*"), members);
        let answer = client.post("/api/routes", &body).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(fields(&answer), [field], "{body}");
    }
    let id = client.post("/api/routes", &with(route("good", "/a/b"), json!({ "strip_path": "/a" }))).expect(201).json();
    let path = format!("/api/routes/{}", id["id"].as_str().unwrap());
    let answer = client.patch(&path, &json!({ "path": "/b" })).refuse(422, "VALIDATION_ERROR").json();
    assert_eq!(fields(&answer), ["strip_path"], "the one must still begin the other");
}

#[test]
fn impossible_routes_are_refused_by_the_schema_too() {
    let database = migrated();
    let mut client = database.client();
    let row = "INSERT INTO gateway.routes (name, path, upstream) VALUES ('one', '/one/*', 'http://a')";
    client.batch_execute(row).unwrap();
    for (change, constraint) in [
        ("name = ''", "routes_name_has_1_to_255_characters"),
        ("path = ''", "routes_path_starts_with_slash"),
        ("path = 'one'", "routes_path_is_a_pattern"),
        ("path = '/a//b'", "routes_path_is_a_pattern"),
        ("path = '/a/*/b'", "routes_path_is_a_pattern"),
        ("path = '/' || repeat('a', 1024)", "routes_path_has_at_most_1024_characters"),
        ("upstream = 'ftp://a'", "routes_upstream_is_a_url"),
        ("upstream = E'http://a\\n'", "routes_upstream_is_a_url"),
        ("methods = '{}'", "routes_methods_are_known_and_each_there_once"),
        ("methods = '{GET,GET}'", "routes_methods_are_known_and_each_there_once"),
        ("methods = '{GET,NULL}'", "routes_methods_are_known_and_each_there_once"),
        ("methods = '{BREW}'", "routes_methods_are_known_and_each_there_once"),
        ("strip_path = '/on'", "routes_strip_path_begins_path"),
        ("strip_path = '/one/'", "routes_strip_path_begins_path"),
        ("rate_limit = '5'", "routes_rate_limit_has_max_and_window"),
        ("rate_limit = '{\"max\": 1}'", "routes_rate_limit_has_max_and_window"),
        ("rate_limit = '[{\"max\": 1, \"windowMs\": 1}]'", "routes_rate_limit_has_max_and_window"),
        ("auth = '{\"type\": 1}'", "routes_auth_has_a_type"),
        ("auth = '\"none\"'", "routes_auth_has_a_type"),
        ("headers = '[]'", "routes_headers_is_an_object"),
        ("timeout = 0", "routes_timeout_is_1_to_600000_ms"),
        ("retry = '{\"attempts\": 0}'", "routes_retry_has_attempts"),
        ("metadata = '1'", "routes_metadata_is_an_object"),
    ] {
        let error = client.batch_execute(&format!("UPDATE gateway.routes SET {change}")).expect_err(change);
        let error = error.as_db_error().unwrap();
        assert_eq!((error.code(), error.constraint()), (&SqlState::CHECK_VIOLATION, Some(constraint)), "{change}");
    }
}
