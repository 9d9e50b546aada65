//! Applying what is pending.

use postgres::Client;

use super::files::{Migration, Migrations};
use super::lint::{self, Finding};
use super::script::{self, Script};
use super::{Event, Options, Outcome, Report, check_version, history, lock, plan};
use crate::error::Result;

/// Applies what is pending, in order. Where nothing is, this is one statement and no lock.
pub fn migrate(client: &mut Client, migrations: &Migrations, options: &Options, report: Report<'_>) -> Result<Outcome> {
    let applied = history::read(client)?.unwrap_or_default();
    if plan::plan(migrations, &applied, options.to)?.is_empty() {
        return Ok(Outcome { versions: Vec::new(), version: applied.last().map(|row| row.version) });
    }
    check_version(client)?;
    for warning in &migrations.warnings {
        report(Event::Warning(warning.clone()));
    }
    lock::hold(client, options.wait, report, |client, report| {
        // Whoever had the lock before may have done it all.
        let applied = match history::read(client)? {
            Some(applied) => applied,
            None => {
                history::create(client)?;
                Vec::new()
            }
        };
        let mut outcome = Outcome { versions: Vec::new(), version: applied.last().map(|row| row.version) };
        for migration in plan::plan(migrations, &applied, options.to)? {
            apply(client, migration, &outcome, options, report)?;
            outcome.versions.push(migration.version);
            outcome.version = Some(migration.version);
        }
        Ok(outcome)
    })
}

/// A migration that would be applied.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Preview {
    pub version: i64,
    pub name: String,
    pub file: String,
    pub sql: String,
    /// What the linter thinks of it.
    pub findings: Vec<Finding>,
}

/// What [`migrate`] would do. Changes nothing.
pub fn dry_run(client: &mut Client, migrations: &Migrations, options: &Options) -> Result<Vec<Preview>> {
    let applied = history::read(client)?.unwrap_or_default();
    let preview = |migration: &Migration| Preview {
        version: migration.version,
        name: migration.name.clone(),
        file: migration.file.name.clone(),
        sql: migration.file.text.clone(),
        findings: lint::file(&migration.file),
    };
    Ok(plan::plan(migrations, &applied, options.to)?.into_iter().map(preview).collect())
}

fn apply(
    client: &mut Client,
    migration: &Migration,
    before: &Outcome,
    options: &Options,
    report: Report<'_>,
) -> Result<()> {
    let (version, file) = (migration.version, &migration.file);
    report(Event::Starting { version, file: file.name.clone() });
    let record = |execution_ms: &str| history::insert(migration, execution_ms);
    let script = Script { file, record: &record, version: before.version };
    let execution_ms = script::run(client, &script, options, report)?;
    report(Event::Applied { version, file: file.name.clone(), execution_ms });
    Ok(())
}
