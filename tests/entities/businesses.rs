//! Rows that belong to a business: its members see them, and nobody else.

use serde_json::{Value, json};

use super::serving;
use crate::support::App;
use crate::support::app::{Somebody, join, text};
use crate::support::client::Client;

struct Businesses {
    app: App,
    ours: String,
    theirs: String,
    me: Somebody,
    you: Somebody,
}

/// Two people with a business each.
fn businesses() -> Businesses {
    let customers = json!({
        "name": "customers",
        "models": ["base", "business_scoped", "auditable", "soft_deletable"],
        "fields": [{ "name": "name", "type": "text", "required": true, "unique": true, "sort": true }],
    });
    let orders = json!({
        "name": "orders",
        "models": ["business_scoped"],
        "fields": [{ "name": "customer_id", "type": "reference", "to": "customers", "required": true }],
    });
    let app = serving(&[customers, orders]);
    let (me, you) = (app.user(), app.user());
    let team = |client: &Client, slug: &str| {
        text(&client.post("/api/teams", &json!({ "name": slug, "slug": slug })).expect(201).json()["id"])
    };
    let (ours, theirs) = (team(&me.client, "ours"), team(&you.client, "theirs"));
    Businesses { app, ours, theirs, me, you }
}

#[test]
fn a_caller_sees_and_changes_only_the_rows_of_their_businesses() {
    let it = businesses();
    let row = |business: &str| json!({ "name": "Ada", "business_id": business });
    let mine = it.me.client.post("/api/entities/customers", &row(&it.ours)).expect(201).json();
    // The same name, in another business.
    let yours = it.you.client.post("/api/entities/customers", &row(&it.theirs)).expect(201).json();
    it.me.client.post("/api/entities/customers", &row(&it.ours)).refuse(409, "CONFLICT");
    it.me.client.post("/api/entities/customers", &row(&it.theirs)).refuse(403, "INSUFFICIENT_PERMISSIONS");
    it.me.client.post("/api/entities/customers", &json!({ "name": "x" })).refuse(422, "VALIDATION_ERROR");

    let path = format!("/api/entities/customers/{}", text(&yours["id"]));
    for refused in [
        it.me.client.get(&path),
        it.me.client.patch(&path, &json!({ "name": "Eve" })),
        it.me.client.delete(&path),
        it.me.client.send("POST", &format!("{path}/restore"), None),
    ] {
        refused.refuse(404, "NOT_FOUND");
    }
    let seen = it.me.client.get("/api/entities/customers?total=true&sort=name").expect(200).json();
    assert_eq!((&seen["data"], &seen["page"]["total"]), (&json!([mine]), &json!(1)));
    let all = it.app.admin().client.get("/api/entities/customers?total=true").expect(200).json();
    assert_eq!(all["page"]["total"], 2);
    it.me
        .client
        .patch(&format!("/api/entities/customers/{}", text(&mine["id"])), &json!({ "business_id": it.theirs }))
        .refuse(422, "VALIDATION_ERROR");

    it.you.client.delete(&path).expect(204);
    assert_eq!(it.me.client.get("/api/entities/customers/deleted").json()["data"], json!([]));
    assert_eq!(it.you.client.get("/api/entities/customers/deleted").json()["data"].as_array().unwrap().len(), 1);
    it.you.client.send("POST", &format!("{path}/restore"), None).expect(200);
}

#[test]
fn nobody_refers_to_a_row_of_another_business() {
    let it = businesses();
    let row = |business: &str| json!({ "name": "Ada", "business_id": business });
    let yours = it.you.client.post("/api/entities/customers", &row(&it.theirs)).expect(201).json();
    let mine = it.me.client.post("/api/entities/customers", &row(&it.ours)).expect(201).json();
    let order = |customer: &Value| json!({ "customer_id": customer, "business_id": it.ours });
    let refused = it.me.client.post("/api/entities/orders", &order(&yours["id"])).refuse(409, "CONFLICT");
    let unknown = it.me.client.post("/api/entities/orders", &order(&json!(it.ours))).refuse(409, "CONFLICT");
    // Whether there is such a row is nobody's business either.
    assert_eq!(refused.json()["fields"], unknown.json()["fields"]);
    let made = it.me.client.post("/api/entities/orders", &order(&mine["id"])).expect(201).json();
    let seen = it.me.client.get("/api/entities/orders?expand=customer").expect(200).json();
    assert_eq!((&seen["data"][0]["id"], &seen["data"][0]["customer"]), (&made["id"], &mine));
}

#[test]
fn those_who_only_look_at_a_business_change_nothing() {
    let it = businesses();
    let row = json!({ "name": "Ada", "business_id": it.ours });
    let id = text(&it.me.client.post("/api/entities/customers", &row).expect(201).json()["id"]);
    join(&it.me, &json!(it.ours), &it.you, "VIEWER");
    let path = format!("/api/entities/customers/{id}");
    it.you.client.get(&path).expect(200);
    it.you.client.patch(&path, &json!({ "name": "Eve" })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    it.you.client.delete(&path).refuse(403, "INSUFFICIENT_PERMISSIONS");
    it.you
        .client
        .post("/api/entities/customers", &json!({ "name": "B", "business_id": it.ours }))
        .refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn a_business_with_rows_is_not_deleted() {
    let it = businesses();
    let row = json!({ "name": "Ada", "business_id": it.ours });
    it.me.client.post("/api/entities/customers", &row).expect(201);
    let refused = it.me.client.delete(&format!("/api/teams/{}", it.ours)).refuse(409, "CONFLICT");
    assert!(refused.text().contains("customers still refer to it"), "{}", refused.text());
}
