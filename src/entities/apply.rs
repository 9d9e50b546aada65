//! Planning and doing, one server at a time, and each change recorded beside the migrations.

use std::path::{Path, PathBuf};

use postgres::Client;
use postgres::types::Type;

use super::Entities;
use super::catalogue::{self, Piece, Tables};
use super::declaration::{Entity, Type as FieldType};
use super::diff::{self, Sides};
use super::plan::Plan;
use super::table::{create, references};
use super::text::SCHEMA;
use crate::error::{Code, Error, Result};
use crate::migrate::{self, Options, OtherChange, Report};
use crate::sql::Json;

/// The folder of what is to be done by hand, beside the declarations.
const FOLDER: &str = "migrations";

/// What there is to do. Changes nothing: what it makes to see what PostgreSQL writes of it, it takes back.
pub fn plan(client: &mut Client, entities: &Entities) -> Result<Plan> {
    client.batch_execute("BEGIN; SET LOCAL lock_timeout = '3s'")?;
    let result = plan_in_transaction(client, &entities.list);
    // An aborted transaction ends just so; if this fails, the connection is gone.
    let ended = client.batch_execute("ROLLBACK");
    let plan = result?;
    ended?;
    Ok(plan)
}

fn plan_in_transaction(client: &mut Client, entities: &[Entity]) -> Result<Plan> {
    let known = known(client)?;
    let found = catalogue::read(client, SCHEMA)?;
    let wanted = wanted(client, entities)?;
    diff::plan(client, Sides { entities, wanted: &wanted, found, known })
}

/// The entities that tables were last made or changed for.
fn known(client: &mut Client) -> Result<Vec<String>> {
    let rows = client.query_typed(crate::sql!("entities/definitions/names").text, &[]).map_err(|error| match error
        .code()
    {
        Some(&postgres::error::SqlState::UNDEFINED_TABLE) => {
            let message =
                "entities need mainstay's own migrations, which this database does not have: mainstay migrate";
            Error::database_unavailable(message).because(error)
        }
        _ => error.into(),
    })?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The tables as they are declared, as PostgreSQL sees them: made for a moment in a schema that nobody else sees.
fn wanted(client: &mut Client, entities: &[Entity]) -> Result<Tables> {
    let process: i32 = client.query_typed_one("SELECT pg_catalog.pg_backend_pid()", &[])?.get(0);
    let schema = format!("entities_wanted_{process}");
    check_patterns(client, entities)?;
    let statements: Vec<String> = entities.iter().flat_map(|entity| create(entity, entities, &schema)).collect();
    client.batch_execute(&format!(
        "SAVEPOINT wanted; SET LOCAL search_path = pg_catalog; CREATE SCHEMA {schema}; {}",
        statements.join(";\n")
    ))?;
    let mut tables = catalogue::read(client, &schema)?;
    client.batch_execute("ROLLBACK TO SAVEPOINT wanted")?;
    for entity in entities {
        let Some(table) = tables.get_mut(&entity.name) else { continue };
        for reference in references(entity) {
            let piece = Piece { text: reference.definition, is_valid: true };
            table.pieces.insert((catalogue::Kind::Reference, reference.constraint), piece);
        }
    }
    Ok(tables)
}

/// PostgreSQL looks at a regular expression only when there is a value.
fn check_patterns(client: &mut Client, entities: &[Entity]) -> Result<()> {
    for entity in entities {
        for field in &entity.fields {
            let FieldType::Text { pattern: Some(pattern), .. } = &field.kind else { continue };
            let query = format!("SELECT '' ~ {}", super::text::literal(pattern.text()));
            client.query_typed_one(&query, &[]).map_err(|error| {
                let reason = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
                let message = format!("{}: {}.pattern is not what PostgreSQL takes: {reason}", entity.file, field.name);
                Error::new(Code::ValidationError, message).because(error)
            })?;
        }
    }
    Ok(())
}

/// Makes the tables as they are declared, and answers what was done. What is to be done by hand, in files beside the
/// declarations, comes first.
pub fn migrate(client: &mut Client, entities: &Entities, options: &Options, report: Report<'_>) -> Result<Plan> {
    let files = by_hand(entities)?;
    if !migrate::has_pending(client, &files)? && plan(client, entities)?.is_empty() {
        write_definitions(client, &entities.list)?;
        return Ok(Plan::default());
    }
    migrate::alone(client, options.wait, report, |client, report| {
        migrate::apply_beside(client, &files, options, report)?;
        // Whoever was alone before may have done it all.
        let plan = plan(client, entities)?;
        refuse(&plan)?;
        for (name, steps, is_outside) in [("entities", &plan.steps, false), ("entities, later", &plan.later, true)] {
            if !steps.is_empty() {
                let (summary, sql) = (Plan::summary(steps), Plan::sql(steps));
                let change = OtherChange { name, description: &summary, sql: &sql, is_outside_transaction: is_outside };
                migrate::apply_change(client, &change, options, report)?;
            }
        }
        write_definitions(client, &entities.list)?;
        Ok(plan)
    })
}

/// Whether everything is as it is declared; the error says what is not.
pub fn check(client: &mut Client, entities: &Entities) -> Result<()> {
    let files = by_hand(entities)?;
    let plan = plan(client, entities)?;
    refuse(&plan)?;
    if migrate::has_pending(client, &files)? || !plan.is_empty() {
        let count = plan.steps.len() + plan.later.len();
        let message = format!("{count} changes of entities are pending: run `mainstay entity migrate`");
        return Err(Error::database_unavailable(message));
    }
    Ok(())
}

fn refuse(plan: &Plan) -> Result<()> {
    if plan.refusals.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        plan.refusals.iter().map(|it| format!("{}: will not {}: {}", it.table, it.what, it.why)).collect();
    let message = format!(
        "nothing was changed:\n  {}\n`mainstay entity plan --write` makes a migration for it, to be looked at and completed",
        lines.join("\n  ")
    );
    Err(Error::new(Code::Conflict, message))
}

fn write_definitions(client: &mut Client, entities: &[Entity]) -> Result<()> {
    let names: Vec<&str> = entities.iter().map(|entity| entity.name.as_str()).collect();
    for entity in entities {
        let source = entity.source.to_string();
        let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 2] =
            [(&entity.name, Type::TEXT), (&Json(&source), Type::JSONB)];
        client.query_typed(crate::sql!("entities/definitions/write").text, &parameters)?;
    }
    client.query_typed(crate::sql!("entities/definitions/forget").text, &[(&names, Type::TEXT_ARRAY)])?;
    Ok(())
}

