//! The declared tables as the database has them: all pieces of them, as PostgreSQL itself writes them.

use std::collections::BTreeMap;

use postgres::Client;
use postgres::types::Type;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::sql;

/// All tables of a schema, by their names.
pub(super) type Tables = BTreeMap<String, Table>;

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Table {
    pub comment: Option<String>,
    /// Row-level security is on, and those whom it guards may try.
    pub is_guarded: bool,
    /// In bytes, without its indexes.
    pub size: i64,
    #[serde(skip)]
    pub columns: BTreeMap<String, Column>,
    #[serde(skip)]
    pub pieces: BTreeMap<(Kind, String), Piece>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Column {
    #[serde(rename = "type")]
    pub kind: String,
    pub is_never_null: bool,
    pub default: Option<String>,
    pub comment: Option<String>,
    /// Whether those who only read may.
    pub is_readable: bool,
}

/// What a table has beside its columns, in the order in which it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Constraint,
    Reference,
    Index,
    Trigger,
    Policy,
}

/// One of them, with its definition.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Piece {
    pub text: String,
    /// A constraint that has been checked, or an index that was made to its end.
    pub is_valid: bool,
}

/// Reads the tables of a schema. What it is called there is left out of the definitions: they are those of schema app.
pub(super) fn read(client: &mut Client, schema: &str) -> Result<Tables> {
    // With nothing but its own schema in the path, PostgreSQL writes all names with theirs.
    client.batch_execute("SET LOCAL search_path = pg_catalog")?;
    let rows = client.query_typed(sql!("entities/catalogue").text, &[(&schema, Type::TEXT)])?;
    let mut tables = Tables::new();
    let odd = |error: serde_json::Error| Error::internal("the catalogue has an odd shape").because(error);
    for row in &rows {
        let (kind, table, name): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let mut definition: Value = row.get(3);
        if let Some(Value::String(text)) = definition.get_mut("text") {
            *text = text.replace(&format!("{schema}."), &format!("{}.", super::text::SCHEMA));
        }
        let entry = tables.entry(table.to_owned()).or_default();
        let kind = match kind {
            "table" => {
                let (columns, pieces) = (std::mem::take(&mut entry.columns), std::mem::take(&mut entry.pieces));
                let table: Table = serde_json::from_value(definition).map_err(odd)?;
                *entry = Table { columns, pieces, ..table };
                continue;
            }
            "column" => {
                entry.columns.insert(name.to_owned(), serde_json::from_value(definition).map_err(odd)?);
                continue;
            }
            "constraint" => Kind::Constraint,
            "reference" => Kind::Reference,
            "index" => Kind::Index,
            "trigger" => Kind::Trigger,
            _ => Kind::Policy,
        };
        entry.pieces.insert((kind, name.to_owned()), serde_json::from_value(definition).map_err(odd)?);
    }
    Ok(tables)
}
