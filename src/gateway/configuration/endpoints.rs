//! Whole configurations over HTTP: `/api/gateway/…`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::wanted::declared;
use super::{
    Applied, Author, BYTES_MAX, Configuration, Scope, Wanted, apply, between, blame, plan, revision, revisions,
    roll_back,
};
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Mode, boolean, integer, json, list, object, text};
use crate::gateway::routes::{READ, WRITE};
use crate::gateway::webhooks::{self, Webhooks};
use crate::http::{Access, Call, Endpoint, Many, Output, Parameter, Permission, Reply, get, post};

/// The same type for all that answer what has changed, or would.
const CHANGES: &str = "ConfigurationChanges";

/// All endpoints.
pub fn endpoints(webhooks: &Arc<Webhooks>) -> Vec<Endpoint> {
    let with = |act: fn(&Arc<Webhooks>, &mut Call<'_, '_>) -> Result<Reply>| {
        let webhooks = webhooks.clone();
        move |call: &mut Call<'_, '_>| act(&webhooks, call)
    };
    let (read, write) = (Access::Permission(READ), Access::Permission(WRITE));
    let changes = |endpoint: Endpoint, input: &str| {
        endpoint.answers(200, Output::Object(applied_fields())).named(input, CHANGES).versioned()
    };
    let mut endpoints = revisions::endpoints();
    endpoints.push(
        get("/api/gateway/configuration", read, read_configuration)
            .summary("Read a whole configuration, as a file to apply")
            .parameters(|| {
                vec![
                    Parameter::new(
                        "tags",
                        "Only the part that these own, separated by commas.",
                        serde_json::json!({ "type": "string" }),
                    ),
                    Parameter::new("revision", "What it was then, instead of now.", number()),
                ]
            })
            .answers(200, Output::Object(configuration_fields()))
            .fails(&[Code::NotFound])
            .named("", "Configuration"),
    );
    endpoints.push(changes(
        post("/api/gateway/plan", read, with(plan_it))
            .summary("Tell what a configuration would change")
            .body_bytes_max(BYTES_MAX)
            .fails(&[Code::Conflict])
            .input(declared(webhooks), Mode::Create),
        "NewConfiguration",
    ));
    endpoints.push(changes(
        post("/api/gateway/apply", write, with(apply_it))
            .summary("Make a configuration what is: all of it, or nothing")
            .body_bytes_max(BYTES_MAX)
            .input(declared(webhooks), Mode::Create)
            .fails(&[Code::Conflict])
            .writes(),
        "NewConfiguration",
    ));
    endpoints.push(changes(
        post("/api/gateway/rollback", write, with(roll_it_back))
            .summary("Go back to a revision, as a new one")
            .input(rollback_fields(), Mode::Create)
            .fails(&[Code::NotFound, Code::Conflict])
            .writes(),
        "Rollback",
    ));
    endpoints.push(
        get("/api/gateway/diff", read, diff)
            .summary("Tell what has changed between two revisions")
            .parameters(|| {
                vec![
                    Parameter::new("from", "The number of the earlier one.", number()).required(),
                    Parameter::new("to", "The number of the later one; what there is now, without it.", number()),
                ]
            })
            .answers(200, Output::Object(diff_fields()))
            .fails(&[Code::NotFound])
            .named("", "ConfigurationDiff"),
    );
    endpoints.push(
        get("/api/gateway/blame", read, blame_it)
            .summary("Tell who changed each field of a route last")
            .parameters(|| {
                vec![
                    Parameter::new("route", "The name of the route.", serde_json::json!({ "type": "string" }))
                        .required(),
                ]
            })
            .answers(200, Output::Json(serde_json::json!({ "type": "array", "items": { "type": "object" } })))
            .fails(&[Code::NotFound])
            .named("", "Blame"),
    );
    endpoints
}

fn number() -> Value {
    serde_json::json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX })
}

fn tags_field() -> Field {
    list("tags", text("tag"), usize::MAX).never_null().help("What it owns; all routes, if there are none.")
}

fn configuration_fields() -> Vec<Field> {
    vec![
        tags_field(),
        json("routes").never_null().help("The routes, without what mainstay sets."),
        json("webhooks").sometimes().help("The webhooks without their secrets, for administrators."),
    ]
}

fn applied_fields() -> Vec<Field> {
    vec![
        text("checksum_before").never_null().help("Named the configuration before; If-Match takes it."),
        text("checksum").never_null().help("Names the configuration that was sent."),
        tags_field(),
        boolean("is_applied").never_null().help("Whether it is now what there is."),
        integer("revision").help("The number of the revision that it has become; null if nothing has changed."),
        object("summary").never_null().help("What changes, in numbers."),
        object("routes").never_null().help("What is made, changed by field, and deleted."),
        object("webhooks").help("The same; null if the configuration says nothing of webhooks."),
        object("secrets").never_null().help("The secrets of webhooks that were made, shown this once."),
    ]
}

fn rollback_fields() -> Vec<Field> {
    vec![
        integer("revision").range(1, i64::MAX).required().help("The number of the revision to go back to."),
        text("message").max(10_000).default("").help("What it is for; kept with the new revision."),
    ]
}

fn diff_fields() -> Vec<Field> {
    vec![
        integer("from").never_null().help("The earlier revision."),
        integer("to").help("The later one; null for what there is now."),
        object("routes").never_null().help("What was made, changed by field, and deleted."),
        object("webhooks").help("The same, for administrators; null unless both revisions say something of webhooks."),
    ]
}

