//! Whoever asks for a generation is told at once what is wrong with it.

use serde_json::{Value, json};

use super::{path, project};
use crate::support::App;
use crate::support::app::text;
use crate::templates::{published, template};

fn parameters() -> Value {
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "pattern": "^[a-z]+$" },
            "port": { "type": "integer", "minimum": 1 },
            "database": { "type": "object", "properties": { "size": { "enum": ["small", "large"] } } },
        },
    })
}

#[test]
fn the_input_is_held_against_what_the_published_version_asks_for() {
    let app = App::start();
    let user = app.user();
    let made =
        published(&user.client, &json!({ "name": "App", "template_version": "1.0.0", "parameters": parameters() }));
    // What is being worked on does not count, only what was published.
    let template = format!("/api/templates/{}", text(&made["id"]));
    user.client.patch(&template, &json!({ "parameters": { "type": "object", "required": ["colour"] } })).expect(200);
    let shop = project(&user.client, "Shop");
    let wish = |input: Value| json!({ "template_id": made["id"], "project_id": shop["id"], "input_params": input });
    for (input, fields) in [
        (json!({}), vec!["input_params"]),
        (json!({ "name": "Shop" }), vec!["input_params.name"]),
        (json!({ "name": 7, "port": 0 }), vec!["input_params.name", "input_params.port"]),
        (json!({ "name": "a", "x": 1 }), vec!["input_params"]),
        (json!({ "name": "a", "database": { "size": "huge" } }), vec!["input_params.database.size"]),
    ] {
        let refusal = user.client.post("/api/generations", &wish(input.clone())).refuse(422, "VALIDATION_ERROR").json();
        let mut found: Vec<String> =
            refusal["fields"].as_array().unwrap().iter().map(|fault| text(&fault["field"])).collect();
        found.sort();
        assert_eq!(found, fields, "{input}");
    }
    let asked = user.client.post("/api/generations", &wish(json!({ "name": "shop", "port": 80 }))).expect(201);
    assert_eq!(asked.header("Location"), Some(path(&asked.json()).as_str()));
    let asked = asked.json();
    assert_eq!((&asked["generation_status"], &asked["attempts"]), (&json!("pending"), &json!(0)));
    assert_eq!(asked["template_version"], "1.0.0");
    let versions = user.client.get("/api/template-versions").json();
    assert_eq!(asked["template_checksum"], versions["data"][0]["checksum"]);
    assert_eq!(user.client.get("/api/generations?generation_status=pending").json()["data"][0]["id"], asked["id"]);
    user.client.patch(&path(&asked), &json!({})).expect(405);
}

#[test]
fn what_cannot_be_generated_is_refused_with_the_reason() {
    let app = App::start();
    let (user, stranger) = (app.user(), app.user());
    let draft = template(&user.client, &json!({ "name": "Draft" }));
    let app_template = published(&user.client, &json!({ "name": "App" }));
    let shop = project(&user.client, "Shop");
    for (wish, field) in [
        (json!({ "template_id": draft["id"] }), "template_id"),
        (json!({ "template_id": app_template["id"], "template_version": "9.0.0" }), "template_version"),
        (json!({ "template_id": "0192aaaa-0000-7000-8000-000000000000" }), "template_id"),
        (json!({ "template_version": "1.0.0" }), "template_id"),
        (json!({ "input_params": [] }), "input_params"),
        (json!({ "attempts_max": 11 }), "attempts_max"),
        (json!({ "generation_status": "completed" }), "generation_status"),
    ] {
        let refusal = user.client.post("/api/generations", &wish).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(refusal["fields"][0]["field"], field, "{wish}");
    }
    let foreign = json!({ "template_id": app_template["id"], "project_id": shop["id"] });
    stranger.client.post("/api/generations", &foreign).expect(403);
    app.viewer().client.post("/api/generations", &json!({})).expect(403);
    let asked = user.client.post("/api/generations", &foreign).expect(201).json();
    stranger.client.get(&path(&asked)).refuse(404, "NOT_FOUND");
    stranger.client.get(&format!("{}/timeline", path(&asked))).refuse(404, "NOT_FOUND");
    let key = user.client.with("Idempotency-Key", "once");
    let (one, two) =
        (key.post("/api/generations", &foreign).expect(201), key.post("/api/generations", &foreign).expect(201));
    assert_eq!(one.json()["id"], two.json()["id"]);
    let trial = user.client.with("Prefer", "tx=rollback").post("/api/generations", &foreign).expect(201).json();
    user.client.get(&path(&trial)).refuse(404, "NOT_FOUND");
}

#[test]
fn an_input_that_takes_too_long_to_be_checked_is_refused_before_it_is() {
    let app = App::start();
    let user = app.user();
    let words: Vec<String> = (0..2000).map(|index| format!("word{index}")).collect();
    let parameters = json!({ "type": "object", "properties": { "a": { "items": { "enum": words } } } });
    let made =
        published(&user.client, &json!({ "name": "App", "template_version": "1.0.0", "parameters": parameters }));
    let wish = |count: usize| {
        let input = json!({ "a": vec!["word1999"; count] });
        user.client.post("/api/generations", &json!({ "template_id": made["id"], "input_params": input }))
    };
    wish(100).expect(201);
    let refusal = wish(6000).refuse(422, "VALIDATION_ERROR").json();
    assert_eq!(
        refusal["fields"][0],
        json!({
            "field": "input_params", "message": "is too long to be held against what is asked for"
        })
    );
}
