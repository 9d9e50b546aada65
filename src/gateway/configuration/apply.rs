//! A configuration becomes what is: in one transaction, in which nobody else writes.

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Changes, Configuration, Revision, Wanted, compare, conflicts, revisions};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::gateway::routes::RULES;
use crate::resource::explain;
use crate::sql;
use crate::sql::Json;

/// Who applies.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// What the audit says.
    pub actor: &'a str,
    pub user: Option<Uuid>,
}

/// What has changed, or would.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Applied {
    /// What the configuration was, and is: `If-Match` takes it.
    pub checksum_before: String,
    pub checksum: String,
    pub tags: Vec<String>,
    pub is_applied: bool,
    /// The revision that it has become; none where nothing has changed.
    pub revision: Option<i64>,
    pub summary: Value,
    pub routes: Changes,
}

/// What would change.
pub fn plan(statements: &mut dyn Statements, wanted: &Wanted, if_match: Option<&str>) -> Result<Applied> {
    let before = Configuration::read(statements, &wanted.configuration.tags)?;
    let applied = lead(&before, &wanted.configuration);
    if let Some(expected) = if_match.filter(|expected| *expected != applied.checksum_before) {
        let message = format!("the configuration is {} by now, not {expected}", applied.checksum_before);
        let error = Error::new(Code::PreconditionFailed, message);
        return Err(error.header("ETag", format!("\"{}\"", applied.checksum_before)));
    }
    conflicts::check(statements, wanted)?;
    Ok(applied)
}

fn lead(before: &Configuration, after: &Configuration) -> Applied {
    let routes = compare(&before.routes, &after.routes);
    Applied {
        checksum_before: before.checksum(),
        checksum: after.checksum(),
        tags: after.tags.clone(),
        is_applied: false,
        revision: None,
        summary: json!({ "routes": routes.summary() }),
        routes,
    }
}

/// Makes it so. Of two who do at once, one is told that there is another.
pub fn apply(
    statements: &mut dyn Statements,
    author: Author<'_>,
    wanted: &Wanted,
    if_match: Option<&str>,
) -> Result<Applied> {
    if wanted.is_dry_run {
        return plan(statements, wanted, if_match);
    }
    claim(statements)?;
    let applied = plan(statements, wanted, if_match)?;
    write(statements, author, wanted, None, applied)
}

/// Goes back to a revision, as a new one.
pub fn roll_back(
    statements: &mut dyn Statements,
    author: Author<'_>,
    number: i64,
    message: &str,
    if_match: Option<&str>,
) -> Result<Applied> {
    claim(statements)?;
    let revision = revisions::revision(statements, number)?;
    let configuration = revision.configuration;
    let names = configuration.routes.keys().cloned().collect();
    let message = if message.is_empty() { format!("back to revision {number}") } else { message.to_owned() };
    let wanted = Wanted { configuration, message, is_dry_run: false, names };
    let applied = plan(statements, &wanted, if_match)?;
    write(statements, author, &wanted, Some(number), applied)
}

/// Makes sure that nobody else applies, and that no route changes until this has ended.
fn claim(statements: &mut dyn Statements) -> Result<()> {
    let is_free: bool = statements.one(&sql!("gateway/revisions/claim"), &[])?.get(0);
    if !is_free {
        return Err(Error::new(Code::Conflict, "somebody else is applying a configuration at this moment"));
    }
    statements.exec(&sql!("gateway/routes/lock"), &[]).map(drop)
}

fn write(
    statements: &mut dyn Statements,
    author: Author<'_>,
    wanted: &Wanted,
    restored_from: Option<i64>,
    mut applied: Applied,
) -> Result<Applied> {
    applied.is_applied = true;
    if applied.routes.are_none() {
        return Ok(applied);
    }
    let told = |error| explain(error, "gateway.routes", RULES);
    // Routes may change places: what is judged is where they end up.
    statements.exec(&sql!("gateway/revisions/defer"), &[])?;
    let actor = Json(author.actor);
    let changes = &applied.routes;
    let deleted: Vec<&str> = changes.delete.iter().filter_map(|route| route.get("name")?.as_str()).collect();
    if !deleted.is_empty() {
        statements.exec(&sql!("gateway/routes/delete_many"), &[&actor, &deleted]).map_err(told)?;
    }
    if !changes.update.is_empty() {
        let updated = array(changes.update.iter().map(|update| &update.after));
        statements.exec(&sql!("gateway/routes/update_many"), &[&actor, &Json(&updated)]).map_err(told)?;
    }
    if !changes.create.is_empty() {
        let created = array(changes.create.iter());
        statements.exec(&sql!("gateway/routes/insert_many"), &[&actor, &Json(&created)]).map_err(told)?;
    }
    statements.exec(&sql!("gateway/revisions/judge"), &[]).map_err(told)?;
    let revision = Revision {
        checksum: applied.checksum.clone(),
        author: author.user,
        message: wanted.message.clone(),
        summary: applied.summary.clone(),
        restored_from,
        configuration: wanted.configuration.clone(),
    };
    applied.revision = Some(revisions::keep(statements, author.actor, &revision)?);
    Ok(applied)
}

fn array<'a>(objects: impl Iterator<Item = &'a Map<String, Value>>) -> String {
    Value::Array(objects.cloned().map(Value::Object).collect()).to_string()
}
