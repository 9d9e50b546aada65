//! Secrets in the environment of a service: taken, sealed, kept, and read only by those who may change it.

use std::thread;
use std::time::Duration;

use mainstay::config::{Config, Variables};
use mainstay::secret::{Keys, Place};
use serde_json::{Value, json};

use super::{project, team};
use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;
use crate::support::sealing::{KEYS, change_keys, is_refused_without_its_key};
use crate::support::wait::wait_for;

fn secret(value: &str) -> Value {
    json!({ "secret": true, "value": value })
}

#[test]
fn secrets_are_sealed_and_shown_to_nobody_who_does_not_ask_for_them() {
    let app = App::start();
    let user = app.user();
    let body = json!({ "name": "Pay", "environment_vars": { "MODE": "test", "TOKEN": secret("hunter2"), "OTHER": secret("") } });
    let made = user.client.post("/api/services", &body).expect(201).json();
    let marks = json!({ "MODE": "test", "TOKEN": { "secret": true }, "OTHER": { "secret": true } });
    assert_eq!(made["environment_vars"], marks);
    let path = format!("/api/services/{}", text(&made["id"]));
    assert_eq!(user.client.get(&path).json()["environment_vars"], marks);
    let revealed = user.client.post(&format!("{path}/reveal"), &json!({})).expect(200).json();
    assert_eq!(revealed, json!({ "environment_vars": { "MODE": "test", "TOKEN": "hunter2", "OTHER": "" } }));
    // Sent back as it was shown, a secret stays; one that is left out is gone; one with a value is another.
    let change = json!({ "environment_vars": { "TOKEN": { "secret": true }, "NEW": secret("new") } });
    user.client.patch(&path, &change).expect(200);
    user.client.patch(&path, &json!({ "port": 80 })).expect(200);
    let revealed = user.client.post(&format!("{path}/reveal"), &json!({})).expect(200).json();
    assert_eq!(revealed, json!({ "environment_vars": { "TOKEN": "hunter2", "NEW": "new" } }));
    let mut client = app.database.client();
    for table in ["devx.services", "telemetry.audit_logs", "devx.activity"] {
        let found = format!("SELECT count(*) FROM {table} AS t WHERE to_jsonb(t)::text LIKE '%hunter2%'");
        assert_eq!(client.query_one(&found, &[]).unwrap().get::<_, i64>(0), 0, "{table}");
    }
    let told = user.client.get("/api/activity?sort=-id&verb=revealed&limit=1").json();
    assert_eq!(told["data"][0]["summary"], "USER read the secrets of the service Pay");
}

#[test]
fn reading_secrets_leaves_a_row_in_the_audit_and_is_neither_tried_nor_a_part_of_a_batch() {
    let app = App::start();
    let user = app.user();
    let body = json!({ "name": "Pay", "environment_vars": { "TOKEN": secret("hunter2") } });
    let id = text(&user.client.post("/api/services", &body).expect(201).json()["id"]);
    let path = format!("/api/services/{id}/reveal");
    let trial = user.client.with("Prefer", "tx=rollback");
    trial.post(&path, &json!({})).refuse(400, "MALFORMED_REQUEST");
    let batch = json!({ "operations": [{ "method": "POST", "path": path, "body": {} }] });
    for client in [&user.client, &trial] {
        client.post("/api/batch", &batch).refuse(422, "VALIDATION_ERROR");
    }
    let audit = format!("/api/audit-logs?resource_id={id}&action=services.reveal");
    let admin = app.admin().client;
    assert_eq!(admin.get(&audit).expect(200).json()["data"], json!([]));
    let shown = user.client.with("X-Request-Id", "who-asked").post(&path, &json!({})).expect(200);
    assert!(shown.text().contains("hunter2"));
    let told = admin.get(&audit).expect(200).json()["data"].clone();
    assert_eq!((told.as_array().unwrap().len(), &told[0]["user_id"]), (1, &json!(user.id)));
    assert_eq!((&told[0]["request_id"], &told[0]["ip_address"]), (&json!("who-asked"), &json!("127.0.0.1")));
}

#[test]
fn only_those_who_may_change_a_service_read_its_secrets() {
    let app = App::start();
    let (owner, member, looker, stranger) = (app.user(), app.user(), app.user(), app.user());
    let team = team(&owner, &[(&member, "MEMBER"), (&looker, "VIEWER")]);
    let shop = project(&owner.client, "Shop");
    let shop_path = format!("/api/projects/{}", text(&shop["id"]));
    owner.client.patch(&shop_path, &json!({ "team_id": team["id"] })).expect(200);
    let body = json!({ "name": "Pay", "project_id": shop["id"], "environment_vars": { "T": secret("x") } });
    let made = owner.client.post("/api/services", &body).expect(201).json();
    let path = format!("/api/services/{}", text(&made["id"]));
    for (who, status) in [(&owner, 200), (&member, 200), (&looker, 404), (&stranger, 404), (&app.viewer(), 403)] {
        assert_eq!(who.client.post(&format!("{path}/reveal"), &json!({})).status, status, "{}", who.email);
    }
    looker.client.get(&path).expect(200);
}

