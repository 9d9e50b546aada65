//! Which projects are behind their template: from which version, with which inputs, and what has changed since.

use serde_json::{Value, json};
use uuid::Uuid;

use super::diff::diff;
use super::projects::READ;
use crate::db::Which;
use crate::error::{Code, Error, Result};
use crate::fields::{boolean, choice, object, object_schema, text, timestamp, uuid};
use crate::http::{Access, Call, Endpoint, Output, Parameter, Reply, get};
use crate::sql;

/// Projects of a page: each brings two snapshots of a template along.
const LIMIT_MAX: usize = 100;
const LIMIT_DEFAULT: usize = 20;
/// Templates that one project may be made from: a page never ends within a project.
const TEMPLATES_MAX: usize = 100;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let parameters = || {
        let id = || json!({ "type": "string", "format": "uuid" });
        vec![
            Parameter::new(
                "limit",
                "Projects of a page.",
                json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
            ),
            Parameter::new("after", "Where to go on: the `next` of the page before.", id()),
            Parameter::new("project_id", "Only this project.", id()),
            Parameter::new("template_id", "Only those made from this template.", id()),
        ]
    };
    vec![
        get("/api/projects/outdated", Access::Permission(READ), outdated)
            .summary("List projects that were made from an older version of their template, and what has changed since")
            .pool(Which::Readonly)
            .parameters(parameters)
            .answers(200, Output::Json(schema()))
            .named("", "OutdatedProjects")
            .guarded(true),
    ]
}

fn schema() -> Value {
    let row = [
        uuid("project_id").never_null().help("The project."),
        text("project_name").never_null().help("What it is called."),
        text("project_slug").never_null().help("Its name in URLs."),
        uuid("template_id").never_null().help("The template."),
        text("template_name").never_null().help("What it is called."),
        choice("template_status", &["PUBLISHED", "DEPRECATED"]).never_null().help("What has become of it."),
        uuid("successor_id").help("The template to use instead, if it is deprecated."),
        uuid("generation_id").never_null().help("The generation that made the project last."),
        timestamp("generated_at").never_null().help("When that was."),
        object("input_params").never_null().help("What the template asked for then."),
        text("generated_version").never_null().help("The version that it was made from."),
        text("published_version").never_null().help("The version that there is now."),
        boolean("is_complete").never_null().help("Whether these are all changes, or the first of them."),
    ];
    let mut item = object_schema(&row, None);
    item["properties"]["changes"] = json!({
        "type": "array",
        "description": "How to get from one version to the other: a JSON Patch, with what was there before.",
        "items": { "type": "object" },
    });
    if let Some(required) = item["required"].as_array_mut() {
        required.push(json!("changes"));
    }
    json!({
        "type": "object",
        "properties": {
            "data": { "type": "array", "items": item },
            "next": { "type": ["string", "null"], "format": "uuid" },
        },
        "required": ["data", "next"],
        "additionalProperties": false,
    })
}

fn outdated(call: &mut Call<'_, '_>) -> Result<Reply> {
    let query = std::mem::take(&mut call.query);
    let malformed = |message: String| Error::new(Code::MalformedRequest, message);
    let known = ["limit", "after", "project_id", "template_id"];
    if let Some((name, _)) = query.iter().find(|(name, _)| !known.contains(name)) {
        return Err(malformed(format!("{name} is not known here; there are {}", known.join(", "))));
    }
    let limit = match query.one("limit")?.map(str::parse) {
        None => LIMIT_DEFAULT,
        Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => limit,
        Some(_) => return Err(malformed(format!("limit must be a number from 1 to {LIMIT_MAX}"))),
    };
    let id = |name: &str| match query.one(name)?.map(Uuid::try_parse) {
        None => Ok(None),
        Some(Ok(id)) => Ok(Some(id)),
        Some(Err(_)) => Err(malformed(format!("{name} must be a UUID"))),
    };
    let (after, project, template) = (id("after")?, id("project_id")?, id("template_id")?);
    let rows = call.read(|statements| {
        let (projects, templates) = (limit as i64 + 1, TEMPLATES_MAX as i64);
        statements.json(&sql!("devx/projects/outdated"), &[&projects, &after, &project, &template, &templates])
    })?;
    let mut ids: Vec<&Value> = rows.iter().map(|row| &row["project_id"]).collect();
    ids.dedup();
    let next = if ids.len() > limit { ids[limit - 1].clone() } else { Value::Null };
    let shown: Vec<&Value> = ids.into_iter().take(limit).collect();
    let data: Vec<Value> =
        rows.iter().filter(|row| shown.contains(&&row["project_id"])).cloned().map(compared).collect();
    Ok(Reply::value(200, &json!({ "data": data, "next": next })))
}

/// A row with what has changed, in the place of what it was and what it is.
fn compared(mut row: Value) -> Value {
    let Some(members) = row.as_object_mut() else { return row };
    let before = members.remove("before").unwrap_or_default();
    let after = members.remove("after").unwrap_or_default();
    let (changes, is_complete) = diff(&before, &after);
    members.insert("changes".to_owned(), json!(changes));
    members.insert("is_complete".to_owned(), json!(is_complete));
    row
}
