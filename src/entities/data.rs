//! What the rows that are there have to say about a change.

use std::collections::BTreeMap;

use postgres::Client;

use super::catalogue::Table;
use super::text::quoted;
use super::widen::{Widening, widening};
use crate::error::Result;

/// The rows of a table, and how to see them as they are to be.
pub(super) struct Rows<'a> {
    /// As it is called in the database now, with its schema.
    pub table: String,
    /// What columns are called now, where that is not as they will be.
    pub columns: BTreeMap<String, String>,
    pub found: &'a Table,
    pub wanted: &'a Table,
}

impl Rows<'_> {
    pub fn are_none(&self, client: &mut Client) -> Result<bool> {
        exists(client, &format!("SELECT FROM {}", self.table)).map(|is_there| !is_there)
    }

    /// The rows with the columns that are wanted.
    pub fn as_wanted(&self) -> String {
        let column = |(name, column): (&String, &super::catalogue::Column)| {
            let (kind, new) = (&column.kind, quoted(name));
            match self.found.columns.get(name) {
                Some(known) if known.kind == *kind || widening(&known.kind, kind) != Widening::Refused => {
                    let old = self.columns.get(name).unwrap_or(name);
                    format!("{}::{kind} AS {new}", quoted(old))
                }
                _ => format!("({})::{kind} AS {new}", column.default.as_deref().unwrap_or("NULL")),
            }
        };
        let columns: Vec<String> = self.wanted.columns.iter().map(column).collect();
        format!("(SELECT {} FROM {}) AS t", columns.join(", "), self.table)
    }

    /// Whether there are rows for which a condition is not true.
    pub fn break_check(&self, client: &mut Client, check: &str) -> Result<bool> {
        exists(client, &format!("SELECT FROM {} WHERE NOT {check}", self.as_wanted()))
    }

    pub fn have_null(&self, client: &mut Client, column: &str) -> Result<bool> {
        exists(client, &format!("SELECT FROM {} WHERE t.{} IS NULL", self.as_wanted(), quoted(column)))
    }

    /// Whether there are several rows that a unique index, as it is defined behind its name, would have one of.
    pub fn have_twins(&self, client: &mut Client, index: &str) -> Result<bool> {
        let Some((_, rest)) = index.split_once(" (") else { return Ok(false) };
        let (columns, rest) = rest.split_once(')').unwrap_or((rest, ""));
        let only = rest.strip_prefix(" WHERE ").map_or(String::new(), |only| format!("{only} AND "));
        let are_set: Vec<String> = columns.split(", ").map(|column| format!("{column} IS NOT NULL")).collect();
        let query = format!(
            "SELECT FROM {} WHERE {only}{} GROUP BY {columns} HAVING count(*) > 1",
            self.as_wanted(),
            are_set.join(" AND ")
        );
        exists(client, &query)
    }

    /// Whether there are rows that refer to what is not there. `target` is the table as it is called now, if there is one.
    pub fn have_orphans(&self, client: &mut Client, column: &str, target: Option<&str>) -> Result<bool> {
        let column = quoted(column);
        let missing = match target {
            Some(target) => format!(" AND NOT EXISTS (SELECT FROM {target} AS r WHERE r.id = t.{column})"),
            None => String::new(),
        };
        exists(client, &format!("SELECT FROM {} WHERE t.{column} IS NOT NULL{missing}", self.as_wanted()))
    }
}

fn exists(client: &mut Client, query: &str) -> Result<bool> {
    Ok(client.query_typed_one(&format!("SELECT EXISTS ({query})"), &[])?.get(0))
}
