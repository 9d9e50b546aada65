//! One file, run: in a transaction together with its entry in the history, or statement by statement without one.
//!
//! A file is first sent as a whole, in one round trip. PostgreSQL does not always say where in it an error was; then the
//! file is sent once more, statement by statement, so that the failure can be shown in its place.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::error::{ErrorPosition, SqlState};

use super::failure::Failure;
use super::files::File;
use super::statement::{self, Statement};
use super::text::byte_of;
use super::{Event, Options, Report, blockers, invalid_index, lock};
use crate::error::{Code, Error, Result};

/// A file that took longer to fail is not run a second time to learn which statement it was.
const LOOK_CLOSER_MAX: Duration = Duration::from_secs(10);

/// Undoes what a file has set in the session, and was not `SET LOCAL`: the next one starts as this one did.
const RESET: &str = "RESET ALL; RESET SESSION AUTHORIZATION; RESET ROLE";

/// How long the transaction has been going on, in SQL.
const ELAPSED_MS: &str = "(extract(epoch FROM clock_timestamp() - now()) * 1000)::bigint";

/// A file and what goes with it.
pub(super) struct Script<'a> {
    pub(super) file: &'a File,
    /// The statement that records it in the history, given the time it took, in SQL.
    pub(super) record: &'a dyn Fn(&str) -> String,
    /// The database's version before, for messages.
    pub(super) version: Option<i64>,
}

/// Runs it, and says how many milliseconds it took.
pub(super) fn run(client: &mut Client, script: &Script<'_>, options: &Options, report: Report<'_>) -> Result<i64> {
    let statements = statement::split(&script.file.text)
        .map_err(|fault| Error::internal(format!("{}: {}", script.file.name, fault.message)))?;
    let begun = Instant::now();
    let run = Run { script, statements, options };
    match script.file.no_transaction {
        true => run.without_transaction(client, report, begun)?,
        false => run.in_transaction(client, report)?,
    }
    Ok(milliseconds(begun))
}

struct Run<'a> {
    script: &'a Script<'a>,
    statements: Vec<Statement>,
    options: &'a Options,
}

/// An error, and what is known of its place.
struct Stop {
    error: postgres::Error,
    /// The byte in the file.
    byte: Option<usize>,
    context: Option<&'static str>,
}

