//! Notifications: sent by administrators, read and removed by those whom they are for.

use serde_json::{Value, json};

use super::rows;
use crate::support::App;
use crate::support::app::{Somebody, text};

/// Sends a notification, and answers its path.
fn send(admin: &Somebody, user: &Somebody, title: &str) -> String {
    let body = json!({ "user_id": user.id, "type": "executions.failed", "title": title, "data": { "id": 7 } });
    admin.client.post("/api/notifications", &body).expect(201).header("Location").unwrap().to_owned()
}

fn titles(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| text(&row["title"])).collect()
}

#[test]
fn users_see_read_and_remove_their_own_and_nobody_elses() {
    let app = App::start();
    let (admin, one, other) = (app.admin(), app.user(), app.viewer());
    let (first, second) = (send(&admin, &one, "first"), send(&admin, &one, "second"));
    let foreign = send(&admin, &other, "foreign");
    assert_eq!(titles(&rows(&one.client, "/api/notifications?sort=id")), ["first", "second"]);
    assert_eq!(titles(&rows(&other.client, "/api/notifications")), ["foreign"]);
    assert_eq!(rows(&admin.client, "/api/notifications").len(), 3);
    for path in [&foreign, "/api/notifications/0192aaaa-0000-7000-8000-000000000001"] {
        one.client.get(path).refuse(404, "NOT_FOUND");
        one.client.patch(path, &json!({ "read_at": null })).refuse(404, "NOT_FOUND");
        one.client.send("POST", &format!("{path}/read"), None).refuse(404, "NOT_FOUND");
        one.client.delete(path).refuse(404, "NOT_FOUND");
    }
    let patched = one.client.patch(&first, &json!({ "read_at": "2026-01-31T12:00:00Z" })).expect(200);
    assert_eq!(patched.header("ETag"), Some("\"2\""));
    assert_eq!(titles(&rows(&one.client, "/api/notifications?read_at__null=true")), ["second"]);
    one.client.delete(&second).expect(204);
    assert_eq!(titles(&rows(&one.client, "/api/notifications")), ["first"]);
}

#[test]
fn reading_counts_once_and_all_can_be_read_at_once_but_not_for_others() {
    let app = App::start();
    let (admin, user) = (app.admin(), app.user());
    let paths = ["a", "b", "c"].map(|title| send(&admin, &user, title));
    let read = |who: &Somebody, path: &str| who.client.send("POST", path, None);
    let first = read(&user, &format!("{}/read", paths[0])).expect(200).json();
    assert!(first["read_at"].is_string(), "{first}");
    assert_eq!(read(&user, &format!("{}/read", paths[0])).expect(200).json()["read_at"], first["read_at"]);
    read(&admin, &format!("{}/read", paths[1])).refuse(404, "NOT_FOUND");
    assert_eq!(read(&admin, "/api/notifications/read-all").expect(200).json(), json!({ "affected": 0 }));
    assert_eq!(rows(&user.client, "/api/notifications?read_at__null=true").len(), 2);
    let trial = user.client.with("Prefer", "tx=rollback").send("POST", "/api/notifications/read-all", None);
    assert_eq!(trial.expect(200).json(), json!({ "affected": 2 }));
    assert_eq!(read(&user, "/api/notifications/read-all").expect(200).json(), json!({ "affected": 2 }));
    assert_eq!(read(&user, "/api/notifications/read-all").expect(200).json(), json!({ "affected": 0 }));
}

#[test]
fn only_administrators_send_and_nobody_changes_what_was_said() {
    let app = App::start();
    let (admin, user) = (app.admin(), app.user());
    let body = json!({ "user_id": user.id, "type": "a", "title": "t" });
    user.client.post("/api/notifications", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
    let path = send(&admin, &user, "as it was");
    for change in [json!({ "title": "x" }), json!({ "user_id": admin.id }), json!({ "data": {} })] {
        user.client.patch(&path, &change).refuse(422, "VALIDATION_ERROR");
    }
    let wrong = |name: &str, value: Value, status: u16, code: &str| {
        let mut body = body.clone();
        body[name] = value;
        let refused = admin.client.post("/api/notifications", &body).refuse(status, code).json();
        assert_eq!(refused["fields"][0]["field"], name, "{refused}");
    };
    wrong("user_id", json!("0192aaaa-0000-7000-8000-000000000001"), 409, "CONFLICT");
    wrong("type", json!("Not a type"), 422, "VALIDATION_ERROR");
    wrong("title", json!(""), 422, "VALIDATION_ERROR");
    wrong("body", json!("x".repeat(10_001)), 422, "VALIDATION_ERROR");
}

#[test]
fn what_has_expired_is_gone() {
    let app = App::start();
    let (admin, user) = (app.admin(), app.user());
    let mut body = json!({ "user_id": user.id, "type": "a", "title": "old", "expires_at": "2020-01-01T00:00:00Z" });
    admin.client.post("/api/notifications", &body).expect(201);
    body["expires_at"] = json!("2100-01-01T00:00:00Z");
    body["title"] = json!("new");
    admin.client.post("/api/notifications", &body).expect(201);
    assert_eq!(titles(&rows(&user.client, "/api/notifications")), ["new"]);
    admin.client.delete(&format!("/api/users/{}", user.id)).expect(204);
    assert_eq!(rows(&admin.client, "/api/notifications"), [] as [Value; 0]);
}
