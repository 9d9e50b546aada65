//! What a failed `CREATE INDEX CONCURRENTLY` leaves: an INVALID index, which costs every write and serves no read, and
//! which `IF NOT EXISTS` takes for the real one.

use postgres::Client;
use postgres::types::Type;

use super::statement::Statement;
use crate::error::{Code, Error, Result};

const SELECT: &str = "
SELECT
    format('%I.%I', namespace.nspname, class.relname) AS name,
    progress.pid AS builder
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_stat_progress_create_index AS progress ON progress.index_relid = index.indexrelid
WHERE index.indrelid = to_regclass($1)
    AND NOT index.indisvalid
    AND class.relname::text = $2";

/// The INVALID index that has the name of the one which this statement builds.
pub(super) fn find(client: &mut Client, sql: &str, statement: &Statement) -> Result<Option<String>> {
    let Some(built) = statement.builds_concurrently(sql) else { return Ok(None) };
    let Some(index) = built.index else { return Ok(None) };
    let row = client.query_typed_opt(SELECT, &[(&built.table, Type::TEXT), (&index, Type::TEXT)])?;
    let Some(row) = row else { return Ok(None) };
    if let Some(builder) = row.get::<_, Option<i32>>("builder") {
        let message = format!(
            "the index {index} is being built by another session, process {builder}: wait until that is done, then run \
             this again"
        );
        return Err(Error::new(Code::Conflict, message));
    }
    Ok(Some(row.get("name")))
}

/// Drops it. Its name comes quoted from the catalogue.
pub(super) fn drop(client: &mut Client, name: &str) -> Result<(), postgres::Error> {
    client.batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"))
}
