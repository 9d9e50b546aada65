//! `Idempotency-Key`: the same request again is the first reply again, and nothing else.

use serde_json::json;

use super::{at_once, column};
use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;

fn slugs(client: &Client) -> Vec<String> {
    column(&client.get("/api/teams?sort=slug").expect(200).json(), "slug")
}

#[test]
fn fifty_repeats_at_once_make_one_row_and_each_gets_the_reply_or_is_told_to_wait() {
    let app = App::start();
    let user = app.user().client.with("Idempotency-Key", "same");
    let body = json!({ "name": "x", "slug": "x" });
    let answers = at_once(50, |_| user.post("/api/teams", &body));
    let first = answers.iter().find(|answer| answer.status == 201).unwrap();
    let mut made = 0;
    for answer in &answers {
        match answer.status {
            201 => {
                let parts = |answer: &crate::support::client::Answer| {
                    ["Location", "ETag", "Content-Type"].map(|name| answer.header(name).map(str::to_owned))
                };
                assert_eq!((answer.json(), parts(answer)), (first.json(), parts(first)));
                made += u32::from(answer.header("Idempotency-Replayed").is_none());
            }
            _ => {
                let refused = answer.clone().refuse(409, "CONFLICT");
                assert_eq!(refused.header("Retry-After"), Some("1"));
            }
        }
    }
    assert_eq!((made, slugs(&user)), (1, vec!["x".to_owned()]));
    let later = user.post("/api/teams", &body).expect(201);
    assert_eq!((later.header("Idempotency-Replayed"), later.json()), (Some("true"), first.json()));
}

#[test]
fn a_repeat_is_known_after_a_restart_and_on_another_server_and_after_the_row_is_gone() {
    let mut app = App::start();
    let user = app.user().client.with("Idempotency-Key", "k");
    let body = json!({ "name": "x", "slug": "x" });
    let first = user.post("/api/teams", &body).expect(201);
    app.restart();
    let user = user.at(app.address());
    assert_eq!(user.post("/api/teams", &body).expect(201).json(), first.json());
    assert_eq!(app.another().client(&user).post("/api/teams", &body).expect(201).json(), first.json());
    user.delete(first.header("Location").unwrap()).expect(204);
    assert_eq!(user.post("/api/teams", &body).expect(201).json(), first.json());
    assert!(slugs(&user).is_empty());
    let old = "UPDATE ops.idempotency_keys SET expires_at = now()";
    assert_eq!(app.database.client().execute(old, &[]).unwrap(), 1);
    assert_ne!(user.post("/api/teams", &body).expect(201).json(), first.json(), "after a day it is a new request");
    let again = user.post("/api/teams", &body).expect(201);
    assert_eq!((again.header("Idempotency-Replayed"), slugs(&user).len()), (Some("true"), 1));
}

#[test]
fn a_key_that_was_used_for_another_request_is_refused() {
    let app = App::start();
    let user = app.user();
    let client = user.client.with("Idempotency-Key", "k");
    client.post("/api/teams", &json!({ "name": "x", "slug": "x" })).expect(201);
    let refused = client.post("/api/teams", &json!({ "name": "x", "slug": "y" })).refuse(422, "VALIDATION_ERROR");
    assert_eq!(refused.json()["fields"][0]["field"], json!("Idempotency-Key"));
    client.post("/api/api-keys", &json!({ "name": "x" })).refuse(422, "VALIDATION_ERROR");
    let same = client.send("POST", "/api/teams", Some(b" { \"slug\": \"x\",\n\"name\": \"\\u0078\" } ")).expect(201);
    assert_eq!(same.header("Idempotency-Replayed"), Some("true"), "the same, in other letters");
    assert_eq!(slugs(&client), ["x"]);
}

#[test]
fn keys_of_different_users_have_nothing_to_do_with_each_other() {
    let app = App::start();
    let body = |slug: &str| json!({ "name": "x", "slug": slug });
    for slug in ["a", "b"] {
        let user = app.user().client.with("Idempotency-Key", "k");
        let made = user.post("/api/teams", &body(slug)).expect(201);
        assert_eq!((made.header("Idempotency-Replayed"), slugs(&user)), (None, vec![slug.to_owned()]));
    }
}

