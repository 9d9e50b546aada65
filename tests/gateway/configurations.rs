//! Whole configurations: planned, applied in one transaction, numbered, and gone back to.

mod applying;
mod command;
mod faults;
mod history;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};

/// A route of a file.
fn file_route(name: &str, path: &str) -> Value {
    json!({ "name": name, "path": path, "upstream": "http://127.0.0.1:9" })
}

/// A file with routes of these names and paths.
fn file(routes: &[(&str, &str)]) -> Value {
    let routes: Vec<Value> = routes.iter().map(|(name, path)| file_route(name, path)).collect();
    json!({ "routes": routes })
}

#[track_caller]
fn apply(client: &Client, file: &Value) -> Value {
    client.post("/api/gateway/apply", file).expect(200).json()
}

/// Created, updated, deleted, unchanged.
fn counts(applied: &Value) -> [i64; 4] {
    ["created", "updated", "deleted", "unchanged"].map(|name| applied["summary"]["routes"][name].as_i64().unwrap())
}

/// The names and paths of all routes.
fn routes(client: &Client) -> Vec<(String, String)> {
    let page = client.get("/api/routes?sort=name&limit=200").expect(200).json();
    let text = |route: &Value, name: &str| route[name].as_str().unwrap().to_owned();
    page["data"].as_array().unwrap().iter().map(|route| (text(route, "name"), text(route, "path"))).collect()
}

/// Fields and messages of what is wrong.
fn faults(answer: &Answer) -> Vec<(String, String)> {
    let answer = answer.json();
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
    answer["fields"].as_array().unwrap().iter().map(|fault| (text(fault, "field"), text(fault, "message"))).collect()
}
