//! Base models: what becomes of deleted rows, of versions, and of who did it.

use serde_json::{Value, json};

use super::serving;
use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;
use crate::support::wait::wait_for;

fn shop() -> App {
    let customers = json!({
        "name": "customers",
        "models": ["base", "soft_deletable", "auditable", "versioned"],
        "retention_days": 30,
        "fields": [{ "name": "name", "type": "text", "required": true, "unique": true }],
    });
    let reference =
        |rule: &str| json!({ "name": "customer_id", "type": "reference", "to": "customers", "on_delete": rule });
    let own = |name: &str, models: Value, rule: &str| json!({ "name": name, "models": models, "fields": [reference(rule), { "name": "note", "type": "text" }] });
    serving(&[
        customers,
        own("orders", json!(["base"]), "restrict"),
        own("baskets", json!(["soft_deletable"]), "cascade"),
        own("visits", json!([]), "cascade"),
        own("mails", json!([]), "set_null"),
    ])
}

fn made(client: &Client, collection: &str, body: &Value) -> String {
    text(&client.post(&format!("/api/entities/{collection}"), body).expect(201).json()["id"])
}

#[test]
fn a_deleted_row_is_hidden_keeps_nobody_from_its_values_and_comes_back_when_they_are_free() {
    let app = shop();
    let admin = app.admin();
    let client = &admin.client;
    let ada = json!({ "name": "Ada" });
    let first = made(client, "customers", &ada);
    let path = format!("/api/entities/customers/{first}");
    client.post("/api/entities/customers", &ada).refuse(409, "CONFLICT");
    client.with("If-Match", "*").delete(&path).expect(204);
    client.get(&path).refuse(404, "NOT_FOUND");
    client.with("If-Match", "*").patch(&path, &json!({ "name": "Eve" })).refuse(404, "NOT_FOUND");
    client.with("If-Match", "*").delete(&path).refuse(404, "NOT_FOUND");
    assert_eq!(client.get("/api/entities/customers").json()["data"], json!([]));
    let deleted = client.get("/api/entities/customers/deleted?sort=-deleted_at").expect(200).json();
    assert_eq!((&deleted["data"][0]["id"], &deleted["data"][0]["deleted_by"]), (&json!(first), &json!(admin.id)));

    let second = made(client, "customers", &ada);
    let restore = format!("{path}/restore");
    let refused = client.send("POST", &restore, None).refuse(409, "CONFLICT");
    assert!(refused.text().contains("is another customer's"), "{}", refused.text());
    client.with("If-Match", "*").delete(&format!("/api/entities/customers/{second}")).expect(204);
    let back = client.send("POST", &restore, None).expect(200).json();
    assert_eq!((&back["name"], &back["version"]), (&json!("Ada"), &json!(3)));
    client.send("POST", &restore, None).refuse(404, "NOT_FOUND");
    client.get(&path).expect(200);
}

#[test]
fn deleting_does_to_those_who_refer_what_their_references_say() {
    let app = shop();
    let client = app.admin().client;
    let customer = made(&client, "customers", &json!({ "name": "Ada" }));
    let refer = json!({ "customer_id": customer });
    let order = made(&client, "orders", &refer);
    let (basket, visit, mail) =
        (made(&client, "baskets", &refer), made(&client, "visits", &refer), made(&client, "mails", &refer));
    let path = format!("/api/entities/customers/{customer}");
    let always = client.with("If-Match", "*");
    let refused = always.delete(&path).refuse(409, "CONFLICT");
    assert!(refused.text().contains("orders still refer to it"), "{}", refused.text());
    client.get(&format!("/api/entities/visits/{visit}")).expect(200);
    client.delete(&format!("/api/entities/orders/{order}")).expect(204);

    always.delete(&path).expect(204);
    client.get(&format!("/api/entities/baskets/{basket}")).refuse(404, "NOT_FOUND");
    client.get(&format!("/api/entities/visits/{visit}")).refuse(404, "NOT_FOUND");
    assert_eq!(client.get(&format!("/api/entities/mails/{mail}")).expect(200).json()["customer_id"], Value::Null);
    // To those who come later it is as if it had never been.
    let gone = client.post("/api/entities/orders", &refer).refuse(409, "CONFLICT").json();
    assert_eq!(gone["fields"][0]["field"], "customer_id");
    client.send("POST", &format!("/api/entities/baskets/{basket}/restore"), None).refuse(409, "CONFLICT");
    client.send("POST", &format!("{path}/restore"), None).expect(200);
    client.send("POST", &format!("/api/entities/baskets/{basket}/restore"), None).expect(200);
}

#[test]
fn nobody_refers_to_a_row_that_is_deleted_at_the_same_time() {
    let app = shop();
    let client = app.admin().client;
    for round in 0..8 {
        let customer = made(&client, "customers", &json!({ "name": format!("C{round}") }));
        let statuses: Vec<(u16, u16)> = std::thread::scope(|scope| {
            let remove = scope
                .spawn(|| client.with("If-Match", "*").delete(&format!("/api/entities/customers/{customer}")).status);
            let order = client.post("/api/entities/orders", &json!({ "customer_id": customer })).status;
            vec![(remove.join().unwrap(), order)]
        });
        assert!([(204, 409), (409, 201)].contains(&statuses[0]), "{statuses:?}");
    }
}

