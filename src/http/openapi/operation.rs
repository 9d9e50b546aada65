//! An endpoint as an operation: its parameters and its body.

use serde_json::{Map, Value, json};

use super::errors::takes_idempotency_key;
use super::reference;
use super::replies::replies;
use super::shapes::input_name;
use crate::http::endpoint::{Access, Endpoint, Verb};

/// `getTeamsById` for `GET /api/teams/{id}`.
pub fn operation_id(endpoint: &Endpoint) -> String {
    let mut id = endpoint.verb.name().to_ascii_lowercase();
    let path = endpoint.path.trim_end_matches(".json").trim_start_matches("/api");
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if segment.starts_with('{') {
            id.push_str("By");
        }
        for word in segment.trim_matches(['{', '}']).split(['-', '_']) {
            let (first, rest) = word.split_at(word.len().min(1));
            id.push_str(&first.to_ascii_uppercase());
            id.push_str(rest);
        }
    }
    id
}

pub(super) fn operation(endpoint: &Endpoint, endpoints: &[Endpoint]) -> Value {
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.collection()],
        "security": security(endpoint),
        "responses": replies(endpoint, endpoints),
    });
    let parameters = all_parameters(endpoint);
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if endpoint.input.is_some() {
        let schema = json!({ "schema": reference("schemas", &input_name(endpoint)) });
        let mut content = Map::from_iter([("application/json".to_owned(), schema.clone())]);
        if endpoint.verb == Verb::Patch {
            content.insert("application/merge-patch+json".to_owned(), schema);
        }
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

/// One of the two schemes, with the permission as the role that is needed.
fn security(endpoint: &Endpoint) -> Value {
    let roles: Vec<&str> = endpoint.permission().map(|permission| permission.name).into_iter().collect();
    match endpoint.access {
        Access::Public => json!([]),
        _ => json!([{ "apiKey": roles }, { "token": roles }]),
    }
}

pub(super) fn security_schemes() -> Value {
    json!({
        "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key: `ctm_…`." },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of a login. An API key works here, too.",
        },
    })
}

fn all_parameters(endpoint: &Endpoint) -> Vec<Value> {
    let path = endpoint.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = path.map(path_parameter).collect();
    let shared = |name: &str| reference("parameters", name);
    if endpoint.has_version {
        let name = if endpoint.verb == Verb::Get { "If-None-Match" } else { "If-Match" };
        let mut parameter = shared(name);
        if endpoint.needs_match {
            parameter = shared_parameters()[name].clone();
            parameter["required"] = json!(true);
        }
        parameters.push(parameter);
    }
    if takes_idempotency_key(endpoint) {
        parameters.push(shared("Idempotency-Key"));
    }
    if endpoint.is_write {
        parameters.push(shared("Prefer"));
    }
    for parameter in (endpoint.parameters)().iter().filter(|parameter| !parameter.name.ends_with(".*")) {
        let mut shown = json!({ "name": parameter.name, "in": "query", "schema": parameter.schema });
        if !parameter.help.is_empty() {
            shown["description"] = json!(parameter.help);
        }
        if parameter.is_required {
            shown["required"] = json!(true);
        }
        if parameter.schema["type"] == "array" {
            // One after the other, with commas between them.
            shown["style"] = json!("form");
            shown["explode"] = json!(false);
        }
        parameters.push(shown);
    }
    parameters
}

/// What stands in a path is an id, unless it is called something else.
fn path_parameter(name: &str) -> Value {
    let schema = match name == "id" || name.ends_with("_id") {
        true => json!({ "type": "string", "format": "uuid" }),
        false => json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

/// The headers that several endpoints take.
pub(super) fn shared_parameters() -> Value {
    let header = |name: &str, help: &str, schema: Value| json!({ "name": name, "in": "header", "required": false, "description": help, "schema": schema });
    json!({
        "If-Match": header(
            "If-Match",
            "Do it only if the row still is at this version, which is its ETag; * is any.",
            json!({ "type": "string", "anyOf": [{ "const": "*" }, { "pattern": "^(W/)?\"[!#-~]*\"$" }] }),
        ),
        "If-None-Match": header(
            "If-None-Match",
            "Answer 304 if the row still is at one of these versions.",
            json!({ "type": "string" }),
        ),
        "Idempotency-Key": header(
            "Idempotency-Key",
            "A name for this request: whoever sends it again within 24 hours gets the first reply again.",
            json!({ "type": "string", "pattern": "^[!-~]{1,255}$" }),
        ),
        "Prefer": header(
            "Prefer",
            "`tx=rollback` does everything and undoes it; `max-affected=N` refuses to change more rows.",
            json!({ "type": "string" }),
        ),
    })
}
