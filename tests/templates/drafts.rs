//! Templates as they are worked on: who may, and what is refused.

use serde_json::{Value, json};

use super::{names, template};
use crate::support::App;
use crate::support::app::text;

#[test]
fn a_template_is_changed_by_whoever_made_it_and_read_by_all() {
    let app = App::start();
    let (author, other) = (app.user(), app.user());
    let made = template(&author.client, &json!({ "name": "React App", "tags": ["web"] }));
    assert_eq!((&made["slug"], &made["status"]), (&json!("react-app"), &json!("DRAFT")));
    assert_eq!((&made["author_id"], &made["downloads"]), (&json!(author.id), &json!(0)));
    let path = format!("/api/templates/{}", text(&made["id"]));
    other.client.get(&path).expect(200);
    assert_eq!(names(&app.viewer().client, "/api/templates?tag=web"), ["React App"]);
    for client in [&other.client, &app.viewer().client] {
        client.patch(&path, &json!({ "name": "Mine" })).expect(403);
        client.delete(&path).expect(403);
        client.post(&format!("{path}/publish"), &json!({})).expect(403);
    }
    author.client.patch(&path, &json!({ "status": "PUBLISHED" })).refuse(422, "VALIDATION_ERROR");
    app.admin().client.patch(&path, &json!({ "name": "React" })).expect(200);
    let changed = author.client.with("If-Match", "\"2\"").patch(&path, &json!({ "description": "x" })).expect(200);
    assert_eq!(changed.header("ETag"), Some("\"3\""));
    author.client.with("If-Match", "\"2\"").delete(&path).refuse(412, "PRECONDITION_FAILED");
    author.client.delete(&path).expect(204);
    app.nobody().get("/api/templates").refuse(401, "MISSING_API_KEY");
}

#[test]
fn parameters_must_be_a_json_schema_that_is_small_and_refers_to_nothing_outside() {
    let app = App::start();
    let user = app.user().client;
    let long: String = "x".repeat(70_000);
    for (wrong, reason) in [
        (json!({ "type": "strin" }), "is no JSON Schema"),
        (json!({ "properties": { "a": { "minimum": "three" } } }), "/properties/a"),
        (json!({ "properties": { "a": { "pattern": "(" } } }), "is no JSON Schema"),
        (json!({ "properties": { "a": { "pattern": "(?=x)y" } } }), "is no JSON Schema"),
        (json!({ "$ref": "https://example.org/schema.json" }), "outside"),
        (json!({ "properties": { "a": { "$ref": "file:///etc/passwd" } } }), "outside"),
        (json!({ "description": long }), "64 KiB"),
    ] {
        let refusal = user.post("/api/templates", &json!({ "name": "A", "parameters": wrong }));
        let refusal = refusal.refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(refusal["fields"][0]["field"], "parameters");
        assert!(text(&refusal["fields"][0]["message"]).contains(reason), "{reason}: {refusal}");
    }
    let recursive = json!({ "$id": "x", "type": "object", "properties": { "a": { "items": { "$ref": "#" } } } });
    template(&user, &json!({ "name": "A", "parameters": recursive }));
}

