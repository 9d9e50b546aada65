//! Several statements that happen together or not at all.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::Row;
use postgres::error::SqlState;

use super::connection::Connection;
use super::pool::{Held, Purpose};
use super::session::{Session, is_stale_statement, told};
use super::statement_log::StatementLog;
use super::statements::{Params, Statements, first_rows};
use crate::error::{Code, Error, Result};
use crate::sql::Query;

/// How often a transaction is run in all, when others are in its way.
const ATTEMPTS_MAX: u32 = 5;
/// The longest wait before the second attempt; it doubles from one to the next.
const BACKOFF: Duration = Duration::from_millis(10);

/// How much of each other concurrent transactions see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    #[default]
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// What kind of transaction it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransactionOptions {
    pub isolation: Isolation,
    pub is_read_only: bool,
    pub is_deferrable: bool,
    /// Everything is done, deferred constraints are checked, and then it is all rolled back.
    pub is_trial: bool,
}

impl TransactionOptions {
    fn begin(self) -> String {
        let isolation = match self.isolation {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        };
        let access = if self.is_read_only { "READ ONLY" } else { "READ WRITE" };
        let deferrable = if self.is_deferrable { " DEFERRABLE" } else { "" };
        format!("BEGIN ISOLATION LEVEL {isolation} {access}{deferrable}")
    }
}

/// A transaction that is open.
pub struct Transaction<'a> {
    held: &'a mut Held,
    log: (Arc<StatementLog>, Purpose),
    /// A statement failed, so PostgreSQL will answer a COMMIT with ROLLBACK.
    is_aborted: bool,
}

impl Statements for Transaction<'_> {
    fn all_of(&mut self, name: &str, text: Cow<'_, str>, params: Params<'_>) -> Result<Vec<Row>> {
        self.run(name, &text, |connection, statement| connection.client().query(statement, params))
    }

    fn first_of(&mut self, name: &str, text: &str, params: Params<'_>, bytes_max: usize) -> Result<(Vec<Row>, bool)> {
        self.run(name, text, |connection, statement| first_rows(connection, statement, params, bytes_max))
    }

    fn exec(&mut self, query: &Query, params: Params<'_>) -> Result<u64> {
        self.run(query.name, query.text, |connection, statement| connection.client().execute(statement, params))
    }
}

impl Transaction<'_> {
    /// Has the connection closed when it is given back, whatever becomes of the transaction.
    pub fn close_afterwards(&mut self) {
        self.held.connection().is_spent = true;
    }

    /// Has the server look at a statement without running it.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<()> {
        self.run(name, text, |_, _| Ok(()))
    }

    fn run<T>(
        &mut self,
        name: &str,
        text: &str,
        act: impl FnOnce(&mut Connection, &postgres::Statement) -> Result<T, postgres::Error>,
    ) -> Result<T> {
        let start = Instant::now();
        let time = self.held.pool().query_time();
        let connection = self.held.connection();
        connection.guard.allow(time);
        let result = connection.prepare(text).and_then(|statement| act(connection, &statement));
        self.log.0.note(name, start.elapsed(), self.log.1);
        result.map_err(|error| {
            self.is_aborted = true;
            self.held.connection().note(&error);
            if is_stale_statement(&error) {
                self.held.connection().forget_statements();
            }
            self.log.0.note_failure(&error);
            told(error, name)
        })
    }
}

