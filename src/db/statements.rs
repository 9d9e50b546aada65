//! What runs statements: a session runs each for itself, a transaction all or none.

use std::borrow::Cow;

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use postgres::{Row, Statement};
use serde_json::Value;

use super::connection::Connection;
use crate::error::{Error, Result};
use crate::sql::Query;

/// Parameters of a statement.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Reads the rows of a statement as they come, and no further than that they are too long together. What the server has still
/// to say is passed over when the connection is used the next time.
pub(super) fn first_rows(
    connection: &mut Connection,
    statement: &Statement,
    params: Params<'_>,
    bytes_max: usize,
) -> Result<(Vec<Row>, bool), postgres::Error> {
    let mut rows = connection.client().query_raw(statement, params.iter().copied())?;
    let (mut first, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if bytes > bytes_max {
            return Ok((first, true));
        }
        bytes += row.raw_size_bytes();
        first.push(row);
    }
    Ok((first, false))
}

/// How often a statement is run when others are in its way.
const ATTEMPTS: usize = 3;

/// Runs a statement that is a transaction by itself, and again when others were in its way: then nothing of it has happened.
pub fn insist<T>(mut act: impl FnMut() -> Result<T>) -> Result<T> {
    let mut result = act();
    for _ in 1..ATTEMPTS {
        if result.as_ref().is_err_and(Error::is_transient) {
            result = act();
        }
    }
    result
}

/// Where statements run, for code that need not know whether others run with them.
pub trait Statements {
    /// All rows of a statement that was put together, under the name of its file.
    fn all_of(&mut self, name: &str, text: Cow<'_, str>, params: Params<'_>) -> Result<Vec<Row>>;

    /// The first rows of a statement, until they are more than so many bytes, and whether there are more of them. One row is
    /// always there, if there is one.
    fn first_of(&mut self, name: &str, text: &str, params: Params<'_>, bytes_max: usize) -> Result<(Vec<Row>, bool)>;

    /// Runs a statement whose rows do not matter, and answers how many there were.
    fn exec(&mut self, query: &Query, params: Params<'_>) -> Result<u64>;

    /// All rows of a statement.
    fn all(&mut self, query: &Query, params: Params<'_>) -> Result<Vec<Row>> {
        self.all_of(query.name, Cow::Borrowed(query.text), params)
    }

    /// The rows of a statement as the JSON that PostgreSQL makes of them.
    fn json(&mut self, query: &Query, params: Params<'_>) -> Result<Vec<Value>> {
        let text = format!("WITH q AS (\n{}\n)\nSELECT to_json(q.*) FROM q", query.text);
        let rows = self.all_of(query.name, Cow::Owned(text), params)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The row of a statement that has one or none.
    fn maybe(&mut self, query: &Query, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.all(query, params)?.into_iter().next())
    }

    /// The one row of a statement that always has one.
    fn one(&mut self, query: &Query, params: Params<'_>) -> Result<Row> {
        let row = self.maybe(query, params)?;
        row.ok_or_else(|| Error::internal(format!("{} answered no row", query.name)))
    }
}
