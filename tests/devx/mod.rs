//! Projects, their services, what is generated for them, and what is told of all that.

mod projects;
mod services;
mod environment;
mod health;
mod generations;
mod workers;
mod outdated;

use serde_json::{Value, json};

use crate::support::App;
use crate::support::app::{Somebody, join, text};
use crate::support::client::Client;

/// A new project.
#[track_caller]
fn project(client: &Client, name: &str) -> Value {
    client.post("/api/projects", &json!({ "name": name })).expect(201).json()
}

/// A team with these members and their roles, owned by whoever makes it.
fn team(owner: &Somebody, members: &[(&Somebody, &str)]) -> Value {
    let slug = uuid::Uuid::now_v7().to_string();
    let team = owner.client.post("/api/teams", &json!({ "name": "Team", "slug": slug })).expect(201).json();
    for (member, role) in members {
        join(owner, &team["id"], member, role);
    }
    team
}

/// A client that may claim generations, and nothing else.
fn worker(app: &App) -> Client {
    app.somebody("ADMIN", &["write:generation-claims"]).client
}

#[track_caller]
fn claim(worker: &Client, name: &str, seconds: i64) -> Option<Value> {
    let answer = worker.post("/api/generations/claim", &json!({ "worker": name, "lease_seconds": seconds }));
    if answer.status == 204 { None } else { Some(answer.expect(200).json()) }
}

fn path(row: &Value) -> String {
    format!("/api/generations/{}", text(&row["id"]))
}
