//! Webhooks in a configuration.

use serde_json::{Value, json};

use super::{apply, faults};
use crate::support::App;
use crate::support::binary::mainstay;

fn hook(name: &str, url: &str) -> Value {
    json!({ "name": name, "url": url, "events": ["routes.*"] })
}

fn hooks(webhooks: &[Value]) -> Value {
    json!({ "routes": [], "webhooks": webhooks })
}

#[test]
fn webhooks_are_made_with_a_secret_that_is_shown_once_changed_deleted_and_brought_back() {
    let app = App::start();
    let client = app.admin().client;
    let mut one = hook("one", "https://example.org/one");
    let given = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    one["secret"] = json!(given);
    let two = hook("two", "https://example.org/two");
    let keyed = client.with("Idempotency-Key", "once");
    let first = apply(&keyed, &hooks(&[one.clone(), two.clone()]));
    assert_eq!(first["secrets"]["one"], given);
    assert!(first["secrets"]["two"].as_str().unwrap().starts_with("whsec_"), "{first}");
    assert_eq!(apply(&keyed, &hooks(&[one.clone(), two]))["secrets"], json!({}), "it is shown once");
    one["enabled"] = json!(false);
    let second = apply(&client, &hooks(&[one]));
    assert_eq!(second["webhooks"]["update"], json!([{ "name": "one", "fields": { "enabled": [true, false] } }]));
    assert_eq!(second["webhooks"]["delete"][0]["name"], "two");
    let page = client.get("/api/webhooks").expect(200).json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["data"][0]["enabled"]), (1, &json!(false)));
    let back = client.post("/api/gateway/rollback", &json!({ "revision": 1 })).expect(200).json();
    assert_eq!(back["summary"]["webhooks"], json!({ "created": 1, "updated": 1, "deleted": 0, "unchanged": 0 }));
    let diff = client.get("/api/gateway/diff?from=1").expect(200).json();
    assert_eq!(diff["webhooks"]["unchanged"], 2);
    // A file that says nothing of webhooks leaves them alone.
    apply(&client, &json!({ "routes": [] }));
    assert_eq!(client.get("/api/webhooks").expect(200).json()["data"].as_array().unwrap().len(), 2);
    let kept =
        "SELECT string_agg(snapshot::text, '') || (SELECT string_agg(changes::text, '') FROM telemetry.audit_logs)
        FROM gateway.revisions";
    let kept: String = app.database.client().query_one(kept, &[]).unwrap().get(0);
    assert!(!kept.contains("whsec_") && kept.contains("https://example.org/one"));
}

#[test]
fn webhooks_in_a_configuration_are_administrators_business() {
    let app = App::start();
    let (admin, user) = (app.admin().client, app.operator().client);
    apply(&admin, &hooks(&[hook("one", "https://example.org/one")]));
    for path in ["/api/gateway/plan", "/api/gateway/apply"] {
        user.post(path, &hooks(&[])).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    user.post("/api/gateway/rollback", &json!({ "revision": 1 })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    for query in ["", "?revision=1"] {
        let seen = user.get(&format!("/api/gateway/configuration{query}")).expect(200);
        assert!(!seen.text().contains("example.org"), "{}", seen.text());
    }
    let diff = user.get("/api/gateway/diff?from=1").expect(200).json();
    assert_eq!(diff["webhooks"], Value::Null);
    let read = admin.get("/api/gateway/configuration").expect(200).json();
    assert_eq!(apply(&admin, &read)["summary"]["webhooks"]["unchanged"], 1);
    let ask = json!({ "sql": "SELECT snapshot FROM gateway.revisions" });
    admin.post("/api/database/query", &ask).expect(400);
}

#[test]
fn faults_of_webhooks_are_told_with_those_of_routes_and_nothing_is_made() {
    let app = App::start();
    let client = app.admin().client;
    let mut bad = hook("bad", "ftp://example.org");
    bad["secret"] = json!("guess");
    let mut wrong = hooks(&[bad, hook("twice", "https://a.example"), hook("twice", "https://b.example")]);
    wrong["routes"] = json!([{ "name": "r", "path": "no", "upstream": "http://a" }]);
    let answer = client.post("/api/gateway/apply", &wrong).refuse(422, "VALIDATION_ERROR");
    let told = faults(&answer);
    let fields: Vec<&str> = told.iter().map(|(field, _)| &**field).collect();
    assert_eq!(fields, ["routes[0].path", "webhooks[0].url", "webhooks[0].secret"], "{told:?}");
    wrong["routes"] = json!([]);
    wrong["webhooks"][0]["secret"].take();
    wrong["webhooks"][0]["url"] = json!("https://127.0.0.1/");
    let told = faults(&client.post("/api/gateway/apply", &wrong).refuse(422, "VALIDATION_ERROR"));
    let fields: Vec<&str> = told.iter().map(|(field, _)| &**field).collect();
    assert_eq!(fields, ["webhooks[0].url", "webhooks[2].name"], "{told:?}");
    assert_eq!(client.get("/api/webhooks").expect(200).json()["data"], json!([]));
}

#[test]
fn the_command_line_makes_webhooks_too_and_tells_their_secrets() {
    let app = App::start();
    let file = crate::support::folder("hooks").join("hooks.json");
    std::fs::write(&file, hooks(&[hook("one", "https://example.org/one")]).to_string()).unwrap();
    let url = app.database.pairs();
    let variables = [("DATABASE_URL", &*url), ("MAINSTAY_DATA", app.data().to_str().unwrap())];
    let run = mainstay(&["gateway", "apply", file.to_str().unwrap()], &variables);
    assert!(run.said().contains("the secret of the webhook one is whsec_"), "{}{}", run.said(), run.text());
    assert!(run.text().contains("webhooks:\n+ one  https://example.org/one\n"), "{}", run.text());
}
