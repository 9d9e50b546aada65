//! Secret fields: taken, sealed, and never shown.

use serde_json::{Value, json};

use super::declare;
use crate::support::App;
use crate::support::app::text;
use crate::support::binary::mainstay;
use crate::support::sealing::{KEYS, change_keys, is_refused_without_its_key};

fn vaults() -> App {
    vaults_with(&[])
}

fn vaults_with(settings: &[(&str, &str)]) -> App {
    let vaults = [json!({ "name": "vaults", "models": ["auditable"], "fields": [
        { "name": "name", "type": "text", "filter": true },
        { "name": "token", "type": "text", "max": 50, "secret": true, "required": true },
        { "name": "pin", "type": "text", "secret": true, "description": "May be missing" },
    ] })];
    App::start_with(&[&[("ENTITIES_PATH", declare(&vaults).to_str().unwrap())], settings].concat())
}

fn kept(app: &App, id: &str) -> (String, Option<String>) {
    let query = "SELECT token::text, pin::text FROM app.vaults WHERE id = $1::text::uuid";
    let row = app.database.client().query_one(query, &[&id]).unwrap();
    (row.get(0), row.get(1))
}

fn reveal(app: &App, id: &str, field: &str) -> (i32, String, String) {
    let variables = app.variables_of_the_binary();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let run = mainstay(&["entity", "reveal", "vaults", id, field], &variables);
    (run.code(), run.text(), run.said())
}

#[test]
fn a_secret_is_sealed_for_its_row_and_only_who_has_the_key_opens_it() {
    let app = vaults();
    let client = app.user().client;
    let made =
        client.post("/api/entities/vaults", &json!({ "name": "a", "token": "Geheimnis ü", "pin": "" })).expect(201);
    assert!(!made.text().contains("Geheimnis") && !made.text().contains("token"), "{}", made.text());
    let id = text(&made.json()["id"]);
    let path = format!("/api/entities/vaults/{id}");
    let (token, pin) = kept(&app, &id);
    assert!(token.split(':').count() == 4 && pin.is_some() && !token.contains("Geheimnis"), "{token}");
    assert_eq!(reveal(&app, &id, "token"), (0, "Geheimnis ü\n".to_owned(), String::new()));
    assert_eq!(reveal(&app, &id, "pin").1, "\n");

    client.patch(&path, &json!({ "name": "b" })).expect(200);
    assert_eq!(kept(&app, &id).0, token, "what is not sent stays");
    client.patch(&path, &json!({ "token": "another", "pin": null })).expect(200);
    assert_eq!((reveal(&app, &id, "token").1.as_str(), kept(&app, &id).1), ("another\n", None));
    let (code, _, said) = reveal(&app, &id, "pin");
    assert!(code == 1 && said.contains("has no pin"), "{said}");

    // A sealed text that was copied to another row opens nowhere.
    let other = client.post("/api/entities/vaults", &json!({ "token": "x" })).expect(201).json();
    let copy = "UPDATE app.vaults SET token = $1::text WHERE id = $2::text::uuid";
    app.database.client().execute(copy, &[&kept(&app, &id).0, &text(&other["id"])]).unwrap();
    let (code, _, said) = reveal(&app, &text(&other["id"]), "token");
    assert!(code == 1 && said.contains("does not open"), "{said}");
}

#[test]
fn no_list_filter_audit_or_error_shows_a_secret() {
    let app = vaults();
    let client = app.admin().client;
    let made = client.post("/api/entities/vaults", &json!({ "token": "Geheimnis" })).expect(201).json();
    let list = client.get("/api/entities/vaults").expect(200);
    assert!(!list.text().contains("token"), "{}", list.text());
    for query in ["token=x", "sort=token", "fields=token"] {
        client.get(&format!("/api/entities/vaults?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
    let audit = client.get(&format!("/api/audit-logs?resource_id={}", text(&made["id"]))).expect(200).json();
    assert_eq!(audit["data"][0]["changes"]["token"], json!([Value::Null, "[redacted]"]));
    let refused = client.post("/api/entities/vaults", &json!({ "token": "Geheimnis".repeat(9) }));
    assert!(!refused.refuse(422, "VALIDATION_ERROR").text().contains("Geheimnis"));
    client.post("/api/entities/vaults", &json!({ "name": "x" })).refuse(422, "VALIDATION_ERROR");
    let many = client.patch("/api/entities/vaults?name__null=true", &json!({ "token": "same" }));
    assert!(many.refuse(422, "VALIDATION_ERROR").text().contains("one row at a time"));
    // Those who only read the database may not read it either.
    let grant = "SELECT has_column_privilege('mainstay_readonly', 'app.vaults', 'token', 'SELECT')";
    assert!(!app.database.client().query_one(grant, &[]).unwrap().get::<_, bool>(0));
}

#[test]
fn with_another_key_all_secrets_are_sealed_again_and_without_the_right_one_no_server_is_ready() {
    let mut app = vaults_with(&[("ENCRYPTION_KEY", KEYS[0])]);
    let client = app.user().client;
    let rows: Vec<Value> =
        (0..150).map(|n| json!({ "token": format!("token {n}"), "pin": (n % 2 == 0).then_some("1234") })).collect();
    let ids: Vec<String> =
        rows.iter().map(|row| text(&client.post("/api/entities/vaults", row).expect(201).json()["id"])).collect();
    change_keys(&mut app);
    assert_eq!(reveal(&app, &ids[0], "token").1, "token 0\n");
    assert_eq!(reveal(&app, &ids[149], "token").1, "token 149\n");
    assert_eq!(reveal(&app, &ids[148], "pin").1, "1234\n");
    let stale = "SELECT count(DISTINCT split_part(token::text, ':', 1)) FROM app.vaults";
    assert_eq!(app.database.client().query_one(stale, &[]).unwrap().get::<_, i64>(0), 1);
    is_refused_without_its_key(app);
}
