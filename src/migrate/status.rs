//! Where a database stands, as rows for a table.

use postgres::Client;

use super::files::Migrations;
use super::history;
use super::plan::{self, Problem};
use crate::error::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Applied,
    Pending,
    /// Applied, and the file was changed since.
    Changed,
    /// Applied, and there is no file.
    Unknown,
}

/// What the whole of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Current,
    Pending,
    /// Files and database disagree; nothing will be applied until they agree.
    Diverged,
}

impl Standing {
    /// The exit code under `--exit-code`.
    pub fn exit_code(self) -> u8 {
        match self {
            Standing::Current => 0,
            Standing::Pending => 1,
            Standing::Diverged => 2,
        }
    }
}

/// A migration, in a file or in the database or in both.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Row {
    pub version: i64,
    /// The version as the file's name writes it.
    pub number: String,
    pub name: String,
    pub description: String,
    pub state: State,
    /// In UTC, as ISO 8601 writes it.
    pub applied_at: Option<String>,
    pub applied_by: Option<String>,
    pub execution_ms: Option<i64>,
    /// Whether there is a way back, in a file or in the database.
    pub has_rollback: bool,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct Status {
    pub standing: Standing,
    /// The newest version that the database has.
    pub version: Option<i64>,
    pub pending: usize,
    pub rows: Vec<Row>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<String>,
}

/// Compares files and database. Changes nothing and takes no lock.
pub fn status(client: &mut Client, migrations: &Migrations) -> Result<Status> {
    let applied = history::read(client)?.unwrap_or_default();
    let problems = plan::problems(migrations, &applied);
    let mut rows: Vec<Row> = Vec::new();
    for row in &applied {
        let file = migrations.find(row.version);
        let state = match file {
            None => State::Unknown,
            Some(migration) if migration.checksum != row.checksum => State::Changed,
            Some(_) => State::Applied,
        };
        rows.push(Row {
            version: row.version,
            number: file.map_or_else(|| format!("{:03}", row.version), |migration| migration.number.clone()),
            name: row.name.clone(),
            description: row.description.clone(),
            state,
            applied_at: Some(row.applied_at.clone()),
            applied_by: Some(row.applied_by.clone()),
            execution_ms: Some(row.execution_ms),
            has_rollback: row.has_rollback || file.is_some_and(|migration| migration.rollback.is_some()),
        });
    }
    for migration in plan::pending(migrations, &applied) {
        rows.push(Row {
            version: migration.version,
            number: migration.number.clone(),
            name: migration.name.clone(),
            description: migration.description.clone(),
            state: State::Pending,
            applied_at: None,
            applied_by: None,
            execution_ms: None,
            has_rollback: migration.rollback.is_some(),
        });
    }
    rows.sort_by_key(|row| row.version);
    let pending = rows.len() - applied.len();
    let standing = match (problems.is_empty(), pending) {
        (false, _) => Standing::Diverged,
        (true, 0) => Standing::Current,
        (true, _) => Standing::Pending,
    };
    let version = applied.last().map(|row| row.version);
    Ok(Status { standing, version, pending, rows, problems, warnings: migrations.warnings.clone() })
}
