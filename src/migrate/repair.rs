//! Bringing files and database to agree by hand: a changed file is accepted, or an existing database is declared.

use postgres::Client;
use postgres::types::Type;

use super::files::Migrations;
use super::{Options, Report, history, lock};
use crate::error::{Code, Error, Result};

/// Made when it is first needed.
const CREATE: &str = "
CREATE TABLE IF NOT EXISTS public.schema_migration_repairs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version bigint NOT NULL,
    file text NOT NULL,
    checksum_before text NOT NULL,
    checksum_after text NOT NULL,
    reason text NOT NULL,
    repaired_at timestamptz NOT NULL DEFAULT now(),
    repaired_by text NOT NULL DEFAULT session_user
)";

/// The change and its record, together or not at all.
const UPDATE: &str = "
WITH repaired AS (
    UPDATE public.schema_migrations
    SET checksum = $2, name = $3, description = $4, rollback = $5
    WHERE version = $1
)
INSERT INTO public.schema_migration_repairs (version, file, checksum_before, checksum_after, reason)
VALUES ($1, $6, $7, $2, $8)
RETURNING repaired_by";

/// A changed file that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Repair {
    pub version: i64,
    pub file: String,
    pub checksum_before: String,
    pub checksum_after: String,
    pub reason: String,
    pub by: String,
}

/// Accepts the text that an applied migration's file has now. Runs nothing of it.
pub fn repair(
    client: &mut Client,
    migrations: &Migrations,
    version: i64,
    reason: &str,
    options: &Options,
    report: Report<'_>,
) -> Result<Repair> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Error::new(Code::ValidationError, "a repair needs a reason: it is recorded"));
    }
    let migration = migrations
        .find(version)
        .ok_or_else(|| Error::new(Code::ValidationError, format!("there is no file of migration {version}")))?;
    lock::hold(client, options.wait, report, |client, _| {
        let applied = history::read(client)?.unwrap_or_default();
        let row = applied.iter().find(|row| row.version == version).ok_or_else(|| {
            let message = format!("migration {version} has not been applied: there is nothing to repair");
            Error::new(Code::Conflict, message)
        })?;
        if row.checksum == migration.checksum {
            let message = format!("{} is the file that was applied: there is nothing to repair", migration.file.name);
            return Err(Error::new(Code::Conflict, message));
        }
        let mut transaction = client.transaction()?;
        transaction.batch_execute(CREATE)?;
        let rollback = migration.rollback.as_ref().map(|file| file.text.as_str());
        let row_of_repair = transaction.query_typed_one(
            UPDATE,
            &[
                (&version, Type::INT8),
                (&migration.checksum, Type::TEXT),
                (&migration.name, Type::TEXT),
                (&migration.description, Type::TEXT),
                (&rollback, Type::TEXT),
                (&migration.file.name, Type::TEXT),
                (&row.checksum, Type::TEXT),
                (&reason, Type::TEXT),
            ],
        )?;
        let by = row_of_repair.get(0);
        transaction.commit()?;
        Ok(Repair {
            version,
            file: migration.file.name.clone(),
            checksum_before: row.checksum.clone(),
            checksum_after: migration.checksum.clone(),
            reason: reason.to_owned(),
            by,
        })
    })
}

/// What was declared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Baseline {
    pub version: i64,
    /// All versions that count as applied now.
    pub versions: Vec<i64>,
}

/// Declares that an existing database is at a version: all files up to it count as applied, and none of them is run.
pub fn baseline(
    client: &mut Client,
    migrations: &Migrations,
    version: i64,
    options: &Options,
    report: Report<'_>,
) -> Result<Baseline> {
    if migrations.find(version).is_none() {
        return Err(Error::new(Code::ValidationError, format!("there is no file of migration {version}")));
    }
    lock::hold(client, options.wait, report, |client, _| {
        let applied = history::read(client)?;
        if let Some(newest) = applied.as_ref().and_then(|rows| rows.last()) {
            let message = format!(
                "the database is at version {} already: a baseline is for one that has no migrations yet",
                newest.version
            );
            return Err(Error::new(Code::Conflict, message));
        }
        if applied.is_none() {
            history::create(client)?;
        }
        let declared = migrations.list.iter().filter(|migration| migration.version <= version);
        let mut batch = "BEGIN; ".to_owned();
        let mut versions = Vec::new();
        for migration in declared {
            batch.push_str(&history::insert(migration, "0"));
            batch.push_str("; ");
            versions.push(migration.version);
        }
        batch.push_str("COMMIT");
        if let Err(error) = client.batch_execute(&batch) {
            client.batch_execute("ROLLBACK")?;
            return Err(error.into());
        }
        Ok(Baseline { version, versions })
    })
}
