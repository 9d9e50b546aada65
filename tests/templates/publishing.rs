//! What is published stays as it was; what is deprecated says what to use instead; what is fetched is counted.

use std::time::Duration;

use serde_json::{Value, json};

use super::{published, template};
use crate::support::App;
use crate::support::app::text;
use crate::support::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn publishing_keeps_an_immutable_version_with_its_checksum() {
    let app = App::start();
    let author = app.user();
    let made = template(&author.client, &json!({ "name": "App", "template_version": "1.0.0", "tags": ["a"] }));
    let path = format!("/api/templates/{}", text(&made["id"]));
    let first = author.client.post(&format!("{path}/publish"), &json!({})).expect(200);
    assert_eq!(first.header("ETag"), Some("\"2\""));
    let first = first.json();
    assert_eq!((&first["status"], &first["published_version"]), (&json!("PUBLISHED"), &json!("1.0.0")));
    author.client.post(&format!("{path}/publish"), &json!({})).refuse(409, "CONFLICT");
    author.client.patch(&path, &json!({ "tags": ["b"], "name": "App 2" })).expect(200);
    let stale = author.client.with("If-Match", "\"2\"");
    stale.post(&format!("{path}/publish"), &json!({ "template_version": "1.1.0" })).refuse(412, "PRECONDITION_FAILED");
    author.client.post(&format!("{path}/publish"), &json!({ "template_version": "1.1.0" })).expect(200);
    author.client.post(&format!("{path}/publish"), &json!({ "template_version": "1" })).refuse(422, "VALIDATION_ERROR");

    let list = format!(
        "/api/template-versions?sort=id&fields=template_version,snapshot,published_by,checksum&template_id={}",
        text(&made["id"])
    );
    let versions = app.viewer().client.get(&list).expect(200).json()["data"].as_array().unwrap().clone();
    let numbers: Vec<&Value> = versions.iter().map(|version| &version["template_version"]).collect();
    assert_eq!(numbers, ["1.0.0", "1.1.0"]);
    assert_eq!((&versions[0]["snapshot"]["tags"], &versions[1]["snapshot"]["tags"]), (&json!(["a"]), &json!(["b"])));
    assert_eq!(versions[0]["published_by"], json!(author.id));
    assert_ne!(versions[0]["checksum"], versions[1]["checksum"]);
    author.client.delete(&path).refuse(409, "CONFLICT");
    author.client.post("/api/template-versions", &json!({})).expect(405);

    let mut client = app.database.client();
    for statement in [
        "UPDATE templates.template_versions SET snapshot = '{}'",
        "DELETE FROM templates.template_versions",
        "TRUNCATE templates.template_versions CASCADE",
    ] {
        let error = client.batch_execute(statement).expect_err(statement);
        assert_eq!(error.as_db_error().unwrap().message(), "what was published is never changed", "{statement}");
    }
    let checked = "SELECT count(*) FROM templates.template_versions
        WHERE checksum = encode(sha256(convert_to(snapshot::text, 'UTF8')), 'hex')";
    assert_eq!(client.query_one(checked, &[]).unwrap().get::<_, i64>(0), 2);
}

#[test]
fn of_many_who_publish_the_same_version_at_once_one_does() {
    let app = App::start();
    let user = app.user().client;
    let path = format!("/api/templates/{}/publish", text(&template(&user, &json!({ "name": "A" }))["id"]));
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| user.post(&path, &json!({})).status)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let trial = user.with("Prefer", "tx=rollback").post(&path, &json!({ "template_version": "2.0.0" })).expect(200);
    assert_eq!(trial.json()["published_version"], "2.0.0");
    assert_eq!(user.get("/api/template-versions").json()["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_deprecated_names_its_successor_until_it_is_published_again() {
    let app = App::start();
    let user = app.user().client;
    let (old, new) = (template(&user, &json!({ "name": "Old" })), published(&user, &json!({ "name": "New" })));
    let path = format!("/api/templates/{}", text(&old["id"]));
    let deprecation = json!({ "reason": "use the new one", "successor_id": new["id"] });
    user.post(&format!("{path}/deprecate"), &deprecation).refuse(409, "CONFLICT");
    user.post(&format!("{path}/publish"), &json!({})).expect(200);
    let itself = json!({ "successor_id": old["id"] });
    user.post(&format!("{path}/deprecate"), &itself).refuse(422, "VALIDATION_ERROR");
    let nothing = json!({ "successor_id": "0192aaaa-0000-7000-8000-000000000000" });
    user.post(&format!("{path}/deprecate"), &nothing).refuse(409, "CONFLICT");
    let shown = user.post(&format!("{path}/deprecate"), &deprecation).expect(200).json();
    assert_eq!((&shown["status"], &shown["successor_id"]), (&json!("DEPRECATED"), &new["id"]));
    assert_eq!(shown["deprecation"], "use the new one");
    let again = user.post(&format!("{path}/publish"), &json!({ "template_version": "2.0.0" })).expect(200).json();
    assert_eq!((&again["status"], &again["successor_id"]), (&json!("PUBLISHED"), &Value::Null));
    user.post("/api/templates/0192aaaa-0000-7000-8000-000000000000/publish", &json!({})).refuse(404, "NOT_FOUND");
}

#[test]
fn downloads_are_counted_later_and_nobody_waits_for_anybody() {
    let app = App::start();
    let (author, reader) = (app.user().client, app.viewer().client);
    let made = published(&author, &json!({ "name": "App", "template_version": "1.0.0" }));
    let path = format!("/api/templates/{}", text(&made["id"]));
    author.post(&format!("{path}/publish"), &json!({ "template_version": "2.0.0" })).expect(200);
    // Somebody is busy with the very row.
    let mut client = app.database.client();
    client.batch_execute("BEGIN; SELECT FROM templates.templates FOR UPDATE").unwrap();
    let latest = reader.get(&format!("{path}/download")).expect(200).json();
    assert_eq!((&latest["template_version"], &latest["snapshot"]["name"]), (&json!("2.0.0"), &json!("App")));
    let first = reader.get(&format!("{path}/download?version=1.0.0")).expect(200).json();
    assert_eq!(first["template_version"], "1.0.0");
    reader.get(&format!("{path}/download?version=3.0.0")).refuse(404, "NOT_FOUND");
    reader.get(&format!("{path}/download?v=1")).refuse(400, "MALFORMED_REQUEST");
    client.batch_execute("COMMIT").unwrap();
    let version = reader.get(&path).json()["version"].clone();
    wait_for("the downloads are counted", PATIENCE, || (reader.get(&path).json()["downloads"] == 2).then_some(()));
    assert_eq!(reader.get(&path).json()["version"], version, "a download is no change");
    let left: i64 = client.query_one("SELECT count(*) FROM templates.downloads", &[]).unwrap().get(0);
    assert_eq!(left, 0);
    let draft = template(&author, &json!({ "name": "Draft" }));
    reader.get(&format!("/api/templates/{}/download", text(&draft["id"]))).refuse(404, "NOT_FOUND");
}