fn read_configuration(call: &mut Call<'_, '_>) -> Result<Reply> {
    known(call, &["tags", "revision"])?;
    let tags = call.query.one("tags")?.unwrap_or_default();
    let tags: Vec<String> = tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let number = maybe_number(call, "revision")?;
    let scope = scope(call, webhooks::READ);
    let mut configuration = call.read(|statements| match number {
        None => Configuration::read(statements, &tags, scope),
        Some(number) => Ok(revision(statements, number)?.configuration),
    })?;
    if scope == Scope::Routes {
        configuration.webhooks = None;
    }
    let reply = Reply::value(200, &configuration.to_value());
    Ok(reply.header("ETag", format!("\"{}\"", configuration.checksum())))
}

fn plan_it(webhooks: &Arc<Webhooks>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let wanted = Wanted::read(call.object()?, webhooks, call.is_admin())?;
    permit(call, &wanted, webhooks::READ)?;
    let expected = expected(call)?;
    let applied = call.read(|statements| plan(statements, &wanted, expected.as_deref()))?;
    shown(&applied)
}

fn apply_it(webhooks: &Arc<Webhooks>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let wanted = Wanted::read(call.object()?, webhooks, call.is_admin())?;
    permit(call, &wanted, webhooks::WRITE)?;
    let (expected, actor, user) = (expected(call)?, call.actor(), call.caller()?.user_id);
    let author = Author { webhooks, actor: &actor, user: Some(user) };
    call.write(Many::Yes, |statements| shown(&apply(statements, author, &wanted, expected.as_deref())?))
}

fn roll_it_back(webhooks: &Arc<Webhooks>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let number = input.get("revision").and_then(Value::as_i64).unwrap_or_default();
    let message = input.get("message").and_then(Value::as_str).unwrap_or_default();
    let scope = scope(call, webhooks::WRITE);
    let (expected, actor, user) = (expected(call)?, call.actor(), call.caller()?.user_id);
    let author = Author { webhooks, actor: &actor, user: Some(user) };
    call.write(Many::Yes, |statements| {
        shown(&roll_back(statements, author, number, message, scope, expected.as_deref())?)
    })
}

fn diff(call: &mut Call<'_, '_>) -> Result<Reply> {
    known(call, &["from", "to"])?;
    let from = maybe_number(call, "from")?.ok_or_else(|| malformed("from says which revision to begin with"))?;
    let to = maybe_number(call, "to")?;
    let scope = scope(call, webhooks::READ);
    let difference = call.read(|statements| between(statements, from, to, scope))?;
    Ok(Reply::value(200, &value(&difference)?))
}

fn blame_it(call: &mut Call<'_, '_>) -> Result<Reply> {
    known(call, &["route"])?;
    let route = call.query.one("route")?.ok_or_else(|| malformed("route says which route"))?.to_owned();
    let fields = call.read(|statements| blame(statements, &route))?;
    Ok(Reply::value(200, &Value::Array(fields)))
}

fn shown(applied: &Applied) -> Result<Reply> {
    let current = if applied.is_applied { &applied.checksum } else { &applied.checksum_before };
    let reply = Reply::value(200, &value(applied)?).header("ETag", format!("\"{current}\""));
    // Secrets are shown once, and not to whoever has the reply repeated.
    Ok(match applied.secrets.is_empty() {
        true => reply,
        false => reply.keeping(value(&Applied { secrets: BTreeMap::new(), ..applied.clone() })?.to_string()),
    })
}

fn value(of: &impl Serialize) -> Result<Value> {
    serde_json::to_value(of).map_err(|error| Error::internal("changes are no JSON").because(error))
}

/// What the caller may see, or change.
fn scope(call: &Call<'_, '_>, permission: Permission) -> Scope {
    match call.caller.as_ref().is_some_and(|caller| caller.may(permission)) {
        true => Scope::Everything,
        false => Scope::Routes,
    }
}

/// A file that speaks of webhooks is for those who may.
fn permit(call: &Call<'_, '_>, wanted: &Wanted, permission: Permission) -> Result<()> {
    if wanted.configuration.webhooks.is_some() && scope(call, permission) == Scope::Routes {
        let message = format!("webhooks in a configuration need {}", permission.name);
        return Err(Error::new(Code::InsufficientPermissions, message));
    }
    Ok(())
}

/// The checksum that the configuration must have before, if the client demands one.
fn expected(call: &Call<'_, '_>) -> Result<Option<String>> {
    let Some(text) = call.header("If-Match").map(str::trim).filter(|text| *text != "*") else { return Ok(None) };
    let tag = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let tag = tag.filter(|tag| !tag.contains('"'));
    // One that is weak, as ours never are, names nothing.
    tag.map(|tag| Some(if text.starts_with("W/") { text.to_owned() } else { tag.to_owned() }))
        .ok_or_else(|| malformed("If-Match must be * or one ETag, in quotation marks"))
}

fn known(call: &Call<'_, '_>, names: &[&str]) -> Result<()> {
    match call.query.iter().find(|(name, _)| !names.contains(name)) {
        None => Ok(()),
        Some((name, _)) => Err(malformed(&format!("{name} is not known here; there are {}", names.join(", ")))),
    }
}

fn maybe_number(call: &Call<'_, '_>, name: &str) -> Result<Option<i64>> {
    let number = call.query.one(name)?.map(|text| text.parse().ok().filter(|number| *number > 0));
    match number {
        Some(None) => Err(malformed(&format!("{name} must be the number of a revision"))),
        number => Ok(number.flatten()),
    }
}

fn malformed(message: &str) -> Error {
    Error::new(Code::MalformedRequest, message)
}