#[test]
fn what_is_no_environment_is_refused_name_by_name() {
    let app = App::start();
    let user = app.user().client;
    let made = user.post("/api/services", &json!({ "name": "Pay" })).expect(201).json();
    let path = format!("/api/services/{}", text(&made["id"]));
    let wrong = json!({
        "1ST": "a", "A B": "a", "": "a", "NUMBER": 7, "LONG": "x".repeat(32_769), "MORE": { "secret": true, "value": 7 },
        "LESS": { "secret": false }, "EXTRA": { "secret": true, "value": "a", "b": 1 }, "GOOD": "a",
    });
    let refusal = user.patch(&path, &json!({ "environment_vars": wrong })).refuse(422, "VALIDATION_ERROR").json();
    assert_eq!(refusal["fields"].as_array().map(Vec::len), Some(8), "{refusal}");
    let nothing = json!({ "environment_vars": { "A": { "secret": true } } });
    user.patch(&path, &nothing).refuse(422, "VALIDATION_ERROR");
    user.post("/api/services", &json!({ "name": "B", "environment_vars": nothing["environment_vars"] })).expect(422);
    let many = json!({ "environment_vars": { "A": secret("x") } });
    user.patch("/api/services?name=Pay", &many).refuse(422, "VALIDATION_ERROR");
    user.patch(&path, &json!({ "environment_secrets": {} })).refuse(422, "VALIDATION_ERROR");
}

#[test]
fn a_secret_that_is_copied_to_another_service_does_not_open_there() {
    let app = App::start();
    let user = app.user().client;
    let make = |name: &str, value: &str| {
        let body = json!({ "name": name, "environment_vars": { "T": secret(value) } });
        format!("/api/services/{}/reveal", text(&user.post("/api/services", &body).expect(201).json()["id"]))
    };
    let (one, two) = (make("One", "first"), make("Two", "second"));
    let copy = "UPDATE devx.services SET environment_secrets = (SELECT environment_secrets FROM devx.services WHERE name = 'One')";
    app.database.client().batch_execute(copy).unwrap();
    user.post(&one, &json!({})).expect(200);
    user.post(&two, &json!({})).refuse(500, "INTERNAL_ERROR");
}

#[test]
fn with_another_key_all_secrets_are_sealed_again_and_without_the_right_one_no_server_is_ready() {
    let mut app = App::start_with(&[("ENCRYPTION_KEY", KEYS[0])]);
    let user = app.user();
    let many: serde_json::Map<String, Value> =
        (0..250).map(|n| (format!("S{n}"), secret(&format!("value {n}")))).collect();
    let services: Vec<String> = ["one", "two"]
        .map(|name| {
            user.client.post("/api/services", &json!({ "name": name, "environment_vars": many })).expect(201).json()
        })
        .map(|made| text(&made["id"]))
        .to_vec();
    change_keys(&mut app);
    let client = Client::new(app.address()).with("X-API-Key", &user.key);
    for service in services {
        let revealed = client.post(&format!("/api/services/{service}/reveal"), &json!({})).expect(200).json();
        for n in 0..250 {
            assert_eq!(revealed["environment_vars"][format!("S{n}")], format!("value {n}"));
        }
    }
    is_refused_without_its_key(app);
}

#[test]
fn a_secret_that_changes_while_it_is_sealed_again_stays_changed() {
    let mut app = App::start_with(&[("ENCRYPTION_KEY", KEYS[0])]);
    let user = app.user();
    let body = json!({ "name": "Pay", "environment_vars": { "T": secret("old") } });
    let id = text(&user.client.post("/api/services", &body).expect(201).json()["id"]);
    // Another server, which has the new key already, changes it, and is not done yet.
    let config = Config::from(&Variables::of([("ENCRYPTION_KEY", KEYS[1])]), |path| std::fs::read_to_string(path));
    let row = id.parse().unwrap();
    let place = Place { table: "devx.services", column: "environment_secrets", row };
    let sealed = Keys::configured(&config.unwrap()).unwrap().reseal(place, b"T=new").unwrap();
    let (mut client, mut watching) = (app.database.client(), app.database.client());
    let mut change = client.transaction().unwrap();
    let sql = "UPDATE devx.services SET environment_secrets = \
        jsonb_build_object('T', jsonb_build_object('text', $1::text, 'key_id', $2::text)) WHERE id = $3";
    change.execute(sql, &[&sealed.text, &sealed.key_id, &row]).unwrap();
    app.set(&[("ENCRYPTION_KEY", KEYS[1]), ("ENCRYPTION_KEY_PREVIOUS", KEYS[0])]);
    thread::scope(|scope| {
        let restarting = scope.spawn(|| app.restart());
        wait_for("the secret is to be sealed again", Duration::from_secs(60), || {
            let waiting =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            (watching.query_one(waiting, &[]).unwrap().get::<_, i64>(0) > 0).then_some(())
        });
        change.commit().unwrap();
        restarting.join().unwrap();
    });
    let client = Client::new(app.address()).with("X-API-Key", &user.key);
    let revealed = client.post(&format!("/api/services/{id}/reveal"), &json!({})).expect(200).json();
    assert_eq!(revealed["environment_vars"]["T"], "new");
}
