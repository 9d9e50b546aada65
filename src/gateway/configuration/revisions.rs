//! Revisions: whole configurations, numbered, as they were after each was applied.

use serde_json::Value;
use uuid::Uuid;

use super::{Configuration, unreadable};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, integer, list, object, text, uuid};
use crate::gateway::routes::READ;
use crate::http::Endpoint;
use crate::resource::Resource;
use crate::sql;
use crate::sql::{Json, Query};

const SELECT: Query = sql!("gateway/revisions/select");

/// A revision with all that it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    pub checksum: String,
    pub author: Option<Uuid>,
    pub message: String,
    pub summary: Value,
    pub restored_from: Option<i64>,
    pub configuration: Configuration,
}

/// The revision with a number.
pub fn revision(statements: &mut dyn Statements, number: i64) -> Result<Revision> {
    let row = statements.maybe(&sql!("gateway/revisions/find"), &[&number])?;
    let row = row.ok_or_else(|| Error::new(Code::NotFound, format!("there is no revision {number}")))?;
    let snapshot = serde_json::from_str(row.get("snapshot")).map_err(unreadable)?;
    Ok(Revision {
        checksum: row.get("checksum"),
        author: row.get("author"),
        message: row.get("message"),
        summary: serde_json::from_str(row.get("summary")).map_err(unreadable)?,
        restored_from: row.get("restored_from"),
        configuration: Configuration::kept(row.get("tags"), &snapshot)?,
    })
}

/// Writes one down; its number is the next.
pub fn keep(statements: &mut dyn Statements, actor: &str, revision: &Revision) -> Result<i64> {
    let snapshot = revision.configuration.to_value().to_string();
    let row = statements.one(
        &sql!("gateway/revisions/keep"),
        &[
            &Json(actor),
            &revision.checksum,
            &revision.configuration.tags,
            &revision.author,
            &revision.message,
            &Json(&snapshot),
            &Json(&revision.summary.to_string()),
            &revision.restored_from,
        ],
    )?;
    Ok(row.get(0))
}

/// The latest revisions, without what they kept.
pub fn history(statements: &mut dyn Statements, count: i64) -> Result<Vec<Value>> {
    let text = format!("SELECT to_json(t)::text FROM (\n{}\n) AS t ORDER BY t.number DESC LIMIT $1", SELECT.text);
    let rows = statements.all_of(SELECT.name, text.into(), &[&count])?;
    rows.iter().map(|row| serde_json::from_str(row.get(0)).map_err(unreadable)).collect()
}

fn fields() -> Vec<Field> {
    vec![
        integer("number").range(1, i64::MAX).read_only().never_null().help("Counts the revisions."),
        text("checksum").read_only().never_null().help("Names the configuration and all that it says."),
        list("tags", text("tag"), usize::MAX).read_only().never_null().help("Which part of the configuration it is."),
        uuid("author").read_only().help("Who applied it; null for the command line."),
        text("message").max(10_000).read_only().never_null().help("What it was for."),
        object("summary").read_only().never_null().help("What it changed, in numbers."),
        integer("restored_from").range(1, i64::MAX).read_only().help("The revision that it went back to, if it did."),
    ]
}

pub fn endpoints() -> Vec<Endpoint> {
    let revisions = Resource {
        fields: fields(),
        filters: &["number", "checksum", "author", "restored_from"],
        beside: &["checksum"],
        sorts: &["number"],
        is_log: true,
        ..Resource::new("gateway.revisions", "revisions", "revision", SELECT, READ, READ)
    };
    revisions.endpoints()
}