#[test]
fn parameters_that_grow_when_they_are_read_are_refused_when_they_are_saved() {
    let app = App::start();
    let user = app.user().client;
    let doubling = |levels: usize| {
        let level = |index: usize| {
            let next = json!({ "$ref": format!("#/$defs/l{}", index + 1) });
            (format!("l{index}"), json!({ "allOf": [next, next] }))
        };
        let mut defs: serde_json::Map<String, Value> = (0..levels).map(level).collect();
        defs.insert(format!("l{levels}"), json!({ "type": "object" }));
        json!({ "$ref": "#/$defs/l0", "$defs": defs })
    };
    let chain: serde_json::Map<String, Value> =
        (0..1500).map(|index| (format!("c{index}"), json!({ "$ref": format!("#/$defs/c{}", index + 1) }))).collect();
    let start = std::time::Instant::now();
    for (wrong, reason) in [
        (doubling(20), "at most 10000 values"),
        (json!({ "$ref": "#/$defs/c0", "$defs": chain }), "one behind the other"),
        (json!({ "$ref": "#" }), "from within it"),
        (json!({ "allOf": [{ "dependentSchemas": { "items": { "$ref": "#" } } }] }), "from within it"),
        (json!({ "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } } }), "at one place only"),
        (
            json!({ "$ref": "#/$defs/a", "$defs": {
                "a": { "properties": { "x": { "$ref": "#/$defs/b" } } }, "b": { "allOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#/$defs/a" }] } } }),
            "at one place only",
        ),
        (json!({ "$dynamicRef": "#x" }), "outside"),
        (json!({ "properties": { "a": { "$id": "https://example.org/" } } }), "outside"),
    ] {
        let refusal = user.post("/api/templates", &json!({ "name": "A", "parameters": wrong }));
        let refusal = refusal.refuse(422, "VALIDATION_ERROR").json();
        assert!(text(&refusal["fields"][0]["message"]).contains(reason), "{reason}: {refusal}");
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    template(&user, &json!({ "name": "B", "parameters": doubling(8) }));
}

#[test]
fn files_stay_inside_of_the_folder_and_are_there_once() {
    let app = App::start();
    let user = app.user().client;
    for path in ["/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", "", "a\nb", "."] {
        let files = json!([{ "path": path }]);
        user.post("/api/templates", &json!({ "name": "A", "files": files })).refuse(422, "VALIDATION_ERROR");
    }
    let twice = json!([{ "path": "a" }, { "path": "b" }, { "path": "a" }]);
    let refusal = user.post("/api/templates", &json!({ "name": "A", "files": twice })).refuse(422, "VALIDATION_ERROR");
    assert_eq!(refusal.json()["fields"][0]["message"], "must not have a twice");
    let files = json!([{ "path": "src/main.rs", "content": "fn main() {}" }, { "path": ".gitignore" }]);
    let made = template(&user, &json!({ "name": "A", "files": files }));
    assert_eq!(made["files"], files);
    // In a list they are only where somebody asks for them.
    let listed = user.get("/api/templates").expect(200).json()["data"][0].clone();
    assert_eq!((listed.get("files"), &listed["id"]), (None, &made["id"]));
    assert_eq!(user.get("/api/templates?fields=files").expect(200).json()["data"][0], json!({ "files": files }));
    let much =
        json!([{ "path": "a", "content": "x".repeat(499_000) }, { "path": "b", "content": "x".repeat(100_000) }]);
    user.post("/api/templates", &json!({ "name": "A", "files": much })).refuse(422, "VALIDATION_ERROR");
}

#[test]
fn all_that_is_wrong_with_a_template_is_told_at_once() {
    let app = App::start();
    let user = app.user().client;
    let body = json!({
        "name": "", "slug": "Not a slug", "template_version": "1.0", "tags": ["Web"], "repository_url": "git@example.org:a",
        "category_id": "none", "downloads": 7, "colour": "red",
    });
    let refusal = user.post("/api/templates", &body).refuse(422, "VALIDATION_ERROR").json();
    let mut fields: Vec<String> =
        refusal["fields"].as_array().unwrap().iter().map(|fault| text(&fault["field"])).collect();
    fields.sort();
    let expected =
        ["category_id", "colour", "downloads", "name", "repository_url", "slug", "tags[0]", "template_version"];
    assert_eq!(fields, expected);
    let missing = json!({ "name": "A", "category_id": "0192aaaa-0000-7000-8000-000000000000" });
    let refusal = user.post("/api/templates", &missing).refuse(409, "CONFLICT").json();
    assert_eq!(refusal["fields"][0]["field"], "category_id");
    assert_eq!(refusal["fields"].as_array().map(Vec::len), Some(1));
    let _: Value = refusal;
}
