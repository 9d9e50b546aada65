//! Other changes of the schema: those of declared tables, beside the numbered files. They share the lock, the way of being
//! run and the history with them; their versions are negative there, so that neither is in the other's way.

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::Client;

use super::files::{File, Migration, Migrations};
use super::script::{self, Script};
use super::text::{checksum, literal};
use super::{Event, Options, Report, history, lock, plan};
use crate::error::{Code, Error, Result};

/// Changes that no file names have versions below this; files of declared tables, those above it.
const UNNAMED: i64 = -1_000_000_000_000_000;

/// A change that somebody has worked out.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub sql: &'a str,
    /// Each statement by itself, as `CREATE INDEX CONCURRENTLY` wants it.
    pub is_outside_transaction: bool,
}

/// Does some work while this session is the only one that changes the schema.
pub fn alone<T>(
    client: &mut Client,
    wait: Duration,
    report: Report<'_>,
    work: impl FnOnce(&mut Client, Report<'_>) -> Result<T>,
) -> Result<T> {
    lock::hold(client, wait, report, work)
}

/// Runs a change and records it.
pub fn apply_change(client: &mut Client, change: &Change<'_>, options: &Options, report: Report<'_>) -> Result<()> {
    let file = File {
        name: change.name.to_owned(),
        text: change.sql.to_owned(),
        no_transaction: change.is_outside_transaction,
    };
    let record = |execution_ms: &str| {
        format!(
            "INSERT INTO public.schema_migrations (version, name, description, checksum, execution_ms) \
             SELECT least(min(version), {UNNAMED}) - 1, {}, {}, {}, {execution_ms} FROM public.schema_migrations",
            literal(change.name),
            literal(change.description),
            literal(&checksum(change.sql)),
        )
    };
    let execution_ms = script::run(client, &Script { file: &file, record: &record, version: None }, options, report)?;
    report(Event::Applied { version: 0, file: format!("{}: {}", change.name, change.description), execution_ms });
    Ok(())
}

/// The files of a folder that have not been applied.
fn pending<'a>(client: &mut Client, files: &'a Migrations) -> Result<Vec<&'a Migration>> {
    if files.list.is_empty() {
        return Ok(Vec::new());
    }
    let applied: BTreeMap<i64, String> = history::read_beside(client)?.into_iter().collect();
    let mut pending = Vec::new();
    for migration in &files.list {
        match applied.get(&-migration.version) {
            None if -migration.version <= UNNAMED => {
                let message = format!("{}: the number has too many digits", migration.file.name);
                return Err(Error::new(Code::ValidationError, message));
            }
            None => pending.push(migration),
            Some(checksum) if *checksum != migration.checksum => {
                let name = &migration.file.name;
                let message = format!("{name} was changed after it had been applied: put the change in a new file");
                return Err(Error::new(Code::Conflict, message));
            }
            Some(_) => {}
        }
    }
    Ok(pending)
}

pub fn has_pending(client: &mut Client, files: &Migrations) -> Result<bool> {
    Ok(!pending(client, files)?.is_empty())
}

/// Applies the files of a folder that have not been applied, in order.
pub fn apply_beside(client: &mut Client, files: &Migrations, options: &Options, report: Report<'_>) -> Result<()> {
    for migration in pending(client, files)? {
        plan::check(&migration.file)?;
        let entered = Migration { version: -migration.version, ..migration.clone() };
        let record = |execution_ms: &str| history::insert(&entered, execution_ms);
        let script = Script { file: &migration.file, record: &record, version: None };
        let execution_ms = script::run(client, &script, options, report)?;
        let file = migration.file.name.clone();
        report(Event::Applied { version: entered.version, file, execution_ms });
    }
    Ok(())
}
