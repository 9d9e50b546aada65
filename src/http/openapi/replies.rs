//! The replies of an endpoint, and the headers that they have.

use serde_json::{Map, Value, json};

use super::errors::{self, takes_idempotency_key};
use super::operation::operation_id;
use super::reference;
use super::shapes::{output_name, output_schema};
use crate::fields::object_schema;
use crate::http::endpoint::{Endpoint, Output, Verb};

/// All replies, errors included, by their statuses.
pub(super) fn replies(endpoint: &Endpoint, endpoints: &[Endpoint]) -> Map<String, Value> {
    let mut replies: Map<String, Value> =
        errors::references(endpoint).map(|(status, reply)| (status.to_string(), reply)).collect();
    let schema = match &endpoint.output {
        Output::Nothing | Output::Text(_) => Value::Null,
        output => output_schema(output, &output_name(endpoint)),
    };
    let mut main = reply(endpoint, endpoint.status, &endpoint.output, schema);
    let links = links(endpoint, endpoints);
    if !links.is_empty() {
        main["links"] = json!(links);
    }
    replies.insert(endpoint.status.to_string(), main);
    if endpoint.has_version && endpoint.verb == Verb::Get {
        replies.insert("304".to_owned(), reply(endpoint, 304, &Output::Nothing, Value::Null));
    }
    for (status, output) in &endpoint.others {
        let schema = match output {
            Output::Object(fields) => object_schema(fields, None),
            Output::Json(schema) => schema.clone(),
            output => output_schema(output, &output_name(endpoint)),
        };
        let mut other = reply(endpoint, *status, output, schema);
        // Where an error has the same status, it is one of the two.
        if let Some(error) = errors::response_of(endpoint, *status) {
            other["content"]["application/problem+json"] = error["content"]["application/problem+json"].clone();
        }
        // The same status with another type of body is the same reply.
        if let (true, Value::Object(content)) = (*status == endpoint.status, &other["content"]) {
            content.iter().for_each(|(kind, shape)| replies[&status.to_string()]["content"][kind] = shape.clone());
            continue;
        }
        replies.insert(status.to_string(), other);
    }
    replies
}

fn reply(endpoint: &Endpoint, status: u16, output: &Output, schema: Value) -> Value {
    let mut names = vec!["X-Request-Id"];
    if status == 201 {
        names.push("Location");
    }
    // What was made has a version, too, unless it is never changed.
    let has_version = matches!(output, Output::Object(fields) if fields.iter().any(|field| field.name == "version"));
    let shows_version = status == 201 || endpoint.has_version;
    if status == 304 || (shows_version && has_version) {
        names.push("ETag");
    }
    if endpoint.is_remembered && status == endpoint.status {
        names.extend(["X-Data-Source", "Age"]);
    }
    if endpoint.is_write {
        names.push("Preference-Applied");
    }
    if takes_idempotency_key(endpoint) {
        names.push("Idempotency-Replayed");
    }
    let headers: Map<String, Value> =
        names.into_iter().map(|name| (name.to_owned(), reference("headers", name))).collect();
    let mut reply = json!({ "description": description(status), "headers": headers });
    match output {
        Output::Nothing => {}
        // YAML is of whatever type it says.
        Output::Text(kind) if kind.ends_with("yaml") => reply["content"] = json!({ *kind: { "schema": {} } }),
        Output::Text(kind) => reply["content"] = json!({ *kind: { "schema": { "type": "string" } } }),
        _ => reply["content"] = json!({ "application/json": { "schema": schema } }),
    }
    reply
}

/// What one can go on with: with the row that was made, or the first one of a list.
fn links(endpoint: &Endpoint, endpoints: &[Endpoint]) -> Map<String, Value> {
    let id = match &endpoint.output {
        Output::Page(_) => "$response.body#/data/0/id",
        Output::Object(_) if endpoint.status == 201 => "$response.body#/id",
        _ => return Map::new(),
    };
    let one = format!("/api/{}/{{id}}", endpoint.collection());
    let is_about_one = |other: &&Endpoint| other.path == one || other.path.starts_with(&format!("{one}/"));
    endpoints
        .iter()
        .filter(is_about_one)
        .map(|other| {
            let name = operation_id(other);
            (name.clone(), json!({ "operationId": name, "parameters": { "id": id } }))
        })
        .collect()
}

fn description(status: u16) -> &'static str {
    match status {
        200 => "As asked for.",
        201 => "It is made.",
        202 => "It will be done, if it can be.",
        204 => "It is done.",
        304 => "The client has it already.",
        503 => "Not now.",
        _ => "Another answer.",
    }
}

/// The headers of replies that are no errors.
pub(super) fn headers() -> Value {
    let header = |is_required: bool, help: &str| json!({ "required": is_required, "description": help, "schema": { "type": "string" } });
    json!({
        "X-Request-Id": header(true, "What the log calls the request: the client's own X-Request-Id if it was a sane one."),
        "ETag": header(true, "The version of the row, for If-Match and If-None-Match."),
        "Location": header(true, "Where the new row is."),
        "X-Data-Source": header(false, "`memory` while the database is away: this is what it said last."),
        "Age": header(false, "How many seconds ago that was."),
        "Preference-Applied": header(false, "`tx=rollback` if nothing of this is kept."),
        "Idempotency-Replayed": header(false, "`true` if this reply was given before."),
    })
}
