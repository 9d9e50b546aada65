//! `POST /api/batch`: all operations or none, each as if it had come alone.

use serde_json::{Value, json};

use super::column;
use super::specimen::Specimens;
use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;

fn run(client: &Client, operations: Value) -> crate::support::client::Answer {
    client.post("/api/batch", &json!({ "operations": operations }))
}

fn team(slug: &str) -> Value {
    json!({ "method": "POST", "path": "/api/teams", "body": { "name": slug, "slug": slug } })
}

#[test]
fn operations_see_what_those_before_them_did_and_each_has_its_answer() {
    let app = App::start();
    let user = app.user();
    let path = user.client.post("/api/teams", &json!({ "name": "x", "slug": "x" })).expect(201);
    let path = path.header("Location").unwrap();
    let results = run(
        &user.client,
        json!([
            team("y"),
            { "method": "PATCH", "path": path, "body": { "name": "z" }, "if_match": "\"1\"" },
            { "method": "GET", "path": path },
            { "method": "PATCH", "path": "/api/teams?name=y", "body": { "name": "w" } },
            { "method": "DELETE", "path": path, "if_match": "\"2\"" },
        ]),
    )
    .expect(200)
    .json()["results"]
        .clone();
    let statuses: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [201, 200, 200, 200, 204]);
    assert_eq!((&results[0]["body"]["slug"], &results[0]["etag"]), (&json!("y"), &json!("\"1\"")));
    assert_eq!(results[0]["location"], json!(format!("/api/teams/{}", text(&results[0]["body"]["id"]))));
    assert_eq!((&results[2]["body"]["name"], &results[2]["etag"]), (&json!("z"), &json!("\"2\"")));
    assert_eq!((&results[3]["body"], results[4].get("body")), (&json!({ "affected": 1 }), None));
    let teams = user.client.get("/api/teams").expect(200).json();
    assert_eq!(column(&teams, "name"), ["w"]);
}

#[test]
fn one_that_fails_is_named_and_undoes_all() {
    let app = App::start();
    let user = app.user();
    let member = app.user();
    let own = user.client.post("/api/teams", &json!({ "name": "x", "slug": "taken" })).expect(201).json();
    let id = text(&own["id"]);
    let nobody = "00000000-0000-0000-0000-000000000000";
    for (operation, status, code) in [
        (team("taken"), 409, "CONFLICT"),
        (team("Not a slug"), 422, "VALIDATION_ERROR"),
        (json!({ "method": "POST", "path": "/api/teams" }), 400, "MALFORMED_REQUEST"),
        (json!({ "method": "POST", "path": "/api/teams", "body": [] }), 422, "VALIDATION_ERROR"),
        (json!({ "method": "GET", "path": format!("/api/teams/{nobody}") }), 404, "NOT_FOUND"),
        (
            json!({ "method": "DELETE", "path": format!("/api/teams/{id}"), "if_match": "\"9\"" }),
            412,
            "PRECONDITION_FAILED",
        ),
        (json!({ "method": "DELETE", "path": "/api/teams" }), 400, "MALFORMED_REQUEST"),
        (json!({ "method": "DELETE", "path": "/api/nonsense" }), 404, "NOT_FOUND"),
        (json!({ "method": "PUT", "path": "/api/teams", "body": {} }), 405, "METHOD_NOT_ALLOWED"),
        (json!({ "method": "DELETE", "path": "/api/teams?slug=%zz" }), 400, "MALFORMED_REQUEST"),
        (json!({ "method": "POST", "path": "/api/settings", "body": {} }), 403, "INSUFFICIENT_PERMISSIONS"),
        (
            json!({ "method": "POST", "path": "/api/users", "body": { "email": "a@b.cd" } }),
            403,
            "INSUFFICIENT_PERMISSIONS",
        ),
        (json!({ "method": "DELETE", "path": format!("/api/users/{}", user.id) }), 403, "INSUFFICIENT_PERMISSIONS"),
        (json!({ "method": "PATCH", "path": format!("/api/users/{}", member.id), "body": {} }), 404, "NOT_FOUND"),
        (json!({ "method": "POST", "path": "/api/batch", "body": { "operations": [] } }), 422, "VALIDATION_ERROR"),
        (json!({ "method": "GET", "path": "/api/teams" }), 422, "VALIDATION_ERROR"),
        (
            json!({ "method": "POST", "path": "/api/auth/login", "body": { "email": "a@b.cd", "password": "x" } }),
            422,
            "VALIDATION_ERROR",
        ),
        (json!({ "method": "POST", "path": "/api/auth/logout" }), 422, "VALIDATION_ERROR"),
    ] {
        let refused = run(&user.client, json!([team("a"), operation, team("b")])).refuse(status, code).json();
        let detail = text(&refused["detail"]);
        assert!(detail.starts_with("operations[1], ") && detail.ends_with("; nothing was changed"), "{detail}");
        if let Some(field) = refused["fields"][0]["field"].as_str() {
            assert!(field.starts_with("operations[1].body."), "{field}");
        }
        assert_eq!(column(&user.client.get("/api/teams").expect(200).json(), "slug"), ["taken"], "{operation}");
    }
}

