//! Settings that are changed while the service runs. A value that is secret is sealed before it is kept.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::fields::{self, Mode, boolean, text};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, post};
use crate::resource::{Resource, Rule};
use crate::sealing::Store;
use crate::secret::{Keys, Place, Sealed};
use crate::sql;
use crate::sql::Json;

const READ: Permission = Permission::new("read:settings", Role::Admin);
const WRITE: Permission = Permission::new("write:settings", Role::Admin);

const RULES: &[Rule] = &[
    Rule::new("settings_key_is_unique", "key", "is set already"),
    Rule::new("settings_key_has_1_to_255_characters", "key", "must have 1 to 255 characters"),
    Rule::new("settings_secret_is_sealed", "value", "must be given with secret, for this setting alone"),
];

/// All secret settings.
pub const STORE: Store =
    Store { table: "ops.settings", stale: sql!("ops/settings/stale"), reseal: sql!("ops/settings/reseal") };

fn place(setting: Uuid) -> Place<'static> {
    Place { table: "ops.settings", column: "value_sealed", row: setting }
}

pub fn endpoints(keys: &Arc<Keys>) -> Vec<Endpoint> {
    let (sealing, opening) = (keys.clone(), keys.clone());
    let settings = Resource {
        fields: vec![
            text("key").required().help("What is set; unique."),
            fields::json("value").required().veiled().help("The value; replies have null where it is secret."),
            text("description").max(2000).default("").help("What it is for."),
            boolean("secret")
                .default(false)
                .help("Whether the value is sealed, and shown to nobody who does not ask for it by reveal."),
        ],
        filters: &["key", "description", "secret"],
        sorts: &["key"],
        insert: Some(sql!("ops/settings/insert")),
        update: Some(sql!("ops/settings/update")),
        delete: Some(sql!("ops/settings/delete")),
        rules: RULES,
        prepare: Some(Box::new(move |call, mode, body| prepare(&sealing, call, mode, body))),
        ..Resource::new("ops.settings", "settings", "setting", sql!("ops/settings/select"), READ, WRITE)
    };
    let value = fields::json("value").never_null().help("The value.");
    let mut endpoints = vec![
        post("/api/settings/{id}/reveal", Access::Permission(WRITE), move |call| reveal(&opening, call))
            .summary("Read the value of a setting, be it secret, which is in the audit then")
            .answers(200, Output::Object(vec![value]))
            // No `writes`: it is neither tried nor a part of a batch, both of which could take its trace back.
            .named("", "SettingValue"),
    ];
    endpoints.extend(settings.endpoints());
    endpoints
}

/// Seals the value of a body if it is, or stays, secret. Both forms of it are set: the other is cleared.
fn prepare(keys: &Keys, call: &mut Call<'_, '_>, mode: Mode, body: &mut Map<String, Value>) -> Result<()> {
    let id = match mode {
        Mode::Create => Uuid::now_v7(),
        // Nothing is sealed for many rows at once.
        _ => Uuid::try_parse(call.value("id")).unwrap_or(Uuid::nil()),
    };
    if mode == Mode::Create {
        body.insert("id".to_owned(), json!(id));
    }
    let Some(value) = body.get("value").cloned() else { return Ok(()) };
    let is_secret = match body.get("secret").and_then(Value::as_bool) {
        Some(is_secret) => is_secret,
        None => call
            .read(|statements| statements.maybe(&sql!("ops/settings/is_secret"), &[&id]))?
            .is_some_and(|row| row.get(0)),
    };
    let (value, sealed, key_id) = match is_secret {
        false => (value, Value::Null, Value::Null),
        true if id.is_nil() => {
            let message = "must not be secret where many settings are changed";
            return Err(Error::new(Code::ValidationError, format!("value {message}")).field("value", message));
        }
        true => {
            let Sealed { text, key_id } = keys.seal(place(id), value.to_string().as_bytes())?;
            (Value::Null, json!(text), json!(key_id))
        }
    };
    body.extend([
        ("value".to_owned(), value),
        ("value_sealed".to_owned(), sealed),
        ("value_key_id".to_owned(), key_id),
    ]);
    Ok(())
}

/// The value, for those who may change it. That somebody has read it is told.
fn reveal(keys: &Keys, call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let (id, actor) = (call.id()?, call.actor());
    call.write(Many::No, |statements| {
        let row = statements.maybe(&sql!("ops/settings/reveal"), &[&Json(&actor), &id])?;
        let row = row.ok_or_else(|| Error::new(Code::NotFound, format!("there is no setting with the id {id}")))?;
        let value = match (row.get("value_sealed"), row.get("value_key_id")) {
            (Some(text), Some(key_id)) => {
                let opened = keys.open(place(id), &Sealed { text, key_id })?;
                serde_json::from_slice(&opened)
                    .map_err(|error| Error::internal("a setting is no JSON").because(error))?
            }
            _ => row.get::<_, Option<Value>>("value").unwrap_or_default(),
        };
        // Neither for a day nor for a moment is it kept for whoever asks again.
        Ok(Reply::value(200, &json!({ "value": value })).keeping(json!({ "value": null }).to_string()))
    })
}
