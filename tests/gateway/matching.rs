//! Which route a request would take, and why.

use std::time::Duration;

use serde_json::{Value, json};

use super::snapshot::{SNAPSHOT, wait_for_names};
use super::{fields, route, with};
use crate::support::App;
use crate::support::client::Client;
use crate::support::wait::wait_for;

/// The answer for a method and a URL.
#[track_caller]
fn find(client: &Client, method: &str, url: &str) -> Value {
    client.post("/api/routes/match", &json!({ "method": method, "url": url })).expect(200).json()
}

#[test]
fn the_route_that_says_most_about_the_path_is_taken_and_the_others_are_told_with_why_not() {
    let app = App::start();
    let client = app.operator().client;
    for (name, path, members) in [
        ("all", "/*", json!({})),
        ("list", "/users", json!({ "methods": ["GET", "POST"] })),
        ("one", "/users/{id}", json!({ "upstream": "https://users.example.org/v2/", "strip_path": "/users" })),
        ("me", "/users/me", json!({})),
        ("files", "/users/{id}/files/*", json!({ "strip_path": "/users" })),
        ("write", "/users/{user}", json!({ "methods": ["PUT", "DELETE"] })),
    ] {
        client.post("/api/routes", &with(route(name, path), members)).expect(201);
    }
    let later = with(route("later", "/users/{id}"), json!({ "enabled": false }));
    client.post("/api/routes", &later).expect(201);
    client.patch("/api/routes?name=list", &json!({ "timeout": 1000 })).expect(200);
    wait_for("the last change is there", Duration::from_secs(30), || {
        let first = client.get(SNAPSHOT).expect(200).json()["routes"][0].clone();
        (first["timeout"] == 1000).then_some(())
    });
    wait_for_names(&client, &["list", "me", "one", "write", "files", "all"]);

    let answer = find(&client, "GET", "https://api.example.org/users/7?full=1#top");
    assert_eq!(answer["route"]["name"], "one");
    assert_eq!(answer["path"], "/users/7");
    assert_eq!(answer["parameters"], json!({ "id": "7" }));
    assert_eq!(answer["upstream_url"], "https://users.example.org/v2/7?full=1");
    assert_eq!(answer["reason"], "of the 2 enabled routes that take GET on this path, its pattern says most");
    let close: Vec<(&str, &str)> = answer["close"]
        .as_array()
        .unwrap()
        .iter()
        .map(|near| (near["name"].as_str().unwrap(), near["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        close,
        [
            ("write", "takes PUT, DELETE, and not GET"),
            ("all", "would take it too, but stands behind: it says * where the other says users"),
            ("later", "is disabled"),
        ]
    );
    let answer = find(&client, "GET", "/users/7/files/a/b.txt");
    assert_eq!((&answer["route"]["name"], &answer["rest"]), (&json!("files"), &json!("a/b.txt")));
    assert_eq!(answer["upstream_url"], "http://127.0.0.1:9/7/files/a/b.txt");
    for (method, url, expected) in [
        ("GET", "/users/me", "me"),
        ("PUT", "/users/me", "write"),
        ("POST", "/users", "list"),
        ("GET", "/users/", "all"),
        ("GET", "/Users", "all"),
        ("GET", "/users/7/files", "files"),
        ("GET", "/users/7/files/", "files"),
        ("GET", "/users/7/filesystem", "all"),
        ("GET", "/", "all"),
        ("GET", "http://x", "all"),
        ("GET", "//users", "all"),
        // The same path, written in other ways.
        ("GET", "/%75sers/%6d%65", "me"),
        ("GET", "/x/../users/./me", "me"),
        ("GET", "/users/me/.", "all"),
        ("GET", "/users/é", "one"),
    ] {
        let answer = find(&client, method, url);
        assert_eq!(answer["route"]["name"], expected, "{method} {url}: {answer}");
    }
    assert_eq!(find(&client, "GET", "/users/é")["parameters"]["id"], "%C3%A9");
}

#[test]
fn where_no_route_is_taken_it_is_told_what_was_in_the_way() {
    let app = App::start();
    let client = app.operator().client;
    for path in ["/shop/orders/{id}", "/shop/carts/", "/shop/items/*", "/admin"] {
        client.post("/api/routes", &route(path, path)).expect(201);
    }
    wait_for_names(&client, &["/admin", "/shop/carts/", "/shop/items/*", "/shop/orders/{id}"]);
    for (method, url, reason, name, why) in [
        ("GET", "/nothing", "no enabled route takes this path", "", ""),
        (
            "PUT",
            "/admin",
            "enabled routes take this path, but none takes PUT on it, only GET",
            "/admin",
            "takes GET, and not PUT",
        ),
        ("GET", "/shop/carts", "no enabled route takes this path", "/shop/carts/", "has a / at its end"),
        ("GET", "/admin/", "no enabled route takes this path", "/admin", "has no / at its end"),
        (
            "GET",
            "/Admin",
            "no enabled route takes this path",
            "/admin",
            "says admin where the path has Admin: case makes a difference",
        ),
        (
            "GET",
            "/shop/Items/7",
            "no enabled route takes this path",
            "/shop/items/*",
            "says items where the path has Items: case makes a difference",
        ),
        (
            "GET",
            "/shop/orders",
            "no enabled route takes this path",
            "/shop/orders/{id}",
            "goes on with {id} where the path ends",
        ),
        (
            "GET",
            "/shop/orders/7/x",
            "no enabled route takes this path",
            "/shop/orders/{id}",
            "ends where the path goes on with x",
        ),
        (
            "GET",
            "/shop/order/7",
            "no enabled route takes this path",
            "/shop/carts/",
            "says carts where the path has order",
        ),
    ] {
        let answer = find(&client, method, url);
        assert_eq!((&answer["route"], &answer["reason"]), (&Value::Null, &json!(reason)), "{url}");
        let first = answer["close"].get(0).cloned().unwrap_or_else(|| json!({ "name": "", "reason": "" }));
        assert_eq!((&first["name"], &first["reason"]), (&json!(name), &json!(why)), "{url}: {answer}");
    }
}

#[test]
fn what_is_no_url_or_no_method_is_refused() {
    let app = App::start();
    let client = app.viewer().client;
    for url in ["", "users", "?x", "http://", "http:///a", "/%", "/%zz", "/%4", &format!("/{}", "a".repeat(8192))] {
        let answer = client.post("/api/routes/match", &json!({ "url": url })).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(fields(&answer), ["url"], "{url}");
    }
    for method in ["get", "BREW", ""] {
        client.post("/api/routes/match", &json!({ "method": method, "url": "/" })).refuse(422, "VALIDATION_ERROR");
    }
    find(&client, "GET", "/");
}

/// A small generator, so that every run tries the same.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn path(&mut self, words: &[&str], last: &[&str]) -> String {
        let mut path = String::new();
        for index in 0..self.below(4) {
            let word = words[self.below(words.len() as u64) as usize];
            path += "/";
            path += &word.replace('?', &index.to_string());
        }
        let end = last[self.below(last.len() as u64) as usize];
        if path.is_empty() { "/".to_owned() } else { path + end }
    }
}