fn folder(entities: &Entities) -> Option<PathBuf> {
    entities.folder.as_deref().map(|folder| folder.join(FOLDER))
}

fn by_hand(entities: &Entities) -> Result<migrate::Migrations> {
    match folder(entities).filter(|folder| folder.is_dir()) {
        Some(folder) => migrate::Source::Folder(folder).read(),
        None => Ok(migrate::Migrations::default()),
    }
}

/// Writes what is refused as a migration for people to look at, and answers where it is.
pub fn write(entities: &Entities, plan: &Plan) -> Result<Option<PathBuf>> {
    let Some(folder) = folder(entities).filter(|_| !plan.refusals.is_empty()) else { return Ok(None) };
    let tables: std::collections::BTreeSet<&str> = plan.refusals.iter().map(|it| it.table.as_str()).collect();
    let tables: Vec<&str> = tables.into_iter().collect();
    let made = migrate::create(&folder, &format!("change {}", tables.join(" ")))?;
    let parts: Vec<String> = plan
        .refusals
        .iter()
        .map(|it| format!("-- {}: {}. It is not done by itself: {}.\n{};\n", it.table, it.what, it.why, it.sql))
        .collect();
    append(&made.migration, &parts.join("\n"))?;
    append(&made.rollback, "-- What was lost does not come back by itself.\n")?;
    Ok(Some(made.migration))
}

fn append(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let failed = |error: std::io::Error| Error::internal(format!("cannot write {}: {error}", path.display()));
    let mut file = std::fs::OpenOptions::new().append(true).open(path).map_err(failed)?;
    file.write_all(format!("\n{text}").as_bytes()).map_err(failed)
}
