//! What gateways do: routes, how they are read, and which one a request takes.

mod routes;
mod conflicts;
mod search;
mod snapshot;
mod waiting;
mod matching;
mod exports;
mod configurations;

use serde_json::{Value, json};

use crate::support::client::Client;

/// A route with this name and path.
pub fn route(name: &str, path: &str) -> Value {
    json!({ "name": name, "path": path, "upstream": "http://127.0.0.1:9" })
}

/// The same object with other members.
pub fn with(mut object: Value, members: Value) -> Value {
    let members = members.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(members);
    object
}

/// The names in a list.
#[track_caller]
fn names(client: &Client, path: &str) -> Vec<String> {
    let page = client.get(path).expect(200).json();
    let rows = page["data"].as_array().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// The fields that a reply complains about.
fn fields(answer: &Value) -> Vec<&str> {
    let fields = answer["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    fields.iter().map(|fault| fault["field"].as_str().unwrap()).collect()
}
