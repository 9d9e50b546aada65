//! What becomes of templates: published, deprecated, and fetched by those who use them.

use serde_json::Value;

use super::template_versions;
use super::templates::{READ, RULES, WRITE, resource};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Form, Mode, object_schema, text, timestamp, uuid};
use crate::http::{Access, Call, Endpoint, Many, Output, Parameter, Reply, get, post};
use crate::resource::{as_object, explain};
use crate::sql;
use crate::sql::{Json, Query};

const TABLE: &str = "templates.templates";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let write = Access::Permission(WRITE);
    let fields = resource().all_fields();
    let version =
        text("template_version").max(100).form(Form::VERSION).help("The version; the template's own, unless given.");
    let deprecation = vec![
        text("reason").max(1000).form(Form::LINE).help("Why nobody should begin with it any more."),
        uuid("successor_id").help("The template to use instead."),
    ];
    let download = vec![
        uuid("id").never_null().help("The id of the version."),
        uuid("template_id").never_null().help("The template."),
        text("template_version").never_null().help("The version."),
        text("checksum").never_null().help("SHA-256 of the snapshot as PostgreSQL writes it."),
        crate::fields::object("snapshot").never_null().help("The template as it was published."),
        timestamp("published_at").never_null().help("When it was published."),
    ];
    let parameters = || {
        let help = "The version; the last one that was published, unless given.";
        vec![Parameter::new("version", help, serde_json::json!({ "type": "string" }))]
    };
    vec![
        post("/api/templates/{id}/publish", write, publish)
            .summary("Publish a template: an immutable version of it, with a checksum")
            .input(vec![version], Mode::Create)
            .answers(200, Output::Object(fields.clone()))
            .named("Publication", "Template")
            .fails(&[Code::Conflict])
            .guarded(true)
            .versioned()
            .writes(),
        post("/api/templates/{id}/deprecate", write, deprecate)
            .summary("Say that nobody should begin with a template any more, and with which instead")
            .input(deprecation, Mode::Create)
            .answers(200, Output::Object(fields))
            .named("Deprecation", "Template")
            .fails(&[Code::Conflict])
            .guarded(true)
            .versioned()
            .writes(),
        // Not guarded: that somebody got it is noted in the name of the service.
        get("/api/templates/{id}/download", Access::Permission(READ), download_one)
            .summary("Get a template as it was published, which is counted")
            .parameters(parameters)
            .answers(200, Output::Json(object_schema(&download, None)))
            .named("", "TemplateDownload"),
    ]
}

fn publish(call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let (id, version, actor) = (call.id()?, call.if_match()?, call.actor());
    let input = call.input()?;
    let wanted = input.get("template_version").and_then(Value::as_str);
    call.write(Many::No, |statements| {
        let query = sql!("templates/templates/publish");
        change(statements, &query, &[&Json(&actor), &id, &wanted, &version], id, version)
    })
}

fn deprecate(call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let (id, version, actor) = (call.id()?, call.if_match()?, call.actor());
    let input = call.input()?;
    let reason = input.get("reason").and_then(Value::as_str);
    let successor = input.get("successor_id").and_then(Value::as_str).and_then(|text| uuid::Uuid::try_parse(text).ok());
    call.write(Many::No, |statements| {
        let query = sql!("templates/templates/deprecate");
        change(statements, &query, &[&Json(&actor), &id, &reason, &successor, &version], id, version)
    })
}

/// Runs a statement that changes a template, and shows it; or says why there was nothing to change.
fn change(
    statements: &mut dyn Statements,
    query: &Query,
    parameters: crate::db::Params<'_>,
    id: uuid::Uuid,
    version: Option<i32>,
) -> Result<Reply> {
    let rows = statements.all_of(query.name, as_object(query).into(), parameters);
    let rows = rows.map_err(|error| {
        let error = explain(error, TABLE, RULES);
        explain(error, "templates.template_versions", template_versions::RULES)
    })?;
    if let Some(row) = rows.first() {
        return Ok(Reply::json(200, row.get::<_, &str>(0)).version(row.get(1)));
    }
    let found = statements.maybe(&sql!("templates/templates/state"), &[&id])?;
    let found = found.ok_or_else(|| Error::new(Code::NotFound, format!("there is no template with the id {id}")))?;
    let (current, status): (i32, &str) = (found.get(0), found.get(1));
    match version {
        Some(version) if version != current => Err(Error::new(
            Code::PreconditionFailed,
            format!("the template is at version {current} by now, not {version}"),
        )
        .header("ETag", format!("\"{current}\""))),
        _ if query.name.ends_with("deprecate") && status == "DRAFT" => {
            Err(Error::new(Code::Conflict, "a draft cannot be deprecated: nobody can have begun with it"))
        }
        _ => Err(Error::new(Code::InsufficientPermissions, "this template may only be read by you")),
    }
}

fn download_one(call: &mut Call<'_, '_>) -> Result<Reply> {
    let query = std::mem::take(&mut call.query);
    if let Some((name, _)) = query.iter().find(|(name, _)| *name != "version") {
        return Err(Error::new(Code::MalformedRequest, format!("{name} is not known here; there is version")));
    }
    let (id, version, actor) = (call.id()?, query.one("version")?, call.actor());
    call.write(Many::No, |statements| {
        let row = statements.maybe(&sql!("templates/templates/download"), &[&Json(&actor), &id, &version])?;
        let missing = || Error::new(Code::NotFound, "there is no such version of a template that was published");
        let row = row.ok_or_else(missing)?;
        Ok(Reply::json(200, row.get::<_, &str>(0)))
    })
}
