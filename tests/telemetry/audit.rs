//! The audit of what comes through the API.

use std::time::Duration;

use serde_json::json;

use super::{actions, audit};
use crate::support::App;
use crate::support::app::text;
use crate::support::wait::wait_for;

#[test]
fn what_is_made_changed_and_deleted_is_recorded_once_with_who_and_whence_and_what_it_was() {
    let app = App::start();
    let admin = app.admin();
    let named = |name: &str| admin.client.with("X-Request-Id", name).with("User-Agent", "gateway/1.0");
    let body = json!({ "key": "theme", "value": 1, "description": "before" });
    let made = named("made").post("/api/settings", &body).expect(201);
    let (path, id) = (made.header("Location").unwrap().to_owned(), text(&made.json()["id"]));
    named("changed").patch(&path, &json!({ "description": "after", "value": 1 })).expect(200);
    named("deleted").delete(&path).expect(204);
    let history = audit(&admin.client, &format!("resource_type=settings&resource_id={id}"));
    assert_eq!(actions(&history), ["settings.create", "settings.update", "settings.delete"]);
    let key =
        &app.database.client().query_one("SELECT id FROM identity.api_keys", &[]).unwrap().get::<_, uuid::Uuid>(0);
    for (row, request) in history.iter().zip(["made", "changed", "deleted"]) {
        assert_eq!(row["user_id"], admin.id.as_str());
        assert_eq!(row["api_key_id"], json!(key));
        assert_eq!(row["request_id"], request);
        assert_eq!(row["ip_address"], "127.0.0.1");
        assert_eq!(row["user_agent"], "gateway/1.0");
        assert_eq!(row["database_user"], "postgres");
    }
    assert_eq!(history[0]["changes"]["description"], json!([null, "before"]));
    assert_eq!(history[0]["changes"]["id"], json!([null, id]));
    assert_eq!(history[1]["changes"], json!({ "description": ["before", "after"] }), "nothing but what has changed");
    assert_eq!(history[2]["changes"]["description"], json!(["after", null]));
    assert!(history[0]["changes"].get("version").is_none(), "bookkeeping is no change");
}

#[test]
fn one_row_of_the_audit_is_read_by_its_id_and_none_is_ever_written() {
    let app = App::start();
    let admin = app.admin().client;
    let rows = audit(&admin, "");
    let path = format!("/api/audit-logs/{}", text(&rows[0]["id"]));
    let one = admin.get(&path).expect(200);
    assert_eq!(one.json(), rows[0]);
    assert_eq!(one.header("ETag"), None, "what never changes has no version");
    admin.patch(&path, &json!({})).refuse(405, "METHOD_NOT_ALLOWED");
    admin.delete(&path).refuse(405, "METHOD_NOT_ALLOWED");
    admin.post("/api/audit-logs", &json!({})).refuse(405, "METHOD_NOT_ALLOWED");
    admin.get("/api/audit-logs/0192aaaa-0000-7000-8000-000000000001").refuse(404, "NOT_FOUND");
}

#[test]
fn only_administrators_with_the_permission_read_it() {
    let app = App::start();
    app.nobody().get("/api/audit-logs").refuse(401, "MISSING_API_KEY");
    app.user().client.get("/api/audit-logs").refuse(403, "INSUFFICIENT_PERMISSIONS");
    app.somebody("ADMIN", &["read:users"]).client.get("/api/audit-logs").refuse(403, "INSUFFICIENT_PERMISSIONS");
    app.somebody("ADMIN", &["read:audit-logs"]).client.get("/api/audit-logs").expect(200);
}

#[test]
fn a_trial_a_refusal_and_a_failed_batch_leave_nothing() {
    let app = App::start();
    let admin = app.admin().client;
    admin.post("/api/settings", &json!({ "key": "taken", "value": 1 })).expect(201);
    let before = audit(&admin, "").len();
    let setting = json!({ "key": "new", "value": 1 });
    admin.with("Prefer", "tx=rollback").post("/api/settings", &setting).expect(201);
    admin.post("/api/settings", &json!({ "key": "taken", "value": 1 })).refuse(409, "CONFLICT");
    let operations = json!({ "operations": [
        { "method": "POST", "path": "/api/settings", "body": setting },
        { "method": "POST", "path": "/api/settings", "body": { "key": "taken", "value": 1 } },
    ] });
    admin.post("/api/batch", &operations).refuse(409, "CONFLICT");
    assert_eq!(audit(&admin, "").len(), before);
}