/// Whether a pattern takes a path: as the description says it, in the plainest way.
fn takes(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(start) => {
            let (depth, parts) = (start.matches('/').count(), path.split('/').collect::<Vec<_>>());
            parts.len() > depth && takes_all(start, &parts[..=depth].join("/"))
        }
        None => takes_all(pattern, path),
    }
}

fn takes_all(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let fits = |(part, segment): (&&str, &&str)| part == segment || (part.starts_with('{') && !segment.is_empty());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
}

#[test]
fn whoever_tries_the_routes_of_the_snapshot_one_after_the_other_takes_the_same_one() {
    let app = App::start();
    let client = app.operator().client;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for index in 0..60 {
        let path = random.path(&["a", "b", "ab", "{p?}", "a"], &["", "/*", "/", "/c"]);
        let methods = [json!(["GET"]), json!(["POST"]), json!(["GET", "POST"])][random.below(3) as usize].clone();
        let answer = client.post("/api/routes", &with(route(&index.to_string(), &path), json!({ "methods": methods })));
        assert!([201, 409].contains(&answer.status), "{}", answer.text());
    }
    let count = client.get("/api/routes?total=true").expect(200).json()["page"]["total"].as_u64().unwrap();
    let snapshot = loop {
        let snapshot = client.get(SNAPSHOT).expect(200).json();
        if snapshot["routes"].as_array().unwrap().len() as u64 == count {
            break snapshot;
        }
    };
    assert!(count > 25, "{count}");
    let routes = snapshot["routes"].as_array().unwrap();
    let mut taken = 0;
    for _ in 0..300 {
        let path = random.path(&["a", "b", "ab", "c"], &["", "/", "/a/b", "/c/c"]);
        let method = ["GET", "POST"][random.below(2) as usize];
        let first = routes.iter().find(|route| {
            let methods = route["methods"].as_array().unwrap();
            takes(route["path"].as_str().unwrap(), &path) && methods.contains(&json!(method))
        });
        let answer = find(&client, method, &path);
        assert_eq!(
            answer["route"]["path"],
            first.map_or(Value::Null, |first| first["path"].clone()),
            "{method} {path}"
        );
        assert_eq!(answer["route"]["id"], first.map_or(Value::Null, |first| first["id"].clone()), "{method} {path}");
        taken += usize::from(first.is_some());
    }
    assert!((100..=290).contains(&taken), "{taken} of 300");
}
