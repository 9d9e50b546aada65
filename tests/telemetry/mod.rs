//! What is recorded: the audit, the access log, figures and notifications, through HTTP and in SQL.

mod audit;
mod by_hand;
mod secrets;
mod partitions;
mod access_log;
mod activity;
mod metrics;
mod notifications;

use serde_json::Value;
use uuid::Uuid;

use crate::support::client::Client;

/// The rows of a list.
#[track_caller]
fn rows(client: &Client, path: &str) -> Vec<Value> {
    client.get(path).expect(200).json()["data"].as_array().unwrap().clone()
}

/// The audit of what a query string finds, oldest first.
#[track_caller]
fn audit(client: &Client, query: &str) -> Vec<Value> {
    rows(client, &format!("/api/audit-logs?sort=id&limit=200&{query}"))
}

/// The actions among rows of the audit.
fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["action"].as_str().unwrap()).collect()
}

/// The audit as the database has it, oldest first: action, id of the row, changes.
fn recorded(client: &mut postgres::Client) -> Vec<(String, Option<Uuid>, Value)> {
    const ALL: &str = "SELECT action, resource_id, coalesce(changes, 'null') FROM telemetry.audit_logs ORDER BY id";
    client.query(ALL, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// Forgets what has been recorded.
fn forget(client: &mut postgres::Client) {
    client.batch_execute("TRUNCATE telemetry.audit_logs").unwrap();
}
