//! `expand=customer`: rows with the rows that they refer to, all in the one statement.

use std::borrow::Cow;

use postgres::Row;
use serde_json::json;
use uuid::Uuid;

use super::{Engine, Resource};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, record};
use crate::http::{Call, Parameter, Permission, Query};

/// A reference that can be followed.
pub struct Expansion {
    /// What it is called in `expand=` and in the reply.
    pub name: &'static str,
    /// The column with the id.
    pub column: &'static str,
    /// The statement that reads what it refers to, and its fields.
    pub select: crate::sql::Query,
    pub fields: Vec<Field>,
    /// What one must be allowed to see it.
    pub read: Permission,
}

/// The rows of a statement, each with what it refers to. They stay in their order.
pub(super) fn with(rows: String, expansions: &[&Expansion]) -> String {
    if expansions.is_empty() {
        return rows;
    }
    let column = |expansion: &&Expansion| {
        format!(
            ", (SELECT to_json(e.*) FROM (\n{}\n) AS e WHERE e.id = r.\"{}\") AS \"{}\"",
            expansion.select.text, expansion.column, expansion.name
        )
    };
    let columns: String = expansions.iter().map(column).collect();
    format!("SELECT r.*{columns} FROM (\n{rows}\n) AS r")
}

impl Engine {
    /// Whether a word of the query string is this one.
    pub(super) fn is_expand(&self, name: &str) -> bool {
        name == "expand" && !self.resource.expansions.is_empty()
    }

    /// What is to be expanded, if the caller may see it.
    pub(super) fn expansions(&self, call: &Call<'_, '_>, query: &Query<'_>) -> Result<Vec<&Expansion>> {
        let names = if self.resource.expansions.is_empty() { None } else { query.one("expand")? };
        let mut wanted: Vec<&Expansion> = Vec::new();
        for name in names.into_iter().flat_map(|names| names.split(',')).map(str::trim) {
            let known = &self.resource.expansions;
            let Some(expansion) = known.iter().find(|expansion| expansion.name == name) else {
                let known: Vec<&str> = known.iter().map(|expansion| expansion.name).collect();
                let message = format!("expand: {name:?} is not known; there are {}", known.join(", "));
                return Err(Error::new(Code::MalformedRequest, message));
            };
            if !call.caller()?.may(expansion.read) {
                let message = format!("expand={name} needs the permission {}", expansion.read.name);
                return Err(Error::new(Code::InsufficientPermissions, message));
            }
            if !wanted.iter().any(|other| other.name == expansion.name) {
                wanted.push(expansion);
            }
        }
        Ok(wanted)
    }

    pub(super) fn find_expanded(
        &self,
        statements: &mut dyn Statements,
        id: Uuid,
        expansions: &[&Expansion],
    ) -> Result<Option<Row>> {
        let rows = format!("SELECT * FROM (\n{}\n) AS t WHERE t.id = $1", self.resource.select.text);
        let version = if self.resource.is_log { "NULL::integer" } else { "q.version" };
        let text = format!("SELECT to_json(q.*)::text, {version} FROM ({}) AS q", with(rows, expansions));
        let rows = statements.all_of(self.resource.select.name, Cow::Owned(text), &[&id])?;
        Ok(rows.into_iter().next())
    }

    pub(super) fn expand_parameter(&self) -> Option<Parameter> {
        let names: Vec<&str> = self.resource.expansions.iter().map(|expansion| expansion.name).collect();
        let items = json!({ "type": "string", "enum": names });
        let schema = json!({ "type": "array", "items": items, "minItems": 1 });
        (!names.is_empty()).then(|| Parameter::new("expand", "References to follow, with commas between them.", schema))
    }
}

impl Resource {
    /// The fields of replies: its own, and those that may be asked for.
    pub fn shown_fields(&self) -> Vec<Field> {
        let expanded = self.expansions.iter().map(|expansion| {
            let help = format!("What {} refers to, with expand={}.", expansion.column, expansion.name);
            record(expansion.name, expansion.fields.clone()).read_only().sometimes().help(help)
        });
        self.all_fields().into_iter().chain(expanded).collect()
    }
}
