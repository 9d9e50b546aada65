//! What is to be applied: the files against what the database has. Where the two contradict each other, nothing is.

use std::fmt;

use super::files::{Migration, Migrations};
use super::history::Applied;
use super::statement;
use super::text::Place;
use crate::error::{Code, Error, Result};

/// How many problems a message lists; more would bury what to do.
const PROBLEMS_SHOWN: usize = 20;

/// A contradiction between the files and the database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// The file is not the one that was applied.
    Changed { version: i64, file: String, applied: String, now: String },
    /// No file has this version. The database may be ahead of the files.
    Unknown { version: i64, name: String, is_newest: bool },
    /// A file that came late: newer ones have been applied.
    OutOfOrder { version: i64, file: String, newest: i64, next: i64 },
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Changed { version, file, applied, now } => write!(
                formatter,
                "{file} was changed after it had been applied (SHA-256 {} then, {} now): bring the old text back and \
                 put the change in a new migration; or, if the change is only in the text, accept it with: mainstay \
                 migrate repair {version} --reason \"…\"",
                short(applied),
                short(now),
            ),
            Problem::Unknown { version, name, is_newest: true } => write!(
                formatter,
                "the database has migration {version} ({name}), which is newer than all files: use the mainstay or the \
                 folder that has it, or undo it with: mainstay migrate rollback"
            ),
            Problem::Unknown { version, name, is_newest: false } => write!(
                formatter,
                "the database has migration {version} ({name}), and there is no such file: bring the file back"
            ),
            Problem::OutOfOrder { file, newest, next, .. } => write!(
                formatter,
                "{file} has not been applied, but {newest} has, which comes after it: rename it (and its rollback) to \
                 the next free number, {next}"
            ),
        }
    }
}

/// Every contradiction, by version.
pub(super) fn problems(files: &Migrations, applied: &[Applied]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let newest_file = files.newest();
    for row in applied {
        match files.find(row.version) {
            None => problems.push(Problem::Unknown {
                version: row.version,
                name: row.name.clone(),
                is_newest: newest_file.is_none_or(|newest| row.version > newest),
            }),
            Some(migration) if migration.checksum != row.checksum => problems.push(Problem::Changed {
                version: row.version,
                file: migration.file.name.clone(),
                applied: row.checksum.clone(),
                now: migration.checksum.clone(),
            }),
            Some(_) => {}
        }
    }
    if let Some(newest) = applied.last().map(|row| row.version) {
        let next = newest_file.unwrap_or(newest).max(newest) + 1;
        for migration in pending(files, applied).filter(|migration| migration.version < newest) {
            let file = migration.file.name.clone();
            problems.push(Problem::OutOfOrder { version: migration.version, file, newest, next });
        }
    }
    problems
}

/// The files that have not been applied, in order.
pub(super) fn pending<'a>(files: &'a Migrations, applied: &[Applied]) -> impl Iterator<Item = &'a Migration> {
    let is_applied = |version: i64| applied.binary_search_by_key(&version, |row| row.version).is_ok();
    files.list.iter().filter(move |migration| !is_applied(migration.version))
}

/// What is to be applied, up to `to`; or why nothing can be.
pub(super) fn plan<'a>(files: &'a Migrations, applied: &[Applied], to: Option<i64>) -> Result<Vec<&'a Migration>> {
    let problems = problems(files, applied);
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(PROBLEMS_SHOWN);
        let mut lines: Vec<String> = problems.iter().take(PROBLEMS_SHOWN).map(Problem::to_string).collect();
        if more > 0 {
            lines.push(format!("… and {more} more: mainstay migrate status"));
        }
        let message = format!("nothing was applied: files and database disagree:\n  {}", lines.join("\n  "));
        return Err(Error::new(Code::Conflict, message));
    }
    if let Some(to) = to {
        if files.find(to).is_none() {
            return Err(Error::new(
                Code::ValidationError,
                format!("there is no migration {to}: mainstay migrate status"),
            ));
        }
        if let Some(newest) = applied.last().map(|row| row.version).filter(|newest| *newest > to) {
            let message = format!(
                "the database is at version {newest}, after {to}: to go back there: mainstay migrate rollback --to {to}"
            );
            return Err(Error::new(Code::Conflict, message));
        }
    }
    let pending: Vec<&Migration> =
        pending(files, applied).filter(|migration| to.is_none_or(|to| migration.version <= to)).collect();
    for migration in &pending {
        check(&migration.file)?;
        migration.rollback.as_ref().map_or(Ok(()), check)?;
    }
    Ok(pending)
}

/// Refuses a file with statements that no migration may have.
pub(super) fn check(file: &super::files::File) -> Result<()> {
    let result = statement::split(&file.text)
        .and_then(|statements| statement::check(&file.text, &statements, !file.no_transaction));
    result.map_err(|fault| {
        let Place { line, column } = Place::of(&file.text, fault.at);
        let message = format!("{}:{line}:{column}: {}. Nothing was applied.", file.name, fault.message);
        Error::new(Code::ValidationError, message)
    })
}

/// As much of a checksum as people compare.
fn short(checksum: &str) -> &str {
    checksum.get(..12).unwrap_or(checksum)
}
