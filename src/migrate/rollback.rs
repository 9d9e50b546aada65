//! The way back: the newest first, each in a transaction of its own.

use postgres::Client;

use super::files::{File, Migrations};
use super::history::{self, Applied};
use super::script::{self, Script};
use super::{Event, Options, Outcome, Report, header, lock, plan};
use crate::error::{Code, Error, Result};

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// So many migrations.
    Steps(usize),
    /// Until this version is the newest.
    To(i64),
}

/// Undoes migrations. The file is used if there is one, and else the text that was stored when the migration was
/// applied. Before anything is undone, all ways back are there and have been checked.
pub fn rollback(
    client: &mut Client,
    migrations: &Migrations,
    target: Target,
    options: &Options,
    report: Report<'_>,
) -> Result<Outcome> {
    let applied = history::read(client)?.unwrap_or_default();
    if chosen(&applied, target)?.is_empty() {
        return Ok(Outcome { versions: Vec::new(), version: applied.last().map(|row| row.version) });
    }
    lock::hold(client, options.wait, report, |client, report| {
        let applied = history::read(client)?.unwrap_or_default();
        let mut files = Vec::new();
        for row in chosen(&applied, target)? {
            files.push((row.version, way_back(client, migrations, row)?));
        }
        let mut left: Vec<i64> = applied.iter().map(|row| row.version).collect();
        let mut outcome = Outcome::default();
        for (version, file) in files {
            report(Event::Starting { version, file: file.name.clone() });
            let record = |_: &str| history::delete(version);
            let script = Script { file: &file, record: &record, version: left.last().copied() };
            let execution_ms = script::run(client, &script, options, report)?;
            report(Event::RolledBack { version, file: file.name.clone(), execution_ms });
            outcome.versions.push(version);
            left.pop();
        }
        outcome.version = left.last().copied();
        Ok(outcome)
    })
}

/// The files that would undo migrations, the newest first.
pub(super) fn files(client: &mut Client, migrations: &Migrations, target: Target) -> Result<Vec<File>> {
    let applied = history::read(client)?.unwrap_or_default();
    chosen(&applied, target)?.into_iter().map(|row| way_back(client, migrations, row)).collect()
}

/// What is to be undone, the newest first.
fn chosen(applied: &[Applied], target: Target) -> Result<Vec<&Applied>> {
    match target {
        Target::Steps(steps) => Ok(applied.iter().rev().take(steps).collect()),
        Target::To(version) if applied.iter().any(|row| row.version == version) => {
            Ok(applied.iter().rev().take_while(|row| row.version > version).collect())
        }
        Target::To(version) => {
            let message = format!("the database does not have migration {version}: mainstay migrate status");
            Err(Error::new(Code::ValidationError, message))
        }
    }
}

/// The file that undoes a migration, checked.
fn way_back(client: &mut Client, migrations: &Migrations, row: &Applied) -> Result<File> {
    let version = row.version;
    let of_file = migrations.find(version).and_then(|migration| migration.rollback.clone());
    let file = match of_file {
        Some(file) => file,
        None => {
            let text = history::rollback(client, version)?.ok_or_else(|| {
                let message = format!(
                    "nothing was undone: migration {version} ({}) has no way back. Write {version:03}_rollback.sql",
                    row.name
                );
                Error::new(Code::Conflict, message)
            })?;
            let name = format!("{version:03}_rollback.sql (as stored)");
            let header = header::parse(&text)
                .map_err(|problem| Error::new(Code::ValidationError, format!("{name} {problem}")))?;
            File { name, text, no_transaction: header.no_transaction }
        }
    };
    plan::check(&file)?;
    Ok(file)
}