#[test]
fn a_request_that_failed_may_be_sent_again_with_its_key() {
    let app = App::start();
    let user = app.user().client;
    user.post("/api/teams", &json!({ "name": "x", "slug": "x" })).expect(201);
    let keyed = user.with("Idempotency-Key", "k");
    let body = json!({ "name": "y", "slug": "x" });
    keyed.post("/api/teams", &body).refuse(409, "CONFLICT");
    user.delete("/api/teams?slug=x").expect(200);
    let made = keyed.post("/api/teams", &body).expect(201);
    assert_eq!(made.header("Idempotency-Replayed"), None);
    keyed.post("/api/teams", &json!({ "name": 1 })).refuse(422, "VALIDATION_ERROR");
}

#[test]
fn a_key_is_up_to_255_visible_characters_and_other_verbs_have_none() {
    let app = App::start();
    let user = app.user().client;
    for (index, (key, status)) in [
        ("x".repeat(255), 201),
        ("~!'\"$1".to_owned(), 201),
        ("x".repeat(256), 400),
        ("a b".to_owned(), 400),
        ("ä".to_owned(), 400),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "name": "x", "slug": format!("x{index}") });
        assert_eq!(user.with("Idempotency-Key", &key).post("/api/teams", &body).status, status, "{key}");
    }
    let path = user.get("/api/teams?slug=x0").expect(200).json()["data"][0]["id"].clone();
    let path = format!("/api/teams/{}", text(&path));
    let keyed = user.with("Idempotency-Key", "k");
    for version in [2, 3] {
        let changed = keyed.patch(&path, &json!({ "name": "y" })).expect(200).json();
        assert_eq!(changed["version"], json!(version));
    }
}

#[test]
fn a_trial_with_a_key_leaves_neither_row_nor_reply() {
    let app = App::start();
    let user = app.user().client.with("Idempotency-Key", "k");
    let body = json!({ "name": "x", "slug": "x" });
    user.with("Prefer", "tx=rollback").post("/api/teams", &body).expect(201);
    let count = "SELECT count(*) FROM ops.idempotency_keys";
    assert_eq!(app.database.client().query_one(count, &[]).unwrap().get::<_, i64>(0), 0);
    let made = user.post("/api/teams", &body).expect(201);
    assert_eq!((made.header("Idempotency-Replayed"), slugs(&user).len()), (None, 1));
}

#[test]
fn a_reply_with_a_secret_is_given_again_without_it_and_nowhere_kept() {
    let app = App::start();
    let user = app.user().client.with("Idempotency-Key", "k");
    let body = json!({ "name": "x", "permissions": ["read:*"] });
    let first = user.post("/api/api-keys", &body).expect(201).json();
    let key = text(&first["key"]);
    app.nobody().with("X-API-Key", &key).get("/api/teams").expect(200);
    let again = user.post("/api/api-keys", &body).expect(201).json();
    assert_eq!((&again["id"], &again["key"]), (&first["id"], &json!(null)));
    let rotated = user.with("Idempotency-Key", "r");
    let path = format!("/api/api-keys/{}/rotate", text(&first["id"]));
    let rotation = rotated.post(&path, &json!({})).expect(201).json();
    assert_eq!(rotated.post(&path, &json!({})).expect(201).json()["key"], json!(null));
    let kept: Vec<String> = app
        .database
        .client()
        .query("SELECT response_body FROM ops.idempotency_keys", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|kept| !kept.contains(&key) && !kept.contains(&text(&rotation["key"]))), "{kept:?}");
}

