//! A webhook gets another secret. For a while events are signed with both.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::resource::{WRITE, given_secret, with_secret};
use super::{Webhooks, secrets};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Mode, integer};
use crate::http::{Access, Call, Endpoint, Many, Output, Reply, post};
use crate::resource::as_object;
use crate::secret::Sealed;
use crate::sql;
use crate::sql::Json;

/// How long events are signed with both, in seconds.
const OVERLAP_DEFAULT: i64 = 24 * 3600;
const OVERLAP_MAX: i64 = 30 * 24 * 3600;

pub(super) fn endpoints(webhooks: &Arc<Webhooks>) -> Vec<Endpoint> {
    let input = vec![
        given_secret(),
        integer("overlap_seconds")
            .range(0, OVERLAP_MAX)
            .default(OVERLAP_DEFAULT)
            .unit("seconds")
            .help("How long events are signed with the old secret, too."),
    ];
    let output = Output::Object(with_secret(webhooks));
    let webhooks = webhooks.clone();
    let rotate =
        post("/api/webhooks/{id}/rotate-secret", Access::Permission(WRITE), move |call| rotate(&webhooks, call));
    vec![
        rotate
            .summary("Give a webhook another secret, shown this once; events are signed with both for a while")
            .input(input, Mode::Create)
            .answers(200, output)
            .named("SecretRotation", "WebhookWithSecret")
            .writes(),
    ]
}

fn rotate(webhooks: &Webhooks, call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, mut input) = (call.id()?, call.input()?);
    let secret = secrets::take(&mut input)?;
    let overlap = input.get("overlap_seconds").and_then(Value::as_i64).unwrap_or(OVERLAP_DEFAULT);
    let sealed = webhooks.keys.seal(secrets::current(id), &secret)?;
    let actor = call.actor();
    let query = sql!("gateway/webhooks/rotate");
    let text = as_object(&query);
    call.write(Many::Yes, |statements| {
        let old = old_secret(webhooks, statements, id)?;
        let parameters: crate::db::Params<'_> =
            &[&Json(&actor), &id, &sealed.text, &sealed.key_id, &old.text, &old.key_id, &overlap];
        let rows = statements.all_of(query.name, Cow::Borrowed(&text), parameters)?;
        let row = rows.first().ok_or_else(|| not_found(id))?;
        let (shown, kept) = secrets::shown(row.get(0), &secret);
        Ok(Reply::json(200, shown).keeping(kept).version(row.get(1)))
    })
}

/// The secret of now, sealed for the place of the one before it.
fn old_secret(webhooks: &Webhooks, statements: &mut dyn Statements, id: uuid::Uuid) -> Result<Sealed> {
    let row = statements.maybe(&sql!("gateway/webhooks/secret"), &[&id])?.ok_or_else(|| not_found(id))?;
    let old = webhooks.keys.open(secrets::current(id), &Sealed { text: row.get(0), key_id: row.get(1) })?;
    webhooks.keys.seal(secrets::previous(id), &old)
}

pub(super) fn not_found(id: uuid::Uuid) -> Error {
    Error::new(Code::NotFound, format!("there is no webhook with the id {id}"))
}
