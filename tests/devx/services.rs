//! Services and their life.

use serde_json::{Value, json};

use super::project;
use crate::support::App;
use crate::support::app::text;

#[test]
fn a_service_goes_only_where_its_life_leads() {
    let app = App::start();
    let user = app.user().client;
    let steps = ["inactive", "deploying", "active", "failed", "stopped"];
    let allowed = [
        ("inactive", "deploying"),
        ("deploying", "active"),
        ("deploying", "failed"),
        ("deploying", "stopped"),
        ("active", "deploying"),
        ("active", "failed"),
        ("active", "stopped"),
        ("failed", "deploying"),
        ("failed", "stopped"),
        ("stopped", "deploying"),
        ("stopped", "inactive"),
    ];
    // The way to each step.
    let way = |step: &str| match step {
        "inactive" => vec![],
        "deploying" => vec!["deploying"],
        "active" => vec!["deploying", "active"],
        "failed" => vec!["deploying", "failed"],
        _ => vec!["deploying", "stopped"],
    };
    for from in steps {
        for to in steps {
            let made = user.post("/api/services", &json!({ "name": "S" })).expect(201).json();
            let path = format!("/api/services/{}", text(&made["id"]));
            for step in way(from) {
                user.patch(&path, &json!({ "status": step })).expect(200);
            }
            let answer = user.patch(&path, &json!({ "status": to }));
            if from == to || allowed.contains(&(from, to)) {
                let shown = answer.expect(200).json();
                assert_eq!(shown["deployed_at"].is_string(), from == "active" || to == "active", "{from} to {to}");
            } else {
                let refusal = answer.refuse(422, "VALIDATION_ERROR").json();
                assert_eq!(refusal["fields"][0]["field"], "status", "{from} to {to}: {refusal}");
            }
        }
    }
    for status in &steps[1..] {
        user.post("/api/services", &json!({ "name": "S", "status": status })).refuse(422, "VALIDATION_ERROR");
    }
}

#[test]
fn a_service_is_seen_and_changed_with_its_project() {
    let app = App::start();
    let (owner, stranger) = (app.user(), app.user());
    let shop = project(&owner.client, "Shop");
    let body = json!({ "name": "Pay", "project_id": shop["id"], "port": 80, "environment_vars": { "MODE": "test" } });
    stranger.client.post("/api/services", &body).expect(403);
    let made = owner.client.post("/api/services", &body).expect(201).json();
    assert_eq!((&made["service_type"], &made["status"]), (&json!("api"), &json!("inactive")));
    let path = format!("/api/services/{}", text(&made["id"]));
    stranger.client.get(&path).refuse(404, "NOT_FOUND");
    stranger.client.patch(&path, &json!({ "port": 81 })).refuse(404, "NOT_FOUND");
    owner.client.delete(&format!("/api/projects/{}", text(&shop["id"]))).refuse(409, "CONFLICT");
    for wrong in [
        json!({ "port": 0 }),
        json!({ "port": 65_536 }),
        json!({ "service_type": "An API" }),
        json!({ "health_check_url": "ftp://example.org/" }),
        json!({ "health_check_enabled": true }),
        json!({ "name": Value::Null }),
        json!({ "health_status": "UP" }),
    ] {
        owner.client.patch(&path, &wrong).refuse(422, "VALIDATION_ERROR");
    }
    assert_eq!(owner.client.get(&path).json()["version"], 1);
    owner.client.delete(&path).expect(204);
}
