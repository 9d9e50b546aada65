//! Settings, and those of them that are secret.

use serde_json::{Value, json};

use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;

fn path(made: &Value) -> String {
    format!("/api/settings/{}", text(&made["id"]))
}

/// What of a setting is in the database.
fn kept(app: &App) -> String {
    let mut client = app.database.client();
    let rows = "SELECT (SELECT string_agg(to_jsonb(s)::text, ' ') FROM ops.settings AS s)
        || (SELECT coalesce(string_agg(to_jsonb(a)::text, ' '), '') FROM telemetry.audit_logs AS a)
        || (SELECT coalesce(string_agg(to_jsonb(k)::text, ' '), '') FROM ops.idempotency_keys AS k)";
    client.query_one(rows, &[]).unwrap().get(0)
}

fn reveal(client: &Client, path: &str) -> Value {
    client.post(&format!("{path}/reveal"), &json!({})).expect(200).json()["value"].clone()
}

#[test]
fn a_secret_setting_is_sealed_and_shown_to_whoever_asks_for_it_which_is_told() {
    let app = App::start();
    let admin = app.admin().client;
    let body = json!({ "key": "mail.password", "value": { "now": "hunter2" }, "secret": true });
    let made = admin.with("Idempotency-Key", "once").post("/api/settings", &body).expect(201).json();
    assert_eq!((&made["value"], &made["secret"]), (&json!(null), &json!(true)));
    let path = path(&made);
    assert_eq!(admin.get(&path).expect(200).json()["value"], json!(null));
    assert_eq!(reveal(&admin, &path), json!({ "now": "hunter2" }));
    // Another value, with the mark and without it.
    admin.patch(&path, &json!({ "value": "hunter3" })).expect(200);
    assert_eq!(reveal(&admin, &path), "hunter3");
    admin.patch(&path, &json!({ "value": "hunter4", "secret": true })).expect(200);
    admin.patch(&path, &json!({ "description": "of the mail server", "secret": true })).expect(200);
    admin.patch(&path, &json!({ "secret": false })).expect(200);
    assert_eq!(reveal(&admin, &path), "hunter4");
    admin.put(&path, &json!({ "key": "mail.password", "value": "hunter5", "secret": true })).expect(200);
    assert_eq!(reveal(&admin, &path), "hunter5");
    assert!(!kept(&app).contains("hunter"), "{}", kept(&app));
    let told = admin.get("/api/audit-logs?action=settings.reveal").expect(200).json();
    assert_eq!(told["data"].as_array().map(Vec::len), Some(4));
    let trial = admin.with("Prefer", "tx=rollback");
    trial.post(&format!("{path}/reveal"), &json!({})).refuse(400, "MALFORMED_REQUEST");
    let batch = json!({ "operations": [{ "method": "POST", "path": format!("{path}/reveal"), "body": {} }] });
    assert!(admin.post("/api/batch", &batch).status >= 400);
    app.user().client.post(&format!("{path}/reveal"), &json!({})).refuse(403, "INSUFFICIENT_PERMISSIONS");
    // With another value it may be open again.
    let open = admin.patch(&path, &json!({ "value": "open", "secret": false })).expect(200).json();
    assert_eq!((&open["value"], &open["secret"]), (&json!("open"), &json!(false)));
    assert_eq!(reveal(&admin, &path), "open");
}

#[test]
fn what_was_open_becomes_secret_with_another_value_and_one_by_one() {
    let app = App::start();
    let admin = app.admin().client;
    let made = |key: &str, is_secret: bool| {
        let body = json!({ "key": key, "value": key, "secret": is_secret });
        path(&admin.post("/api/settings", &body).expect(201).json())
    };
    let (open, secret) = (made("one.open", false), made("one.secret", true));
    let refused = admin.patch(&open, &json!({ "secret": true })).refuse(422, "VALIDATION_ERROR").json();
    assert_eq!(refused["fields"][0]["field"], "value");
    admin
        .patch("/api/settings?key__contains=one", &json!({ "value": 1, "secret": true }))
        .refuse(422, "VALIDATION_ERROR");
    admin.patch("/api/settings?key__contains=one", &json!({ "value": 1 })).refuse(422, "VALIDATION_ERROR");
    admin.patch("/api/settings?key=one.open", &json!({ "value": 1 })).expect(200);
    assert_eq!((reveal(&admin, &open), reveal(&admin, &secret)), (json!(1), json!("one.secret")));
}

#[test]
fn a_sealed_value_opens_in_its_own_setting_alone_and_with_the_next_key_too() {
    const KEYS: [&str; 2] = ["an encryption key of enough characters", "another encryption key of enough characters"];
    let mut app = App::start_with(&[("ENCRYPTION_KEY", KEYS[0])]);
    let admin = app.admin();
    let made = |key: &str| {
        let body = json!({ "key": key, "value": key, "secret": true });
        path(&admin.client.post("/api/settings", &body).expect(201).json())
    };
    let (one, two) = (made("one"), made("two"));
    app.set(&[("ENCRYPTION_KEY", KEYS[1]), ("ENCRYPTION_KEY_PREVIOUS", KEYS[0])]);
    app.restart();
    app.wait_until_ready();
    let client = Client::new(app.address()).with("X-API-Key", &admin.key);
    assert_eq!(client.get(&one).json()["version"], 1, "to seal again changes nothing");
    app.set(&[("ENCRYPTION_KEY", KEYS[1]), ("ENCRYPTION_KEY_PREVIOUS", "")]);
    app.restart();
    app.wait_until_ready();
    let client = Client::new(app.address()).with("X-API-Key", &admin.key);
    assert_eq!((reveal(&client, &one), reveal(&client, &two)), (json!("one"), json!("two")));
    let copy = "UPDATE ops.settings AS s SET value_sealed = o.value_sealed FROM ops.settings AS o WHERE s.key = 'two' AND o.key = 'one'";
    app.database.client().batch_execute(copy).unwrap();
    client.post(&format!("{two}/reveal"), &json!({})).refuse(500, "INTERNAL_ERROR");
}