#[test]
fn whoever_refers_to_a_row_holds_up_nobody_who_changes_it_and_whoever_deletes_it_waits() {
    let app = shop();
    let client = app.admin().client;
    let customer = made(&client, "customers", &json!({ "name": "Ada" }));
    let (mut refers, mut changes) = (app.database.client(), app.database.client());
    let mut transaction = refers.transaction().unwrap();
    transaction.execute("INSERT INTO app.orders (customer_id) VALUES ($1::text::uuid)", &[&customer]).unwrap();
    changes.batch_execute("SET lock_timeout = '500ms'").unwrap();
    let change = "UPDATE app.customers SET name = 'Ada L.' WHERE id = $1::text::uuid";
    assert_eq!(changes.execute(change, &[&customer]).unwrap(), 1);
    let delete = "UPDATE app.customers SET deleted_at = now() WHERE id = $1::text::uuid";
    let error = changes.execute(delete, &[&customer]).unwrap_err();
    assert_eq!(error.code(), Some(&postgres::error::SqlState::LOCK_NOT_AVAILABLE));
    transaction.commit().unwrap();
    let error = changes.execute(delete, &[&customer]).unwrap_err();
    assert_eq!(error.code(), Some(&postgres::error::SqlState::FOREIGN_KEY_VIOLATION));
}

#[test]
fn rows_that_were_deleted_long_ago_are_purged_and_no_others() {
    let app = shop();
    let client = app.admin().client;
    let always = client.with("If-Match", "*");
    let ids: Vec<String> = ["old", "new", "held", "here"]
        .iter()
        .map(|name| made(&client, "customers", &json!({ "name": name })))
        .collect();
    let order = made(&client, "orders", &json!({ "customer_id": ids[2] }));
    client.delete(&format!("/api/entities/orders/{order}")).expect(204);
    for id in &ids[..3] {
        always.delete(&format!("/api/entities/customers/{id}")).expect(204);
    }
    let mut database = app.database.client();
    let age = "UPDATE app.customers SET deleted_at = now() - interval '31 days' WHERE id = ANY ($1::text[]::uuid[])";
    database.execute(age, &[&vec![ids[0].clone(), ids[2].clone()]]).unwrap();
    database.execute("UPDATE ops.jobs SET next_run_at = now() WHERE name = 'purge_entities'", &[]).unwrap();
    let left = || -> Vec<String> {
        let mut client = app.database.client();
        client
            .query("SELECT name FROM app.customers ORDER BY name", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    };
    // The deleted order, which is kept, still refers to one of them, and is in nobody's way but that one's.
    wait_for("the old one is purged", std::time::Duration::from_secs(20), || {
        (left() == ["held", "here", "new"]).then_some(())
    });
}

#[test]
fn versioned_rows_are_changed_only_by_those_who_know_their_version() {
    let app = shop();
    let client = app.admin().client;
    let path = format!("/api/entities/customers/{}", made(&client, "customers", &json!({ "name": "Ada" })));
    for refused in [client.patch(&path, &json!({ "name": "B" })), client.delete(&path)] {
        refused.refuse(428, "PRECONDITION_REQUIRED");
    }
    client.with("If-Match", "\"1\"").patch(&path, &json!({ "name": "B" })).expect(200);
    let late =
        client.with("If-Match", "\"1\"").patch(&path, &json!({ "name": "C" })).refuse(412, "PRECONDITION_FAILED");
    assert_eq!(late.header("ETag"), Some("\"2\""));
}

#[test]
fn auditable_rows_say_who_made_and_changed_them_and_so_does_the_audit() {
    let app = shop();
    let (one, other) = (app.user(), app.user());
    let id = made(&one.client, "customers", &json!({ "name": "Ada" }));
    let path = format!("/api/entities/customers/{id}");
    let changed = other.client.with("If-Match", "\"1\"").patch(&path, &json!({ "name": "Eve" })).expect(200).json();
    assert_eq!((&changed["created_by"], &changed["updated_by"]), (&json!(one.id), &json!(other.id)));
    other.client.with("If-Match", "*").patch(&path, &json!({ "created_by": other.id })).refuse(422, "VALIDATION_ERROR");
    let audit = app.admin().client.get(&format!("/api/audit-logs?resource_id={id}&sort=created_at")).expect(200).json();
    let seen: Vec<(String, String)> =
        audit["data"].as_array().unwrap().iter().map(|it| (text(&it["action"]), text(&it["user_id"]))).collect();
    assert_eq!(seen, [("customers.create".to_owned(), one.id), ("customers.update".to_owned(), other.id)]);
    assert_eq!(audit["data"][1]["changes"], json!({ "name": ["Ada", "Eve"] }));
}