impl Session {
    /// Runs `act` in a transaction and commits it. When others were in its way (a serialization failure, a deadlock, a
    /// statement prepared before a migration), all of it is run again; so is a transaction whose connection died before
    /// the commit was sent. Whoever gets an `Ok` can rely on the commit.
    pub fn transaction<T>(
        &mut self,
        options: TransactionOptions,
        mut act: impl FnMut(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt_transaction(options, &mut act) {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::NothingHappened(error)) => error,
            };
            if attempt == ATTEMPTS_MAX {
                return Err(error);
            }
            if self.is_lost() {
                self.replace()?;
            }
            std::thread::sleep(pause(attempt));
            attempt += 1;
        }
    }

    fn attempt_transaction<T>(
        &mut self,
        options: TransactionOptions,
        act: &mut impl FnMut(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T, Failure> {
        let log = self.log();
        if let Err(error) = self.batch(&options.begin()) {
            return Err(self.before_commit(error));
        }
        let held = self.held().map_err(Failure::Final)?;
        let mut transaction = Transaction { held, log, is_aborted: false };
        let result = act(&mut transaction);
        let is_aborted = transaction.is_aborted;
        match result {
            Ok(value) if !is_aborted && options.is_trial => self.end_trial().map(|()| value),
            Ok(value) if !is_aborted => self.commit(options).map(|()| value),
            Ok(_) => {
                self.roll_back();
                Err(Failure::Final(Error::internal("a statement of the transaction failed, so nothing was committed")))
            }
            Err(error) => {
                self.roll_back();
                Err(self.before_commit(error))
            }
        }
    }

    /// What an error before the commit means. Others in the way, and a connection that was lost, leave nothing behind.
    fn before_commit(&mut self, error: Error) -> Failure {
        let is_transient = match error.sql_state() {
            Some(state) => matches!(
                *state,
                SqlState::T_R_SERIALIZATION_FAILURE
                    | SqlState::T_R_DEADLOCK_DETECTED
                    | SqlState::FEATURE_NOT_SUPPORTED
                    | SqlState::INVALID_SQL_STATEMENT_NAME
            ),
            None => false,
        };
        let is_lost = self.is_lost() && error.code == Code::DatabaseUnavailable;
        if is_transient || is_lost { Failure::NothingHappened(error) } else { Failure::Final(error) }
    }

    /// Runs a command without parameters.
    fn batch(&mut self, text: &str) -> Result<()> {
        let (log, _) = self.log();
        let held = self.held()?;
        let time = held.pool().query_time();
        let connection = held.connection();
        connection.guard.allow(time);
        connection.client().batch_execute(text).map_err(|error| {
            connection.note(&error);
            log.note_failure(&error);
            told(error, text)
        })
    }

    fn end_trial(&mut self) -> Result<(), Failure> {
        let checked = self.batch("SET CONSTRAINTS ALL IMMEDIATE");
        self.roll_back();
        checked.map_err(|error| self.before_commit(error))
    }

    fn roll_back(&mut self) {
        // If it fails, the connection is closed, and the server rolls back by itself.
        let _ = self.batch("ROLLBACK");
    }

    fn commit(&mut self, options: TransactionOptions) -> Result<(), Failure> {
        let xid = match options.is_read_only {
            true => None,
            false => self.transaction_id().map_err(|error| self.before_commit(error))?,
        };
        let Err(error) = self.batch("COMMIT") else { return Ok(()) };
        match xid {
            // The server answered, and said no: a deferred constraint, or a serialization failure.
            _ if error.sql_state().is_some() && !self.is_lost() => {
                self.roll_back();
                Err(self.before_commit(error))
            }
            // It wrote nothing, so there is nothing to find out.
            None => Err(Failure::NothingHappened(error)),
            // Asking `pg_xact_status` would not help: after a crash or a failover PostgreSQL gives ids again whose WAL
            // never reached the disk, and what it says is then of somebody else's transaction.
            Some(_) => Err(Failure::Final(outcome_unknown(error))),
        }
    }

    /// The transaction's id, if it has written anything.
    fn transaction_id(&mut self) -> Result<Option<String>> {
        const QUERY: Query = crate::sql!("db/transaction_id");
        let held = self.held()?;
        let time = held.pool().query_time();
        let connection = held.connection();
        connection.guard.allow(time);
        let row = connection
            .prepare(QUERY.text)
            .and_then(|statement| connection.client().query_one(&statement, &[]))
            .map_err(|error| {
            connection.note(&error);
            told(error, QUERY.name)
        })?;
        Ok(row.get(0))
    }
}

/// The answer to COMMIT was lost, so nobody knows whether it happened.
fn outcome_unknown(lost: Error) -> Error {
    let message = "the connection was lost while committing, so it is not known whether the change was made; \
        look before you repeat it, or repeat it with the same Idempotency-Key";
    Error::database_unavailable(message).because(lost)
}

/// Why a transaction did not come about.
enum Failure {
    /// Nothing has been committed, and trying again may help.
    NothingHappened(Error),
    Final(Error),
}

/// A random time before the next attempt, longer from one to the next.
fn pause(attempt: u32) -> Duration {
    let random = uuid::Uuid::now_v7().as_bytes()[15];
    BACKOFF * (1 << attempt.min(6)) * u32::from(random) / 255
}