#[test]
fn bodies_are_checked_before_the_transaction_begins() {
    let app = App::start();
    let admin = app.admin().client;
    run(&admin, json!([team("taken")])).expect(200);
    let template = json!({ "name": "A", "parameters": { "$ref": "https://example.com/schema" } });
    for (path, body, field) in [
        ("/api/templates", template, "parameters"),
        ("/api/users", json!({ "email": "a@b.cd", "password": "short" }), "password"),
        ("/api/webhooks", json!({ "name": "a", "url": "http://127.0.0.1/", "events": ["*"] }), "url"),
    ] {
        // The first operation is refused by the database, which has not been asked yet.
        let operations = json!([team("taken"), { "method": "POST", "path": path, "body": body }]);
        let refused = run(&admin, operations).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(refused["fields"][0]["field"], json!(format!("operations[1].body.{field}")), "{refused}");
    }
}

#[test]
fn permissions_are_those_of_the_caller_for_each_operation() {
    let app = App::start();
    let somebody = app.somebody("ADMIN", &["write:teams"]);
    run(&somebody.client, json!([team("a")])).expect(200);
    let read = json!([team("b"), { "method": "GET", "path": "/api/teams/00000000-0000-0000-0000-000000000000" }]);
    let refused = run(&somebody.client, read).refuse(403, "INSUFFICIENT_PERMISSIONS").json();
    assert!(text(&refused["detail"]).contains("needs the permission read:teams"), "{refused}");
    app.nobody().post("/api/batch", &json!({ "operations": [] })).refuse(401, "MISSING_API_KEY");
    let viewer = app.viewer();
    run(&viewer.client, json!([team("c")])).refuse(403, "INSUFFICIENT_PERMISSIONS");
    assert_eq!(column(&app.admin().client.get("/api/teams").expect(200).json(), "slug"), ["a"]);
}

#[test]
fn a_user_sees_own_rows_only_in_a_batch_too_whatever_came_before() {
    let app = App::start();
    let (user, other) = (app.user(), app.user());
    let theirs = other.client.post("/api/teams", &json!({ "name": "x", "slug": "theirs" })).expect(201);
    let theirs = theirs.header("Location").unwrap();
    for operation in [
        json!({ "method": "GET", "path": theirs }),
        json!({ "method": "PATCH", "path": theirs, "body": { "name": "mine" } }),
        json!({ "method": "DELETE", "path": theirs }),
    ] {
        run(&user.client, json!([team("a"), operation])).refuse(404, "NOT_FOUND");
    }
    let bulk = json!([team("a"), { "method": "DELETE", "path": "/api/teams?name__null=false" }]);
    let results = run(&user.client, bulk).expect(200).json();
    assert_eq!(results["results"][1]["body"], json!({ "affected": 1 }));
    other.client.get(theirs).expect(200);
}

#[test]
fn a_batch_has_at_most_a_hundred_operations_and_each_its_form() {
    let app = App::start();
    let user = app.user().client;
    let many = |count: usize| Value::Array((0..count).map(|index| team(&format!("t{index}"))).collect());
    let refused = run(&user, many(101)).refuse(422, "VALIDATION_ERROR").json();
    assert_eq!(refused["fields"], json!([{ "field": "operations", "message": "must have at most 100 items" }]));
    assert_eq!(run(&user, many(100)).expect(200).json()["results"].as_array().unwrap().len(), 100);
    assert_eq!(run(&user, json!([])).expect(200).json(), json!({ "results": [] }));
    for operation in [
        json!(null),
        json!("x"),
        json!({}),
        json!({ "method": "HEAD", "path": "/x" }),
        json!({ "method": "GET" }),
        json!({ "method": "GET", "path": "" }),
        json!({ "method": "GET", "path": "/x", "more": 1 }),
        json!({ "method": "GET", "path": 1 }),
    ] {
        run(&user, json!([operation])).refuse(422, "VALIDATION_ERROR");
    }
    for operations in [json!(null), json!({}), json!("x")] {
        run(&user, operations).refuse(422, "VALIDATION_ERROR");
    }
    user.post("/api/batch", &json!({})).refuse(422, "VALIDATION_ERROR");
    for path in ["api/teams", "//api/teams", "http://localhost/api/teams", "/api/teams#x", "/api/teams/", "/"] {
        run(&user, json!([{ "method": "POST", "path": path, "body": {} }])).refuse(404, "NOT_FOUND");
    }
}

#[test]
fn a_constraint_that_is_checked_in_the_end_refuses_the_batch() {
    let zoo = Specimens::serve();
    let make = |name: &str, size: u32| json!({ "method": "POST", "path": "/api/specimens", "body": { "name": name, "size": size } });
    run(&zoo.client, json!([make("a", 1), make("b", 1)])).refuse(409, "CONFLICT");
    assert!(zoo.names("").is_empty());
    let path = zoo.make(&json!({ "name": "a", "size": 1 }));
    // Two specimens change places, which no two requests could do one after the other.
    let other = zoo.make(&json!({ "name": "b", "size": 2 }));
    let set =
        |path: &str, size: u32| json!({ "method": "PATCH", "path": path, "body": { "size": size }, "if_match": "*" });
    run(&zoo.client, json!([set(&path, 2), set(&other, 1)])).expect(200);
    assert_eq!(zoo.names("sort=size"), ["b", "a"]);
}
