//! Webhooks as parts of whole configurations: without what mainstay says of them, and without their secrets.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

pub(in crate::gateway) use super::resource::check;
use super::resource::{self, RULES, SELECT};
use super::{Webhooks, signature};
use crate::db::Statements;
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::resource::explain;
use crate::sql;
use crate::sql::Json;

/// What a file may say of one.
pub fn fields(webhooks: &Arc<Webhooks>) -> Vec<Field> {
    let secret = resource::given_secret().help(
        "whsec_ and 24 to 64 bytes in base64, for a webhook that is not there yet; one is made if it is not given. That \
         of one that is there stays.",
    );
    resource::fields(webhooks).into_iter().filter(Field::is_taken).chain([secret]).collect()
}

/// Those that there are, or those that have all of the tags: their ids, and what a file says of them.
pub fn read(statements: &mut dyn Statements, tags: &[String]) -> Result<Vec<(Uuid, Map<String, Value>)>> {
    let text = format!(
        "SELECT t.id, jsonb_build_object('name', t.name, 'url', t.url, 'events', t.events, 'headers', t.headers,\n\
         'retry_config', t.retry_config, 'ordered', t.ordered, 'enabled', t.enabled, 'metadata', t.metadata)::text\n\
         FROM (\n{}\n) AS t\n\
         WHERE $1::text[] = '{{}}' OR t.metadata @> jsonb_build_object('tags', $1::text[])",
        SELECT.text
    );
    let rows = statements.all_of(SELECT.name, Cow::Owned(text), &[&tags])?;
    let unreadable = |error| Error::internal("a webhook in the database is no JSON").because(error);
    rows.iter().map(|row| Ok((row.get(0), serde_json::from_str(row.get(1)).map_err(unreadable)?))).collect()
}

/// Makes one; the answer is its secret, to be shown this once.
pub fn make(
    webhooks: &Webhooks,
    statements: &mut dyn Statements,
    actor: &str,
    user: Option<Uuid>,
    webhook: &Map<String, Value>,
) -> Result<String> {
    let mut body = webhook.clone();
    let (_, secret) = webhooks.seal_new(&mut body, user)?;
    let body = Value::Object(body).to_string();
    statements.all(&sql!("gateway/webhooks/insert"), &[&Json(actor), &Json(&body)]).map_err(told)?;
    Ok(signature::show_secret(&secret))
}

/// Makes one what a file says of it.
pub fn change(statements: &mut dyn Statements, actor: &str, id: Uuid, webhook: &Map<String, Value>) -> Result<()> {
    let body = Value::Object(webhook.clone()).to_string();
    let any_version: Option<i32> = None;
    let query = sql!("gateway/webhooks/update");
    statements.all(&query, &[&Json(actor), &vec![id], &Json(&body), &any_version]).map(drop).map_err(told)
}

/// Removes some.
pub fn remove(statements: &mut dyn Statements, actor: &str, ids: &[Uuid]) -> Result<()> {
    let any_version: Option<i32> = None;
    let query = sql!("gateway/webhooks/delete");
    statements.all(&query, &[&Json(actor), &ids, &any_version]).map(drop).map_err(told)
}

fn told(error: Error) -> Error {
    explain(error, "gateway.webhooks", RULES)
}
