//! Declared tables over HTTP: all that our own tables do, they do.

use serde_json::{Value, json};

use super::{COLLEX, serving};
use crate::support::App;
use crate::support::app::text;
use crate::support::binary::mainstay;
use crate::support::client::Client;

fn collex() -> App {
    App::start_with(&[("ENTITIES_PATH", COLLEX)])
}

fn user(client: &Client, phone: &str) -> Value {
    let body =
        json!({ "phone_number": phone, "last_name": format!("Of {phone}"), "email": format!("{phone}@example.org") });
    client.post("/api/entities/users", &body).expect(201).json()
}

#[test]
fn collex_s_own_entities_are_declared_and_served_like_any_resource() {
    let app = collex();
    let client = app.admin().client;
    let definitions = client.get("/api/entities").expect(200).json();
    let names: Vec<&str> =
        definitions["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["permissions", "roles", "user_activities", "user_preferences", "user_sessions", "users"]);

    let ada = user(&client, "+49301");
    let path = format!("/api/entities/users/{}", text(&ada["id"]));
    assert_eq!(ada["status"], "active");
    assert_eq!(ada["locale"], "en");
    assert_eq!(client.get(&path).expect(200).header("ETag"), Some("\"1\""));
    let versioned = client.with("If-Match", "\"1\"");
    let changed = versioned.patch(&path, &json!({ "first_name": "Ada", "email": null })).expect(200).json();
    assert_eq!(
        (&changed["first_name"], &changed["email"], &changed["version"]),
        (&json!("Ada"), &Value::Null, &json!(2))
    );
    let replaced = client.with("If-Match", "\"2\"");
    let replaced = replaced.put(&path, &json!({ "phone_number": "+49302", "last_name": "L" })).expect(200).json();
    assert_eq!((&replaced["first_name"], &replaced["status"]), (&Value::Null, &json!("active")));
    versioned.delete(&path).refuse(412, "PRECONDITION_FAILED");

    let wrong = json!({ "phone_number": "x", "email": 3, "status": "gone", "id": "1", "colour": "red" });
    let refused = client.post("/api/entities/users", &wrong).refuse(422, "VALIDATION_ERROR").json();
    let fields: Vec<&str> =
        refused["fields"].as_array().unwrap().iter().map(|it| it["field"].as_str().unwrap()).collect();
    for field in ["colour", "phone_number", "email", "last_name", "status", "id"] {
        assert!(fields.contains(&field), "{field}: {refused}");
    }
    assert_eq!(fields.len(), 6, "{refused}");
    let again = json!({ "phone_number": "+49302", "last_name": "M" });
    let taken = client.post("/api/entities/users", &again).refuse(409, "CONFLICT").json();
    assert_eq!(taken["fields"][0], json!({ "field": "phone_number", "message": "is another user's" }));
    client.post("/api/entities/nothing", &again).refuse(404, "NOT_FOUND");
}

#[test]
fn lists_filter_sort_search_page_and_count() {
    let app = collex();
    let client = app.admin().client;
    for number in 0..7 {
        user(&client, &format!("+4930{number}"));
    }
    let first =
        client.get("/api/entities/users?sort=-last_name&limit=3&total=true&last_name__contains=of").expect(200).json();
    assert_eq!((first["data"].as_array().unwrap().len(), &first["page"]["total"]), (3, &json!(7)));
    assert_eq!(first["data"][0]["phone_number"], "+49306");
    let next = format!("/api/entities/users?sort=-last_name&limit=3&cursor={}", text(&first["page"]["next_cursor"]));
    assert_eq!(client.get(&next).expect(200).json()["data"][0]["phone_number"], "+49303");
    assert_eq!(client.get("/api/entities/users?status=inactive").expect(200).json()["data"], json!([]));
    client.get("/api/entities/users?locale=en").refuse(400, "MALFORMED_REQUEST");
    client.get("/api/entities/users?status=gone").refuse(400, "MALFORMED_REQUEST");
    let roles = json!({ "name": "Clerk", "permission_codes": ["read:a", "write:a"], "level": 7 });
    client.post("/api/entities/roles", &roles).expect(201);
    let found = client.get("/api/entities/roles?permission_codes=read:a&level__gt=3&fields=name").json();
    assert!(found["code"] == "MALFORMED_REQUEST", "level is no filter: {found}");
    let found = client.get("/api/entities/roles?permission_codes=read:a&sort=-level&fields=name").expect(200).json();
    assert_eq!(found["data"], json!([{ "name": "Clerk" }]));
}

#[test]
fn keys_trials_batches_and_bulk_changes_are_there_too() {
    let app = collex();
    let client = app.admin().client;
    let body = json!({ "phone_number": "+491", "last_name": "A" });
    let keyed = client.with("Idempotency-Key", "one");
    let first = keyed.post("/api/entities/users", &body).expect(201).json();
    assert_eq!(keyed.post("/api/entities/users", &body).expect(201).json(), first);
    let trial = client.with("Prefer", "tx=rollback");
    trial.post("/api/entities/users", &json!({ "phone_number": "+492", "last_name": "B" })).expect(201);
    let operations = json!({ "operations": [
        { "method": "POST", "path": "/api/entities/users", "body": { "phone_number": "+493", "last_name": "C" } },
        { "method": "POST", "path": "/api/entities/users", "body": { "phone_number": "+491", "last_name": "D" } },
    ] });
    client.post("/api/batch", &operations).refuse(409, "CONFLICT");
    assert_eq!(client.get("/api/entities/users?total=true").json()["page"]["total"], 1);
    let user = text(&first["id"]);
    for _ in 0..3 {
        let activity = json!({ "user_id": user, "activity_type": "view", "details": { "page": "home" } });
        client.post("/api/entities/user_activities", &activity).expect(201);
    }
    let changed = client.patch("/api/entities/user_activities?details.page=home", &json!({ "activity_type": "edit" }));
    assert_eq!(changed.expect(200).json()["affected"], 3);
    let gone = client.delete("/api/entities/user_activities?activity_type=edit").expect(200).json();
    assert_eq!(gone["affected"], 3);
}

#[test]
fn references_are_expanded_in_one_statement_for_those_who_may_see_them() {
    let app = collex();
    let client = app.admin().client;
    let ada = user(&client, "+4930");
    let session = json!({ "user_id": ada["id"], "expires_at": "2999-01-01T00:00:00Z" });
    let session = client.post("/api/entities/user_sessions", &session).expect(201).json();
    let expanded = client.get("/api/entities/user_sessions?expand=user&fields=device").expect(200).json();
    assert_eq!(expanded["data"], json!([{ "device": null, "user": ada }]));
    let one =
        client.get(&format!("/api/entities/user_sessions/{}?expand=user", text(&session["id"]))).expect(200).json();
    assert_eq!((&one["user"], &one["id"]), (&ada, &session["id"]));
    assert!(client.get("/api/entities/user_sessions").json()["data"][0].get("user").is_none());
    client.get("/api/entities/user_sessions?expand=device").refuse(400, "MALFORMED_REQUEST");
    client.get("/api/entities/users?expand=user").refuse(400, "MALFORMED_REQUEST");
    let clerk = app.somebody("USER", &["read:entities-user_sessions"]);
    clerk.client.get("/api/entities/user_sessions").expect(200);
    let refused = clerk.client.get("/api/entities/user_sessions?expand=user").refuse(403, "INSUFFICIENT_PERMISSIONS");
    assert!(refused.text().contains("read:entities-users"), "{}", refused.text());
}

#[test]
fn permissions_of_an_entity_are_its_own() {
    let app = collex();
    // A key for the users of mainstay is none for Collex's.
    app.somebody("ADMIN", &["read:users"]).client.get("/api/entities/users").refuse(403, "INSUFFICIENT_PERMISSIONS");
    let (viewer, user) = (app.viewer().client, app.user().client);
    let role = json!({ "name": "Boss" });
    viewer.get("/api/entities/roles").expect(200);
    user.post("/api/entities/roles", &role).refuse(403, "INSUFFICIENT_PERMISSIONS");
    viewer.post("/api/entities/users", &json!({})).refuse(403, "INSUFFICIENT_PERMISSIONS");
    app.nobody().get("/api/entities").refuse(401, "MISSING_API_KEY");
}

#[test]
fn every_type_is_kept_as_it_was_sent_or_refused() {
    let kinds = json!({ "name": "kinds", "models": [], "fields": [
        { "name": "t", "type": "text", "max": 5 }, { "name": "i", "type": "integer" }, { "name": "b", "type": "bigint" },
        { "name": "d", "type": "decimal", "precision": 15, "scale": 4, "filter": true }, { "name": "f", "type": "boolean" },
        { "name": "day", "type": "date", "filter": true }, { "name": "at", "type": "timestamp" },
        { "name": "u", "type": "uuid" }, { "name": "o", "type": "json" }, { "name": "any", "type": "json", "any": true },
        { "name": "e", "type": "enum", "values": ["it's", "on"] },
        { "name": "ts", "type": "text", "array": true, "filter": true },
        { "name": "days", "type": "date", "array": true, "filter": true },
        { "name": "numbers", "type": "integer", "array": true, "filter": true },
        { "name": "sums", "type": "decimal", "precision": 6, "scale": 2, "array": true },
        { "name": "es", "type": "enum", "values": ["a", "b"], "array": true },
    ] });
    let app = serving(&[kinds]);
    let client = app.user().client;
    let row = json!({
        "t": "äöü€x", "i": -2_147_483_648, "b": 9_007_199_254_740_991_i64, "d": 99_999_999_999.123_4, "f": false,
        "day": "2024-02-29", "at": "2026-01-01T00:00:00.123456+00:00", "u": "0192f0c1-2345-7890-abcd-ef0123456789",
        "o": { "a": [1, null] }, "any": [1, "x"], "e": "it's", "ts": ["a", "b, c"], "days": ["2024-02-29"],
        "numbers": [1, 2], "sums": [1.5, 2], "es": ["a"],
    });
    let made = client.post("/api/entities/kinds", &row).expect(201).json();
    for (name, value) in row.as_object().unwrap() {
        match name.as_str() {
            "sums" => assert_eq!(made["sums"].to_string(), "[1.5,2.0]"),
            _ => assert_eq!(made[name], *value, "{name}"),
        }
    }
    let wrong = json!({
        "t": "123456", "i": 2_147_483_648_i64, "b": 9_007_199_254_740_993_i64, "d": 1.23456, "f": "true", "day": "2023-02-29",
        "at": "now", "u": "x", "o": [1], "e": "off", "ts": [1], "days": ["x"], "numbers": [1.5], "sums": [10000], "es": ["c"],
    });
    let refused = client.post("/api/entities/kinds", &wrong).refuse(422, "VALIDATION_ERROR").json();
    assert_eq!(refused["fields"].as_array().unwrap().len(), 15, "{refused}");
    for filter in
        ["d=99999999999.1234", "day__gte=2024-02-29", "ts=b,%20c", "days=2024-02-29", "numbers=2", "d__lt=1e12"]
    {
        let found = client.get(&format!("/api/entities/kinds?{filter}")).expect(200).json();
        assert_eq!(found["data"].as_array().unwrap().len(), 1, "{filter}");
    }
    client.get("/api/entities/kinds?numbers=x").refuse(400, "MALFORMED_REQUEST");
}

#[test]
fn the_document_and_the_types_have_every_entity() {
    let app = collex();
    let document = app.nobody().get("/openapi.json").expect(200).json();
    assert!(document["paths"]["/api/entities/user_sessions/{id}/restore"]["post"].is_object());
    let schemas = &document["components"]["schemas"];
    for name in ["UserEntity", "NewUserEntity", "UserEntityChange", "UserEntityReplacement", "DeletedUserEntity"] {
        assert!(schemas[name]["properties"]["phone_number"].is_object(), "{name}");
    }
    // Those of mainstay's own users are others.
    assert!(schemas["User"]["properties"]["role"].is_object());
    let types = mainstay(&["types"], &[("ENTITIES_PATH", COLLEX)]).text();
    assert!(types.contains("export interface NewUserSessionEntity {"));
    assert!(types.contains("\"POST /api/entities/user_sessions/{id}/restore\""));
}

#[test]
fn what_is_declared_as_a_filter_or_a_sort_has_an_index_that_begins_with_it() {
    let app = collex();
    let mut client = app.database.client();
    let indexes: Vec<String> = client
        .query("SELECT indexdef FROM pg_indexes WHERE schemaname = 'app'", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    for (table, column) in [
        ("users", "status"),
        ("users", "last_name"),
        ("roles", "category"),
        ("roles", "level"),
        ("user_activities", "details"),
        ("user_sessions", "started_at"),
        ("user_sessions", "user_id"),
    ] {
        let is_it =
            |index: &&String| index.contains(&format!(" ON app.{table} ")) && index.contains(&format!(" ({column}"));
        assert!(indexes.iter().any(|index| is_it(&index)), "{table}.{column}: {indexes:#?}");
    }
    // And the ones that Collex's own document lists.
    for index in [
        "ON app.users USING btree (phone_number, status) WHERE (deleted_at IS NULL)",
        "ON app.users USING btree (email, status) WHERE ((email IS NOT NULL) AND (deleted_at IS NULL))",
        "ON app.user_sessions USING btree (user_id, is_active) WHERE (deleted_at IS NULL)",
        "ON app.user_activities USING btree (user_id, activity_type) WHERE (deleted_at IS NULL)",
        "ON app.roles USING btree (category, is_active) WHERE (deleted_at IS NULL)",
        "ON app.permissions USING btree (module, resource) WHERE (deleted_at IS NULL)",
    ] {
        assert!(indexes.iter().any(|known| known.ends_with(index)), "{index}");
    }
}
