//! The resource: what is taken, what is refused, and what is never shown.

use serde_json::{Value, json};

use super::{Receiver, read, start, webhook};
use crate::support::App;
use crate::support::app::text;

fn fields(answer: &Value) -> Vec<&str> {
    answer["fields"].as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap()).collect()
}

#[test]
fn a_webhook_shows_its_secret_once_and_never_again_nor_in_the_audit() {
    let (app, receiver) = (start(), Receiver::start());
    let admin = app.admin();
    let headers = json!({ "headers": { "Authorization": "Bearer of-the-receiver" } });
    let made = webhook(&admin.client, &receiver, &["routes.*"], headers);
    let secret = text(&made["secret"]);
    assert!(secret.starts_with("whsec_"), "{made}");
    let list = admin.client.get("/api/webhooks").expect(200);
    assert!(!list.text().contains(&secret[6..]), "{}", list.text());
    assert_eq!(read(&admin.client, &made).get("secret"), None);
    let audit = admin.client.get("/api/audit-logs?resource_type=webhooks").expect(200);
    assert_eq!(audit.json()["data"][0]["action"], "webhooks.create");
    for hidden in [&secret[6..], "of-the-receiver"] {
        assert!(!audit.text().contains(hidden), "{}", audit.text());
    }
    let mut client = app.database.client();
    let row = client.query_one("SELECT to_jsonb(w)::text FROM gateway.webhooks AS w", &[]).unwrap();
    assert!(!row.get::<_, &str>(0).contains(&secret[6..]));
}

#[test]
fn the_first_reply_is_given_again_for_an_idempotency_key_without_the_secret() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client.with("Idempotency-Key", "one");
    let body = json!({ "name": "once", "url": receiver.url(), "events": ["*"] });
    let first = client.post("/api/webhooks", &body).expect(201).json();
    let second = client.post("/api/webhooks", &body).expect(201).json();
    assert_eq!(first["id"], second["id"]);
    assert!(first["secret"].is_string() && second["secret"].is_null(), "{second}");
}

#[test]
fn everything_wrong_with_a_webhook_is_told_at_once() {
    let app = start();
    let body = json!({
        "name": " padded ", "url": "ftp://example.org", "events": ["Routes.*", "a..b"], "headers": { "Host": "x", "X-Ok": "a\nb" },
        "retry_config": { "schedule": [0] }, "ordered": "yes", "surprise": 1,
    });
    let answer = app.admin().client.post("/api/webhooks", &body).refuse(422, "VALIDATION_ERROR").json();
    let fields = fields(&answer);
    for field in ["name", "url", "events[0]", "events[1]", "retry_config.schedule[0]", "ordered", "surprise"] {
        assert!(fields.contains(&field), "{field} is not among {fields:?}");
    }
    assert!(fields.iter().any(|field| field.starts_with("headers")), "{fields:?}");
}

#[test]
fn a_secret_may_be_given_if_it_is_one() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let made = webhook(&client, &receiver, &["*"], json!({ "secret": given }));
    assert_eq!(made["secret"], given);
    for wrong in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!", "whsec_", ""] {
        let body = json!({ "name": "b", "url": receiver.url(), "events": ["*"], "secret": wrong });
        let answer = client.post("/api/webhooks", &body).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(fields(&answer), ["secret"], "{wrong}");
    }
}

#[test]
fn two_webhooks_may_share_a_name_or_a_url_but_not_both() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let body =
        |name: &str, path: &str| json!({ "name": name, "url": format!("{}{path}", receiver.url()), "events": ["*"] });
    client.post("/api/webhooks", &body("one", "/a")).expect(201);
    client.post("/api/webhooks", &body("one", "/b")).expect(201);
    client.post("/api/webhooks", &body("two", "/a")).expect(201);
    client.post("/api/webhooks", &body("one", "/a")).refuse(409, "CONFLICT");
}

