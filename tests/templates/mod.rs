//! The catalogue: categories, technologies, templates, what is published of them, and how they are found.

mod away;
mod categories;
mod drafts;
mod publishing;
mod search;

use serde_json::{Value, json};

use crate::support::app::text;
use crate::support::client::Client;

/// A new template.
#[track_caller]
pub fn template(client: &Client, body: &Value) -> Value {
    client.post("/api/templates", body).expect(201).json()
}

/// A new template that is published.
#[track_caller]
pub fn published(client: &Client, body: &Value) -> Value {
    let id = text(&template(client, body)["id"]);
    client.post(&format!("/api/templates/{id}/publish"), &json!({})).expect(200).json()
}

/// A category, below another if one is named.
#[track_caller]
fn category(admin: &Client, name: &str, parent: Option<&Value>) -> Value {
    let parent = parent.map_or(Value::Null, |parent| parent["id"].clone());
    admin.post("/api/categories", &json!({ "name": name, "parent_id": parent })).expect(201).json()
}

/// Some technologies.
fn technologies(admin: &Client, names: &[&str]) {
    for name in names {
        admin.post("/api/technologies", &json!({ "name": name, "kind": "tool" })).expect(201);
    }
}

/// The names of the rows of a list.
#[track_caller]
fn names(client: &Client, path: &str) -> Vec<String> {
    client.get(path).expect(200).json()["data"].as_array().unwrap().iter().map(|row| text(&row["name"])).collect()
}