#[test]
fn a_batch_and_a_request_without_a_body_are_repeated_too() {
    let app = App::start();
    let user = app.user().client;
    let operations = json!([{ "method": "POST", "path": "/api/teams", "body": { "name": "x", "slug": "x" } }]);
    let keyed = user.with("Idempotency-Key", "b");
    let first = keyed.post("/api/batch", &json!({ "operations": operations })).expect(200).json();
    assert_eq!(keyed.post("/api/batch", &json!({ "operations": operations })).expect(200).json(), first);
    assert_eq!(slugs(&user), ["x"]);
    let key = text(&user.post("/api/api-keys", &json!({ "name": "x" })).expect(201).json()["id"]);
    let keyed = user.with("Idempotency-Key", "r");
    for replayed in [None, Some("true")] {
        let answer = keyed.send("POST", &format!("/api/api-keys/{key}/revoke"), None).expect(204);
        assert_eq!(answer.header("Idempotency-Replayed"), replayed);
    }
}

#[test]
fn a_batch_that_shows_secrets_is_given_again_without_them_and_they_are_nowhere_kept() {
    let app = App::start();
    let admin = app.admin().client;
    let operations = json!({ "operations": [
        { "method": "POST", "path": "/api/teams", "body": { "name": "x", "slug": "x" } },
        { "method": "POST", "path": "/api/api-keys", "body": { "name": "x", "permissions": ["read:*"] } },
        { "method": "POST", "path": "/api/webhooks", "body": {
            "name": "x", "url": "https://x.example.org", "events": ["*"], "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
        } },
    ] });
    let keyed = admin.with("Idempotency-Key", "b");
    let first = keyed.post("/api/batch", &operations).expect(200).json()["results"].clone();
    let (key, secret) = (text(&first[1]["body"]["key"]), text(&first[2]["body"]["secret"]));
    assert!(key.starts_with("ctm_") && secret.starts_with("whsec_"), "{first}");
    let again = keyed.post("/api/batch", &operations).expect(200).json()["results"].clone();
    assert_eq!((&again[0], &again[1]["body"]["id"]), (&first[0], &first[1]["body"]["id"]));
    assert_eq!((&again[1]["body"]["key"], &again[2]["body"]["secret"]), (&json!(null), &json!(null)));
    let rows = app.database.client().query("SELECT to_jsonb(k)::text FROM ops.idempotency_keys AS k", &[]).unwrap();
    let kept: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(kept.len(), 1);
    assert!(kept.iter().all(|kept| !kept.contains(&key) && !kept.contains(&secret)), "{kept:?}");
}

#[test]
fn a_reply_is_given_again_to_the_credential_that_got_it_alone_and_not_without_the_permission() {
    let app = App::start();
    let user = app.user().client;
    let body = json!({ "name": "x", "slug": "x" });
    let batch =
        json!({ "operations": [{ "method": "POST", "path": "/api/teams", "body": { "name": "y", "slug": "y" } }] });
    let with = |permission: &str| {
        let made = user.post("/api/api-keys", &json!({ "name": "x", "permissions": [permission] })).expect(201).json();
        app.nobody().with("X-API-Key", &text(&made["key"])).with("Idempotency-Key", "k")
    };
    let writer = with("write:*");
    writer.post("/api/teams", &body).expect(201);
    writer.with("Idempotency-Key", "b").post("/api/batch", &batch).expect(200);
    // Another key of the same user that may as well: it is another request.
    with("write:teams").post("/api/teams", &body).refuse(409, "CONFLICT");
    let reader = with("read:*");
    reader.post("/api/teams", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
    reader.with("Idempotency-Key", "b").post("/api/batch", &batch).refuse(403, "INSUFFICIENT_PERMISSIONS");
    // The same credential, which may not any more.
    app.database.client().batch_execute("UPDATE identity.api_keys SET permissions = '{read:*}'").unwrap();
    let refused = || match writer.with("Idempotency-Key", "b").post("/api/batch", &batch) {
        answer if answer.status == 200 => None,
        answer => Some(answer.refuse(403, "INSUFFICIENT_PERMISSIONS")),
    };
    crate::support::wait::wait_for("the key may only read", std::time::Duration::from_secs(20), refused);
}