#[test]
fn only_administrators_read_and_make_webhooks_and_their_keys_may_be_confined() {
    let (app, receiver) = (start(), Receiver::start());
    let body = json!({ "name": "mine", "url": receiver.url(), "events": ["*"] });
    for client in [app.user().client, app.viewer().client] {
        client.get("/api/webhooks").refuse(403, "INSUFFICIENT_PERMISSIONS");
        client.get("/api/webhook-events").refuse(403, "INSUFFICIENT_PERMISSIONS");
        client.get("/api/webhook-deliveries").refuse(403, "INSUFFICIENT_PERMISSIONS");
        client.post("/api/webhooks", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
        client.post("/api/webhook-events", &json!({})).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    let reporter = app.somebody("ADMIN", &["write:webhook-events"]).client;
    let event = json!({ "type": "invoices.paid", "source": "billing", "payload": {} });
    reporter.post("/api/webhook-events", &event).expect(201);
    reporter.get("/api/webhooks").refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn what_deliveries_note_is_no_new_version_and_what_people_change_is() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.*"], json!({}));
    super::make_team(&client, "one");
    super::delivery_in(&client, &made, "SUCCEEDED");
    let now = read(&client, &made);
    assert_eq!(now["version"], 1, "{now}");
    assert_eq!(now["last_status"], 200);
    assert!(now["last_triggered_at"].is_string(), "{now}");
    let path = format!("/api/webhooks/{}", text(&made["id"]));
    let off = client.with("If-Match", "\"1\"").patch(&path, &json!({ "enabled": false })).expect(200).json();
    assert_eq!(off["version"], 2);
    assert!(off["disabled_at"].is_string() && off["disabled_reason"].is_null(), "{off}");
    let on = client.patch(&path, &json!({ "enabled": true })).expect(200).json();
    assert!(on["disabled_at"].is_null(), "{on}");
}

#[test]
fn statistics_say_what_became_of_deliveries_and_what_waits() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    for slug in ["one", "two", "three"] {
        super::make_team(&client, slug);
    }
    receiver.wait_for(3);
    let path = format!("/api/webhooks/{}/statistics", text(&made["id"]));
    let statistics = crate::support::wait::wait_for("three have succeeded", super::PATIENCE, || {
        Some(client.get(&path).expect(200).json()).filter(|statistics| statistics["succeeded"] == 3)
    });
    assert_eq!(statistics["deliveries"], 3);
    assert_eq!(statistics["attempts_per_success"], 1.0);
    assert_eq!(statistics["pending"], 0);
    assert!(statistics["response_ms_95"].is_i64(), "{statistics}");
    client.get(&format!("{path}?hours=0")).refuse(400, "MALFORMED_REQUEST");
    client.get(&format!("{path}?days=1")).refuse(400, "MALFORMED_REQUEST");
    client.get(&format!("/api/webhooks/{}/statistics", uuid::Uuid::now_v7())).refuse(404, "NOT_FOUND");
}

#[test]
fn by_default_nothing_is_sent_without_encryption_nor_to_this_machine() {
    let app = App::start();
    let client = app.admin().client;
    let urls = ["http://example.org/", "https://127.0.0.1/", "https://localhost:8443/", "https://[::1]/"];
    for url in urls {
        let body = json!({ "name": "inside", "url": url, "events": ["*"] });
        let answer = client.post("/api/webhooks", &body).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(fields(&answer), ["url"], "{url}");
    }
}

#[test]
fn the_types_of_events_are_listed_and_each_of_them_is_told() {
    let app = start();
    let admin = app.admin().client;
    let types = admin.get("/api/event-types").expect(200).json();
    let types: Vec<&str> = types["data"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    for wanted in ["routes.created", "routes.updated", "routes.deleted", "teams.created", "templates.updated"] {
        assert!(types.contains(&wanted), "{wanted} of {types:?}");
    }
    let webhook =
        json!({ "name": "all", "url": "http://127.0.0.1:9/", "events": types.iter().take(100).collect::<Vec<_>>() });
    admin.post("/api/webhooks", &webhook).expect(201);
    app.somebody("ADMIN", &["read:teams"]).client.get("/api/event-types").refuse(403, "INSUFFICIENT_PERMISSIONS");
}