impl Run<'_> {
    fn in_transaction(&self, client: &mut Client, report: Report<'_>) -> Result<()> {
        let mut attempt = 1;
        let mut in_steps = false;
        loop {
            let begun = Instant::now();
            let result = if in_steps { self.steps(client) } else { self.batch(client) };
            let Err(stop) = result else { return Ok(()) };
            // The failed transaction is still open, unless the connection is gone.
            if is_gone(client, &stop.error) || client.batch_execute("ROLLBACK").is_err() {
                return Err(self.lost(stop.error));
            }
            if is_passing(&stop.error) && attempt < self.options.attempts {
                self.pause(client, attempt, &stop.error, &self.statements, report);
                attempt += 1;
                in_steps = true;
            } else if !in_steps && stop.byte.is_none() && begun.elapsed() < LOOK_CLOSER_MAX {
                in_steps = true;
            } else {
                let version = self.script.version.map_or("empty".to_owned(), |it| format!("at version {it}"));
                let outcome = format!("Nothing of this file was applied; the database is {version}.");
                return Err(self.failed(client, stop, &outcome, attempt));
            }
        }
    }

    /// Everything in one round trip.
    fn batch(&self, client: &mut Client) -> Result<(), Stop> {
        let text = &self.script.file.text;
        let begin = self.begin();
        let record = (self.script.record)(ELAPSED_MS);
        let batch = format!("{begin}{text}\n;{RESET}; {record}; COMMIT");
        client.batch_execute(&batch).map_err(|error| {
            let byte = position(&error).map(|character| byte_of(&batch, character));
            let byte = byte.and_then(|byte| byte.checked_sub(begin.len())).filter(|byte| *byte < text.len());
            Stop { error, byte, context: None }
        })
    }

    /// The same in a round trip for each statement.
    fn steps(&self, client: &mut Client) -> Result<(), Stop> {
        let at = |byte, context| move |error| Stop { error, byte: Some(byte), context };
        client.batch_execute(&self.begin()).map_err(at(0, None))?;
        for statement in &self.statements {
            self.execute(client, statement)?;
        }
        let last = self.statements.last().map_or(0, |statement| statement.range.start);
        let record = format!("{RESET}; {}", (self.script.record)(ELAPSED_MS));
        client.batch_execute(&record).map_err(at(last, Some("entering it in public.schema_migrations")))?;
        client.batch_execute("COMMIT").map_err(at(last, Some("COMMIT, where deferred constraints are checked")))
    }

    fn without_transaction(&self, client: &mut Client, report: Report<'_>, begun: Instant) -> Result<()> {
        let lock_timeout = self.options.lock_timeout_concurrent.as_millis();
        client.batch_execute(&format!(
            "SET lock_timeout = {lock_timeout}; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
        ))?;
        let mut result = Ok(());
        for statement in &self.statements {
            result = self.alone(client, statement, report);
            if result.is_err() {
                break;
            }
        }
        let reset = client.batch_execute(RESET);
        result?;
        reset?;
        let record = (self.script.record)(&milliseconds(begun).to_string());
        client.batch_execute(&record).map_err(Error::from)
    }

    /// A statement without a transaction around it.
    fn alone(&self, client: &mut Client, statement: &Statement, report: Report<'_>) -> Result<()> {
        let mut attempt = 1;
        loop {
            let result = match invalid_index::find(client, &self.script.file.text, statement)? {
                None => Ok(()),
                Some(index) => invalid_index::drop(client, &index).map(|()| {
                    let file = self.script.file.name.clone();
                    report(Event::DroppedInvalidIndex { file, index });
                }),
            };
            let place = statement.range.start;
            let stopped = |error| Stop { error, byte: Some(place), context: None };
            let result = result.map_err(stopped).and_then(|()| self.execute(client, statement));
            let Err(stop) = result else { return Ok(()) };
            if is_gone(client, &stop.error) {
                return Err(self.lost(stop.error));
            }
            if is_passing(&stop.error) && attempt < self.options.attempts {
                self.pause(client, attempt, &stop.error, std::slice::from_ref(statement), report);
                attempt += 1;
                continue;
            }
            let mut outcome = "It runs without a transaction: the statements before this one have been applied, and \
                               the file has not been entered as applied. Write each statement so that it may run \
                               twice (IF NOT EXISTS), and run this again."
                .to_owned();
            if let Ok(Some(index)) = invalid_index::find(client, &self.script.file.text, statement) {
                outcome.push_str(&format!(" The INVALID index {index} is left; the next run drops it first."));
            }
            return Err(self.failed(client, stop, &outcome, attempt));
        }
    }

    fn execute(&self, client: &mut Client, statement: &Statement) -> Result<(), Stop> {
        let sql = &self.script.file.text[statement.range.clone()];
        client.batch_execute(sql).map_err(|error| {
            let byte = position(&error).map_or(0, |character| byte_of(sql, character));
            Stop { error, byte: Some(statement.range.start + byte), context: None }
        })
    }

    fn begin(&self) -> String {
        let lock_timeout = self.options.lock_timeout.as_millis();
        format!(
            "BEGIN; SET LOCAL lock_timeout = {lock_timeout}; SET LOCAL statement_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = 0; "
        )
    }

    fn pause(
        &self,
        client: &mut Client,
        attempt: u32,
        error: &postgres::Error,
        statements: &[Statement],
        report: Report<'_>,
    ) {
        let doubled = self.options.pause.saturating_mul(1 << (attempt - 1).min(16));
        let pause = lock::jitter(doubled.min(Options::PAUSE_MAX));
        report(Event::Retrying {
            file: self.script.file.name.clone(),
            attempt,
            pause,
            reason: error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()),
            holders: blockers::of_statements(client, &self.script.file.text, statements),
        });
        thread::sleep(pause);
    }

    fn failed(&self, client: &mut Client, stop: Stop, outcome: &str, attempts: u32) -> Error {
        let file = self.script.file;
        let mut failure = Failure::new(&file.name, &file.text, stop.byte.unwrap_or(0), &stop.error);
        if let Some(context) = stop.context {
            failure.context = Some(context.to_owned());
        }
        let mut outcome = outcome.to_owned();
        if stop.error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            let holders = blockers::list(&blockers::of_statements(client, &file.text, &self.statements));
            let holders = if holders.is_empty() { "a session that is gone by now".to_owned() } else { holders };
            outcome = format!(
                "The lock could not be had in {attempts} attempts. It was held by {holders}: end that transaction, or \
                 run this when it is over.\n{outcome}"
            );
        }
        failure.into_error(&outcome, stop.error)
    }

    fn lost(&self, error: postgres::Error) -> Error {
        let message = format!(
            "{}: the connection to the database was lost. Run this again: it goes on with what was not completed",
            self.script.file.name
        );
        Error::new(Code::DatabaseUnavailable, message).because(error)
    }
}

/// Errors that come from what others do at the moment.
fn is_passing(error: &postgres::Error) -> bool {
    let passing = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
    error.code().is_some_and(|code| passing.contains(code))
}

/// Whether the server has ended the session. The driver learns of it only a moment later.
fn is_gone(client: &Client, error: &postgres::Error) -> bool {
    let endings = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT];
    client.is_closed() || error.code().is_none_or(|code| endings.contains(code))
}

/// The character of the sent text at which PostgreSQL saw the error, counted from 0.
fn position(error: &postgres::Error) -> Option<usize> {
    match error.as_db_error()?.position()? {
        ErrorPosition::Original(position) => (*position as usize).checked_sub(1),
        ErrorPosition::Internal { .. } => None,
    }
}

fn milliseconds(begun: Instant) -> i64 {
    i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX)
}
