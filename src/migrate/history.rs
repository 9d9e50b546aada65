//! `public.schema_migrations`: what a database knows about its migrations.

use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{Client, Row};

use super::files::Migration;
use super::text::literal;
use crate::error::{Code, Error, Result};

/// Every column has a default: other systems' files enter themselves (`INSERT INTO schema_migrations (version, …)`),
/// and what they write is completed when the file has run.
const CREATE: &str = "
CREATE TABLE public.schema_migrations (
    version bigint PRIMARY KEY,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    checksum text NOT NULL DEFAULT '',
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT session_user,
    execution_ms bigint NOT NULL DEFAULT 0,
    rollback text
);
COMMENT ON TABLE public.schema_migrations IS 'The migrations that this database has: see mainstay migrate status';
";

const SELECT: &str = "
SELECT
    version,
    name,
    description,
    checksum,
    to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS applied_at,
    applied_by,
    execution_ms,
    rollback IS NOT NULL AS has_rollback
FROM public.schema_migrations
WHERE version >= 0 -- what is below is not from these files: see beside
ORDER BY version";

/// A row of the table. The text of the rollback stays where it is until it is needed.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    pub(super) version: i64,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) checksum: String,
    pub(super) applied_at: String,
    pub(super) applied_by: String,
    pub(super) execution_ms: i64,
    pub(super) has_rollback: bool,
}

/// What has been applied, by version; `None` if there is no table. One statement, no lock that anybody would notice.
pub(super) fn read(client: &mut Client) -> Result<Option<Vec<Applied>>> {
    match client.query_typed(SELECT, &[]) {
        Ok(rows) => rows.iter().map(applied).collect::<Result<_, _>>().map(Some).map_err(not_ours),
        Err(error) => match error.code() {
            Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
            Some(&(SqlState::UNDEFINED_COLUMN | SqlState::UNDEFINED_FUNCTION | SqlState::DATATYPE_MISMATCH)) => {
                Err(not_ours(error))
            }
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Err(Error::new(
                Code::InsufficientPermissions,
                "public.schema_migrations may not be read: connect as the role that migrated this database before",
            )
            .because(error)),
            _ => Err(error.into()),
        },
    }
}

/// Versions and checksums of what is not from the numbered files.
pub(super) fn read_beside(client: &mut Client) -> Result<Vec<(i64, String)>> {
    let query = "SELECT version, checksum FROM public.schema_migrations WHERE version < 0";
    let rows = client.query_typed(query, &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Makes the table.
pub(super) fn create(client: &mut Client) -> Result<()> {
    client.batch_execute(CREATE).map_err(|error| match error.code() {
        Some(&(SqlState::INSUFFICIENT_PRIVILEGE | SqlState::INVALID_SCHEMA_NAME)) => Error::new(
            Code::InsufficientPermissions,
            "public.schema_migrations cannot be made: the schema public must exist, and this role needs CREATE on it \
             (as its owner: GRANT CREATE ON SCHEMA public TO …)",
        )
        .because(error),
        _ => error.into(),
    })
}

/// The statement that enters a migration. `execution_ms` is SQL: where the file runs in the same transaction, its
/// beginning is `now()`.
pub(super) fn insert(migration: &Migration, execution_ms: &str) -> String {
    let rollback = migration.rollback.as_ref().map_or("NULL".to_owned(), |file| literal(&file.text));
    format!(
        "INSERT INTO public.schema_migrations (version, name, description, checksum, execution_ms, rollback) \
         VALUES ({}, {}, {}, {}, {execution_ms}, {rollback}) \
         ON CONFLICT (version) DO UPDATE SET name = EXCLUDED.name, description = EXCLUDED.description, \
         checksum = EXCLUDED.checksum, execution_ms = EXCLUDED.execution_ms, rollback = EXCLUDED.rollback",
        migration.version,
        literal(&migration.name),
        literal(&migration.description),
        literal(&migration.checksum),
    )
}

/// The statement that takes a migration out.
pub(super) fn delete(version: i64) -> String {
    format!("DELETE FROM public.schema_migrations WHERE version = {version}")
}

/// The stored text of the way back.
pub(super) fn rollback(client: &mut Client, version: i64) -> Result<Option<String>> {
    let query = "SELECT rollback FROM public.schema_migrations WHERE version = $1";
    let row = client.query_typed_opt(query, &[(&version, Type::INT8)])?;
    Ok(row.and_then(|row| row.get(0)))
}

fn applied(row: &Row) -> Result<Applied, postgres::Error> {
    Ok(Applied {
        version: row.try_get("version")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        checksum: row.try_get("checksum")?,
        applied_at: row.try_get("applied_at")?,
        applied_by: row.try_get("applied_by")?,
        execution_ms: row.try_get("execution_ms")?,
        has_rollback: row.try_get("has_rollback")?,
    })
}

fn not_ours(error: postgres::Error) -> Error {
    let message = "public.schema_migrations belongs to another tool: its columns are not mainstay's. Set it aside \
                   (ALTER TABLE public.schema_migrations RENAME TO schema_migrations_before), then say what the \
                   database already has: mainstay migrate baseline V";
    Error::new(Code::Conflict, message).because(error)
}
