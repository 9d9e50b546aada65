//! Two enabled routes that a request could take as well.

use std::thread;

use serde_json::json;

use super::{fields, names, route, with};
use crate::support::{App, migrated};

#[test]
fn two_enabled_routes_with_the_same_path_and_a_method_in_common_are_refused_by_the_method() {
    let app = App::start();
    let client = app.operator().client;
    let make = |name: &str, path: &str, methods: &[&str]| {
        client.post("/api/routes", &with(route(name, path), json!({ "methods": methods })))
    };
    make("one", "/a/{id}", &["GET", "POST"]).expect(201);
    make("two", "/a/{id}", &["PUT", "DELETE"]).expect(201);
    make("three", "/a/b", &["GET"]).expect(201);
    make("four", "/a/*", &["GET"]).expect(201);
    make("five", "/a/{id}/", &["GET"]).expect(201);
    // What a parameter is called makes no difference to requests.
    let answer = make("six", "/a/{name}", &["PATCH", "POST"]).refuse(409, "CONFLICT").json();
    assert_eq!(fields(&answer), ["path"]);
    assert!(answer["detail"].as_str().unwrap().contains("another enabled route that takes POST"), "{answer}");
    for method in ["GET", "PUT", "DELETE"] {
        let answer = make("six", "/a/{id}", &[method]).refuse(409, "CONFLICT").json();
        assert!(answer["detail"].as_str().unwrap().ends_with(method), "{answer}");
    }
    let answer = make("one", "/else", &["GET"]).refuse(409, "CONFLICT").json();
    assert_eq!(fields(&answer), ["name"]);
}

#[test]
fn a_disabled_route_is_in_nobodys_way_until_it_is_enabled() {
    let app = App::start();
    let client = app.operator().client;
    let old = client.post("/api/routes", &route("old", "/a")).expect(201).json();
    let new = with(route("new", "/a"), json!({ "enabled": false }));
    let new = client.post("/api/routes", &new).expect(201).json();
    let path = |route: &serde_json::Value| format!("/api/routes/{}", route["id"].as_str().unwrap());
    let enabled = json!({ "enabled": true });
    client.patch(&path(&new), &enabled).refuse(409, "CONFLICT");
    client.patch("/api/routes?name__in=old,new", &enabled).refuse(409, "CONFLICT");
    client.patch(&path(&old), &json!({ "enabled": false })).expect(200);
    client.patch(&path(&new), &enabled).expect(200);
    client.patch("/api/routes?enabled=false", &enabled).refuse(409, "CONFLICT");
    assert_eq!(names(&client, "/api/routes?enabled=true"), ["new"]);
}

#[test]
fn of_many_who_make_the_same_route_at_once_one_does() {
    let app = App::start();
    let client = app.operator().client;
    for round in 0..5 {
        let (client, threads): (_, Vec<_>) = (&client, (0..8).collect());
        let statuses: Vec<u16> = thread::scope(|scope| {
            let make = |index| {
                let route = route(&format!("{round}-{index}"), &format!("/{round}/{{name{index}}}"));
                scope.spawn(move || client.post("/api/routes", &route).status)
            };
            let threads: Vec<_> = threads.into_iter().map(make).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    }
    assert_eq!(names(&client, "/api/routes").len(), 5);
}

#[test]
fn routes_may_change_places_in_one_statement_or_in_a_transaction_that_says_so() {
    let database = migrated();
    let mut client = database.client();
    client
        .batch_execute(
            "INSERT INTO gateway.routes (name, path, upstream) VALUES ('a', '/a', 'http://a'), ('b', '/b', 'http://b')",
        )
        .unwrap();
    client.batch_execute("UPDATE gateway.routes SET path = CASE path WHEN '/a' THEN '/b' ELSE '/a' END").unwrap();
    client
        .batch_execute(
            "BEGIN; SET CONSTRAINTS ALL DEFERRED;
             UPDATE gateway.routes SET path = '/a' WHERE name = 'a';
             UPDATE gateway.routes SET path = '/b' WHERE name = 'b';
             COMMIT",
        )
        .unwrap();
    client.batch_execute("UPDATE gateway.routes SET path = '/a'").expect_err("both at the same place");
}