#[test]
fn changes_in_bulk_and_in_a_batch_are_recorded_row_by_row() {
    let app = App::start();
    let admin = app.admin().client;
    let make = |index: usize| {
        let body = json!({ "key": format!("many{index}"), "value": 1 });
        json!({ "method": "POST", "path": "/api/settings", "body": body })
    };
    let operations = json!({ "operations": (0..20).map(make).collect::<Vec<_>>() });
    admin.with("X-Request-Id", "batch").post("/api/batch", &operations).expect(200);
    assert_eq!(actions(&audit(&admin, "request_id=batch")), ["settings.create"; 20]);
    let changed = admin.with("X-Request-Id", "bulk").patch("/api/settings?key__contains=many", &json!({ "value": 2 }));
    assert_eq!(changed.expect(200).json(), json!({ "affected": 20 }));
    let rows = audit(&admin, "request_id=bulk");
    assert_eq!(actions(&rows), ["settings.update"; 20]);
    assert!(rows.iter().all(|row| row["changes"] == json!({ "value": [1, 2] })));
    let ids: std::collections::BTreeSet<String> = rows.iter().map(|row| text(&row["resource_id"])).collect();
    assert_eq!(ids.len(), 20);
    admin.with("X-Request-Id", "gone").delete("/api/settings?key__contains=many").expect(200);
    assert_eq!(actions(&audit(&admin, "request_id=gone")), ["settings.delete"; 20]);
}

#[test]
fn users_are_named_whether_they_show_a_key_or_a_token_and_so_is_what_a_change_brings_with_it() {
    let app = App::start();
    let admin = app.admin().client;
    let user = app.logged_in("USER");
    let team = user.client.with("X-Request-Id", "team").post("/api/teams", &json!({ "name": "A", "slug": "a" }));
    let team = text(&team.expect(201).json()["id"]);
    let rows = audit(&admin, "request_id=team");
    assert_eq!(actions(&rows), ["team_members.create", "teams.create"], "a trigger made the creator its owner");
    assert!(rows.iter().all(|row| row["user_id"] == user.id.as_str() && row["api_key_id"].is_null()));
    assert_eq!(rows[0]["changes"]["team_id"], json!([null, team]));
    admin.with("X-Request-Id", "gone").delete(&format!("/api/users/{}", user.id)).expect(204);
    let gone = audit(&admin, "request_id=gone");
    let mut gone = actions(&gone);
    gone.sort_unstable();
    assert_eq!(gone, ["team_members.delete", "teams.update", "users.delete"]);
    assert_eq!(audit(&admin, &format!("user_id={}", user.id)).len(), 2, "history outlives its users");
}

#[test]
fn logins_and_calls_are_no_changes_but_that_an_account_is_locked_is() {
    let app = App::start();
    let admin = app.admin().client;
    let user = app.logged_in("USER");
    user.client.get("/api/auth/me").expect(200);
    let about_user = format!("resource_type=users&resource_id={}&action=users.update", user.id);
    assert_eq!(audit(&admin, &about_user), [] as [serde_json::Value; 0]);
    for _ in 0..5 {
        app.nobody().post("/api/auth/login", &json!({ "email": user.email, "password": "wrong password" }));
    }
    // Wrong passwords are counted when they have been answered.
    let rows = wait_for("the account is locked", Duration::from_secs(30), || {
        let rows = audit(&admin, &about_user);
        (!rows.is_empty()).then_some(rows)
    });
    assert_eq!(rows.len(), 1, "{rows:?}");
    let columns: Vec<&String> = rows[0]["changes"].as_object().unwrap().keys().collect();
    assert_eq!(columns, ["locked_until"]);
    assert_eq!(audit(&admin, "resource_type=api_keys&action=api_keys.update"), [] as [serde_json::Value; 0]);
}

#[test]
fn the_audit_is_filtered_by_who_what_and_when() {
    let app = App::start();
    let (one, other) = (app.admin(), app.admin());
    one.client.post("/api/settings", &json!({ "key": "one", "value": 1 })).expect(201);
    let moment = app.database.client().query_one("SELECT to_json(clock_timestamp())::text", &[]).unwrap();
    let moment = moment.get::<_, String>(0).trim_matches('"').replace('+', "%2B");
    let made = other.client.with("X-Request-Id", "second").post("/api/settings", &json!({ "key": "two", "value": 2 }));
    let id = text(&made.expect(201).json()["id"]);
    let key = audit(&one.client, &format!("user_id={}", other.id))[0]["api_key_id"].clone();
    let expect = |query: &str, keys: &[&str]| {
        let rows = audit(&one.client, &format!("resource_type=settings&{query}"));
        let found: Vec<String> = rows.iter().map(|row| text(&row["changes"]["key"][1])).collect();
        assert_eq!(found, keys, "{query}");
    };
    expect("", &["one", "two"]);
    expect(&format!("user_id={}", one.id), &["one"]);
    expect(&format!("user_id={}", other.id), &["two"]);
    expect(&format!("api_key_id={}", text(&key)), &["two"]);
    expect(&format!("resource_id={id}"), &["two"]);
    expect("request_id=second", &["two"]);
    expect("action=settings.create", &["one", "two"]);
    expect("action=settings.delete", &[]);
    expect("ip_address=127.0.0.1", &["one", "two"]);
    expect("ip_address=10.0.0.1", &[]);
    expect(&format!("created_at__lt={moment}"), &["one"]);
    expect(&format!("created_at__gte={moment}"), &["two"]);
    one.client.get("/api/audit-logs?changes=1").refuse(400, "MALFORMED_REQUEST");
    one.client.get("/api/audit-logs?sort=updated_at").refuse(400, "MALFORMED_REQUEST");
}
