//! What one does with a connection: run prepared statements, and see what came of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use postgres::Row;
use postgres::error::SqlState;

use super::connection::Connection;
use super::pool::{Held, Pool, Purpose};
use super::statement_log::StatementLog;
use super::statements::{Params, Statements, first_rows};
use crate::error::{Code, Error, Result};
use crate::sql::Query;

/// A connection for a while, and the rules for using it. When the connection has died, a session takes a fresh one.
pub struct Session {
    pool: Pool,
    /// None when it died and no other has been taken yet.
    held: Option<Held>,
    purpose: Purpose,
    log: Arc<StatementLog>,
}

impl Session {
    /// Takes a connection from a pool.
    pub fn new(pool: &Pool, purpose: Purpose, log: Arc<StatementLog>) -> Result<Session> {
        Ok(Session { pool: pool.clone(), held: Some(pool.take(purpose)?), purpose, log })
    }

    /// Runs one statement: prepared, timed, within its time, and again where that is harmless.
    fn run<T>(
        &mut self,
        name: &str,
        text: &str,
        mut act: impl FnMut(&mut Connection, &postgres::Statement) -> Result<T, postgres::Error>,
    ) -> Result<T> {
        let mut has_retried = false;
        loop {
            let start = Instant::now();
            let result = attempt(self.held()?, text, &mut act);
            self.log.note(name, start.elapsed(), self.purpose);
            let (error, is_sent) = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if has_retried || !self.recover(&error, !is_sent || is_select(text))? {
                self.log.note_failure(&error);
                return Err(told(error, name));
            }
            has_retried = true;
        }
    }

    /// Makes the session fit to run the statement again, and answers whether that is right: a statement that was sent
    /// and writes may have been run, whatever the connection died of.
    fn recover(&mut self, error: &postgres::Error, is_harmless: bool) -> Result<bool> {
        if is_stale_statement(error) {
            self.held()?.connection().forget_statements();
            return Ok(true);
        }
        let is_lost = self.is_lost() && !is_timed_out(error);
        if is_lost && is_harmless {
            self.replace()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The connection itself, for what has no method here.
    pub(super) fn held(&mut self) -> Result<&mut Held> {
        let held = match self.held.take() {
            Some(held) => held,
            None => self.pool.take(self.purpose)?,
        };
        Ok(self.held.insert(held))
    }

    /// Whether the connection has died.
    pub(super) fn is_lost(&mut self) -> bool {
        self.held.as_mut().is_none_or(|held| held.connection().is_closed())
    }

    /// Takes another connection instead of one that has died. That one goes back first: it has a place in the pool that
    /// others, and this very session, wait for.
    pub(super) fn replace(&mut self) -> Result<()> {
        self.pool.suspect();
        self.held = None;
        self.held().map(drop)
    }

    /// Where statements of this session are noted, and as whose.
    pub(super) fn log(&self) -> (Arc<StatementLog>, Purpose) {
        (self.log.clone(), self.purpose)
    }
}

/// Runs a statement once. An error comes with whether the statement itself had been sent.
fn attempt<T>(
    held: &mut Held,
    text: &str,
    act: &mut impl FnMut(&mut Connection, &postgres::Statement) -> Result<T, postgres::Error>,
) -> Result<T, (postgres::Error, bool)> {
    let time = held.pool().query_time();
    let connection = held.connection();
    connection.guard.allow(time);
    let (result, is_sent) = match connection.prepare(text) {
        Ok(statement) => (act(connection, &statement), true),
        Err(error) => (Err(error), false),
    };
    result.map_err(|error| {
        connection.note(&error);
        (error, is_sent)
    })
}

/// A statement that only reads is run once more if its connection dies under it.
impl Statements for Session {
    fn all_of(&mut self, name: &str, text: Cow<'_, str>, params: Params<'_>) -> Result<Vec<Row>> {
        self.run(name, &text, |connection, statement| connection.client().query(statement, params))
    }

    fn first_of(&mut self, name: &str, text: &str, params: Params<'_>, bytes_max: usize) -> Result<(Vec<Row>, bool)> {
        self.run(name, text, |connection, statement| first_rows(connection, statement, params, bytes_max))
    }

    fn exec(&mut self, query: &Query, params: Params<'_>) -> Result<u64> {
        let act = |connection: &mut Connection, statement: &_| connection.client().execute(statement, params);
        self.run(query.name, query.text, act)
    }
}

/// The error as the client is told it.
pub(super) fn told(error: postgres::Error, name: &str) -> Error {
    if is_timed_out(&error) {
        return Error::new(Code::QueryTimeout, "the database did not answer in time").because(error);
    }
    let mut error = Error::from(error);
    if error.code == Code::InternalError {
        error.message = format!("{} ({name})", error.message);
    }
    error
}

/// Whether a prepared statement no longer fits the tables, or is gone: both mend themselves when it is prepared anew.
pub(super) fn is_stale_statement(error: &postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED | &SqlState::INVALID_SQL_STATEMENT_NAME))
}

/// Whether the guard of the connection gave up.
fn is_timed_out(error: &postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// Whether a statement plainly only reads. `WITH` may write, so it does not count.
fn is_select(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("--"));
    lines.next().is_some_and(|line| line.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select")))
}
