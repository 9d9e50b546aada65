//! A catalogue into the database: all of it or nothing, and the second time nothing more.

use serde::Serialize;
use serde_json::{Map, Value};

use super::catalogue::{Catalogue, body};
use super::{categories, technologies, template_versions, templates};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::resource::{Rule, explain};
use crate::sql;
use crate::sql::{Json, Query};

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    Created,
    Updated,
    Unchanged,
    Published,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub kind: &'static str,
    pub slug: String,
    pub done: Done,
    /// The version, where one was published.
    pub version: Option<String>,
}

const SEED: &str = include_str!("seed.json");
const SEED_ACTOR: &str = r#"{"user_agent":"mainstay seed"}"#;

/// Imports a catalogue; answers what was done with each thing in it.
pub fn import(statements: &mut dyn Statements, actor: &str, catalogue: &Catalogue) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for item in in_order(&catalogue.categories)? {
        let query = sql!("templates/categories/import");
        steps.push(one(statements, actor, item, "category", &query, "templates.categories", categories::RULES)?);
    }
    for item in &catalogue.technologies {
        let query = sql!("templates/technologies/import");
        steps.push(one(statements, actor, item, "technology", &query, "templates.technologies", technologies::RULES)?);
    }
    for item in &catalogue.templates {
        let query = sql!("templates/templates/import");
        known_category(statements, item)?;
        steps.push(one(statements, actor, item, "template", &query, "templates.templates", templates::RULES)?);
        if item.get("publish") == Some(&Value::Bool(true)) {
            steps.extend(publish(statements, actor, slug(item))?);
        }
    }
    Ok(steps)
}

/// The example of development.
pub fn seed(statements: &mut dyn Statements) -> Result<usize> {
    let catalogue = Catalogue::parse("seed.json", SEED)?;
    let steps = import(statements, SEED_ACTOR, &catalogue)?;
    Ok(steps.iter().filter(|step| step.done == Done::Created).count())
}

fn one(
    statements: &mut dyn Statements,
    actor: &str,
    item: &Map<String, Value>,
    kind: &'static str,
    query: &Query,
    table: &str,
    rules: &[Rule],
) -> Result<Step> {
    let row = statements.maybe(query, &[&Json(actor), &Json(&body(item))]);
    let row = row.map_err(|error| named(explain(error, table, rules), kind, slug(item)))?;
    let done = match row.map(|row| row.get::<_, bool>("is_new")) {
        Some(true) => Done::Created,
        Some(false) => Done::Updated,
        None => Done::Unchanged,
    };
    Ok(Step { kind, slug: slug(item).to_owned(), done, version: None })
}

fn publish(statements: &mut dyn Statements, actor: &str, slug: &str) -> Result<Option<Step>> {
    let row = statements.maybe(&sql!("templates/templates/import_publish"), &[&Json(actor), &slug]);
    let explained =
        |error| named(explain(error, "templates.template_versions", template_versions::RULES), "template", slug);
    let version = row.map_err(explained)?.map(|row| row.get::<_, String>(0));
    let step =
        |version| Step { kind: "template", slug: slug.to_owned(), done: Done::Published, version: Some(version) };
    Ok(version.map(step))
}

/// A category that is named and not there would silently be none.
fn known_category(statements: &mut dyn Statements, item: &Map<String, Value>) -> Result<()> {
    let Some(category) = item.get("category").and_then(Value::as_str) else { return Ok(()) };
    match statements.maybe(&sql!("templates/categories/known"), &[&category])? {
        Some(_) => Ok(()),
        None => {
            let error = Error::new(Code::ValidationError, "the catalogue is not right; nothing was imported");
            Err(error.field(format!("template {}: category", slug(item)), format!("there is no category {category}")))
        }
    }
}

/// Categories, each behind the one above it.
fn in_order(categories: &[Map<String, Value>]) -> Result<Vec<&Map<String, Value>>> {
    let mut waiting: Vec<&Map<String, Value>> = categories.iter().collect();
    let mut ordered: Vec<&Map<String, Value>> = Vec::new();
    while !waiting.is_empty() {
        let is_waited_for = |item: &&Map<String, Value>| {
            let parent = item.get("parent").and_then(Value::as_str);
            parent.is_some_and(|parent| waiting.iter().any(|other| slug(other) == parent))
        };
        let (later, now): (Vec<_>, Vec<_>) = waiting.iter().copied().partition(is_waited_for);
        if now.is_empty() {
            let error = Error::new(Code::ValidationError, "the catalogue is not right; nothing was imported");
            let names: Vec<&str> = later.iter().map(|item| slug(item)).collect();
            return Err(error.field("categories", format!("{} are below each other in a circle", names.join(", "))));
        }
        ordered.extend(now);
        waiting = later;
    }
    Ok(ordered)
}

fn slug(item: &Map<String, Value>) -> &str {
    item.get("slug").and_then(Value::as_str).unwrap_or_default()
}

/// The error with the thing that it is about.
fn named(mut error: Error, kind: &str, slug: &str) -> Error {
    error.message = format!("{kind} {slug}: {}", error.message);
    error
}
