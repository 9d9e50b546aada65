//! API keys: made, shown once, rotated, revoked.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::key::{self, NewKey};
use crate::config::show_time;
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, Mode, in_utc, integer, list, object, text, timestamp, uuid};
use crate::http::{Access, Call, Caller, Credential, Endpoint, Many, Output, Permission, Reply, Role, post};
use crate::resource::{Resource, Rule, explain};
use crate::sql;
use crate::sql::Json;

const READ: Permission = Permission::new("read:api-keys", Role::Viewer);
const WRITE: Permission = Permission::new("write:api-keys", Role::User);

pub(super) const RULES: &[Rule] = &[
    Rule::new("api_keys_key_hash_is_unique", "key", "exists already"),
    Rule::new("api_keys_user_exists", "user_id", "is no user"),
    Rule::new("api_keys_replacement_exists", "replaced_by", "is no API key"),
    Rule::new("api_keys_replacement_is_another", "replaced_by", "must be another key"),
    Rule::new("api_keys_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new("api_keys_prefix_is_the_start_of_a_key", "prefix", "must be the start of a key"),
    Rule::new("api_keys_key_hash_is_sha256", "key", "could not be kept"),
    Rule::new("api_keys_permissions_are_permissions", "permissions", "must be at most 100 permissions"),
    Rule::new("api_keys_metadata_is_an_object", "metadata", "must be an object"),
];

/// Permissions of one key.
pub(super) const PERMISSIONS_MAX: usize = 100;
/// How long the old key may work beside the new one, in seconds: a month.
const OVERLAP_MAX: i64 = 30 * 24 * 3600;
const OVERLAP_DEFAULT: i64 = 3600;

fn resource() -> Resource {
    Resource {
        fields: vec![
            uuid("user_id")
                .fixed()
                .never_null()
                .help("In whose name it calls; the caller, unless an administrator says otherwise."),
            text("name").required().form(Form::LINE).help("What it is for."),
            text("prefix").read_only().never_null().help("The start of the key, to tell one from another."),
            list("permissions", text("").max(70).form(Form::PERMISSION), PERMISSIONS_MAX)
                .default(json!([]))
                .help("What it may do, of what its user may."),
            timestamp("expires_at").help("When it ends by itself."),
            timestamp("revoked_at").read_only().help("When it was revoked."),
            uuid("replaced_by").read_only().help("The key that a rotation made."),
            timestamp("last_used_at").read_only().help("When it was used last, to the minute."),
            object("metadata").default(json!({})).help("Anything else."),
        ],
        filters: &["user_id", "name", "prefix", "permissions", "expires_at", "revoked_at", "last_used_at", "metadata"],
        beside: &["permissions", "revoked_at", "last_used_at", "metadata", "created_at", "updated_at"],
        sorts: &["name"],
        update: Some(sql!("identity/api_keys/update")),
        delete: Some(sql!("identity/api_keys/delete")),
        is_guarded: true,
        own: Some("t.user_id = {user}"),
        rules: RULES,
        prepare: Some(Box::new(|call, _, body| check_bounds(call.caller()?, body))),
        ..Resource::new("identity.api_keys", "api-keys", "API key", sql!("identity/api_keys/select"), READ, WRITE)
    }
}

/// A key that another key makes or changes never may do more, nor for longer, than that one: otherwise it would be a way to
/// more. That it leaves those alone that may do more already is for the database to say, which knows them.
fn check_bounds(caller: &Caller, key: &Map<String, Value>) -> Result<()> {
    check_permissions(caller, key)?;
    let Some(wanted) = key.get("expires_at") else { return Ok(()) };
    let Some(end) = latest_end(caller) else { return Ok(()) };
    // Without the Z a moment sorts before those that have a fraction of the same second.
    let is_later =
        |wanted: &str| in_utc(wanted).is_none_or(|wanted| wanted.trim_end_matches('Z') > end.trim_end_matches('Z'));
    if wanted.as_str().is_none_or(is_later) {
        let message = format!("a key that ends cannot make one that ends later: this one ends at {end}");
        return Err(Error::new(Code::InsufficientPermissions, message).field("expires_at", "must not be later"));
    }
    Ok(())
}

/// When the key ends that somebody calls with, in UTC. What people do is not over with their session.
fn latest_end(caller: &Caller) -> Option<String> {
    let end = caller.api_key_id().and(caller.expires_at)?;
    let end = end.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(format!("{}.{:06}Z", show_time(end.as_secs()).trim_end_matches('Z'), end.subsec_micros()))
}

/// The end of a new key: what was asked for, if it is still to come, or that of the key that makes it.
fn bound_new(caller: &Caller, key: &mut Map<String, Value>) -> Result<()> {
    if let Some(end) = latest_end(caller) {
        key.entry("expires_at").or_insert_with(|| json!(end));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let end = key.get("expires_at").and_then(Value::as_str).and_then(in_utc);
    if end.zip(in_utc(&show_time(now))).is_some_and(|(end, now)| end < now) {
        return Err(Error::new(Code::ValidationError, "1 field needs attention").field("expires_at", "is over already"));
    }
    check_bounds(caller, key)
}

fn check_permissions(caller: &Caller, key: &Map<String, Value>) -> Result<()> {
    let wanted = key.get("permissions").and_then(Value::as_array);
    for wanted in wanted.into_iter().flatten().filter_map(Value::as_str) {
        let may_give = match &caller.credential {
            Credential::ApiKey { permissions, .. } => permissions.iter().any(|held| crate::http::covers(held, wanted)),
            Credential::Session { .. } => true,
        };
        // It would do nothing now, and everything on the day on which the user becomes an administrator.
        if !may_give || wanted == Permission::ADMIN.name && caller.role < Role::Admin {
            let message = format!("the permission {wanted} cannot be given by who does not have it");
            return Err(Error::new(Code::InsufficientPermissions, message));
        }
    }
    Ok(())
}

/// A key is made in the caller's own name, unless an administrator says otherwise.
fn check_user(caller: &Caller, key: &Map<String, Value>) -> Result<()> {
    if key.get("user_id") == Some(&json!(caller.user_id)) || caller.is_admin() {
        return Ok(());
    }
    Err(Error::new(Code::InsufficientPermissions, "making keys for others needs the permission admin"))
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let resource = resource();
    let fields = resource.all_fields();
    let with_key = || {
        let key = text("key").read_only().help("The key. It is shown this once: null where the reply is given again.");
        fields.iter().cloned().chain([key]).collect::<Vec<Field>>()
    };
    let write = Access::Permission(WRITE);
    let rotation = vec![
        integer("overlap_seconds")
            .range(0, OVERLAP_MAX)
            .default(OVERLAP_DEFAULT)
            .unit("seconds")
            .help("How long the old key goes on working."),
        timestamp("expires_at").help("When the new key ends by itself."),
    ];
    let mut endpoints = vec![
        post("/api/api-keys", write, create)
            .summary("Make an API key, shown this once")
            .input(fields.clone(), Mode::Create)
            .answers(201, Output::Object(with_key()))
            .named("NewApiKey", "ApiKeyWithKey"),
        post("/api/api-keys/{id}/rotate", write, rotate)
            .summary("Replace an API key by a new one; both work for a while")
            .input(rotation, Mode::Create)
            .answers(201, Output::Object(with_key()))
            .named("ApiKeyRotation", "ApiKeyWithKey"),
        post("/api/api-keys/{id}/revoke", write, revoke)
            .summary("Make an API key useless at once")
            .answers(204, Output::Nothing),
    ];
    endpoints = endpoints.into_iter().map(|endpoint| endpoint.guarded(true).writes()).collect();
    endpoints.extend(resource.endpoints());
    endpoints
}

fn create(call: &mut Call<'_, '_>) -> Result<Reply> {
    let mut body = call.input()?;
    let caller = call.caller()?.clone();
    body.entry("user_id").or_insert_with(|| json!(caller.user_id));
    bound_new(&caller, &mut body)?;
    check_user(&caller, &body)?;
    let new = key::generate()?;
    body.insert("prefix".to_owned(), json!(new.prefix));
    body.insert("key_hash".to_owned(), json!(format!("\\x{}", hex(&new.hash))));
    let (body, actor) = (Value::Object(body).to_string(), call.actor());
    let query = sql!("identity/api_keys/insert");
    let text = crate::resource::as_object(&query);
    call.write(Many::No, |statements| show(statements, query.name, &text, &[&Json(&actor), &Json(&body)], &new))
}

fn rotate(call: &mut Call<'_, '_>) -> Result<Reply> {
    let id = call.id()?;
    let (mut input, caller) = (call.input()?, call.caller()?.clone());
    bound_new(&caller, &mut input)?;
    let overlap = input.get("overlap_seconds").and_then(Value::as_i64).unwrap_or(OVERLAP_DEFAULT);
    let expires_at = input.get("expires_at").and_then(Value::as_str);
    let new = key::generate()?;
    let actor = call.actor();
    let (query, hash) = (sql!("identity/api_keys/rotate"), new.hash.as_slice());
    call.write(Many::Yes, |statements| {
        let parameters: crate::db::Params<'_> = &[&Json(&actor), &id, &new.prefix, &hash, &overlap, &expires_at];
        let reply = show(statements, query.name, query.text, parameters, &new)?;
        // What the key may do is known for sure only now; an error undoes all of it.
        let made: Value = reply.kept.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let made = made.as_object().ok_or_else(|| Error::internal("a key is no object"))?;
        check_permissions(&caller, made)?;
        check_user(&caller, made)?;
        Ok(reply)
    })
}

fn revoke(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, actor) = (call.id()?, call.actor());
    call.write(Many::No, |statements| {
        match statements.all(&sql!("identity/api_keys/revoke"), &[&Json(&actor), &id])?.len() {
            0 => Err(not_found(id)),
            _ => Ok(Reply::empty(204)),
        }
    })
}

/// Runs a statement that makes a key, and shows the row with the key in it.
fn show(
    statements: &mut dyn Statements,
    name: &str,
    text: &str,
    parameters: crate::db::Params<'_>,
    new: &NewKey,
) -> Result<Reply> {
    let rows = statements.all_of(name, Cow::Borrowed(text), parameters);
    let rows = rows.map_err(|error| explain(error, "identity.api_keys", RULES))?;
    let row = rows.first().ok_or_else(|| {
        Error::new(Code::NotFound, "there is no such API key that is in use and has not been replaced already")
    })?;
    let object: &str = row.get(0);
    let with = |key: Value| format!("{},\"key\":{key}}}", object.strip_suffix('}').unwrap_or(object));
    let location = format!("/api/api-keys/{}", row.get::<_, uuid::Uuid>(2));
    let reply = Reply::json(201, with(json!(new.key))).keeping(with(Value::Null));
    Ok(reply.version(row.get(1)).header("Location", location))
}

fn not_found(id: uuid::Uuid) -> Error {
    Error::new(Code::NotFound, format!("there is no API key with the id {id}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
