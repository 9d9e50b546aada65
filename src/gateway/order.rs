//! temporary: replaced by the snapshot's order
use std::borrow::Cow;

use super::pattern::{self, Segment};
use super::routes::SELECT;
use crate::db::Statements;
use crate::error::Result;

/// All enabled routes as objects, in the order in which they are tried.
pub fn enabled(statements: &mut dyn Statements) -> Result<Vec<String>> {
    let text =
        format!("SELECT t.path, t.name, to_json(t)::text AS object FROM (\n{}\n) AS t WHERE t.enabled", SELECT.text);
    let rows = statements.all_of(SELECT.name, Cow::Owned(text), &[])?;
    let mut routes: Vec<(Vec<(u8, String)>, String, String)> = rows
        .iter()
        .map(|row| {
            let key = pattern::segments(row.get(0)).unwrap_or_default().into_iter().map(|segment| match segment {
                Segment::Literal(text) => (1, text.to_owned()),
                Segment::Parameter(_) => (2, String::new()),
                Segment::Rest => (3, String::new()),
            });
            (key.collect(), row.get(1), row.get(2))
        })
        .collect();
    routes.sort();
    Ok(routes.into_iter().map(|(_, _, object)| object).collect())
}
