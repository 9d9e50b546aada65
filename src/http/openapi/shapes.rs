//! What is sent and answered, as named schemas.

use serde_json::{Map, Value, json};

use super::errors::problem_schema;
use super::operation::operation_id;
use super::reference;
use crate::fields::{Field, object_schema};
use crate::http::endpoint::{Endpoint, Output};

/// What an endpoint's input is called.
pub fn input_name(endpoint: &Endpoint) -> String {
    match endpoint.input_name.as_str() {
        "" => format!("{}Input", title(&operation_id(endpoint))),
        name => name.to_owned(),
    }
}

/// What an endpoint's output is called; of a page, what its rows are.
pub fn output_name(endpoint: &Endpoint) -> String {
    match endpoint.output_name.as_str() {
        "" => format!("{}Output", title(&operation_id(endpoint))),
        name => name.to_owned(),
    }
}

fn title(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_ascii_uppercase() + rest
}

/// All named schemas.
pub(super) fn schemas(endpoints: &[Endpoint]) -> Map<String, Value> {
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), problem_schema(endpoints));
    for endpoint in endpoints {
        if let Some((fields, mode)) = &endpoint.input {
            schemas.insert(input_name(endpoint), object_schema(fields, Some(*mode)));
        }
        let name = output_name(endpoint);
        match &endpoint.output {
            Output::Object(fields) => {
                schemas.insert(name, object_schema(fields, None));
            }
            Output::Json(schema) => {
                schemas.insert(name, schema.clone());
            }
            Output::Page(fields) => {
                schemas.insert("Page".to_owned(), page_schema());
                schemas.insert(part_name(&name), part_schema(&name, fields));
                schemas.insert(name, object_schema(fields, None));
            }
            Output::Nothing | Output::Text(_) => {}
        }
    }
    schemas
}

/// The schema of an output that is called so.
pub(super) fn output_schema(output: &Output, name: &str) -> Value {
    match output {
        Output::Page(_) => {
            let row = json!({ "anyOf": [reference("schemas", name), reference("schemas", &part_name(name))] });
            json!({
                "type": "object",
                "properties": { "data": { "type": "array", "items": row }, "page": reference("schemas", "Page") },
                "required": ["data", "page"],
                "additionalProperties": false,
            })
        }
        _ => reference("schemas", name),
    }
}

fn part_name(name: &str) -> String {
    format!("{name}Part")
}

/// A row of which only some fields were asked for.
fn part_schema(name: &str, fields: &[Field]) -> Value {
    let mut schema = object_schema(fields, None);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
        schema.insert("description".to_owned(), json!(format!("What `fields` leaves of a {name}.")));
    }
    schema
}

fn page_schema() -> Value {
    json!({
        "type": "object",
        "description": "Where one is in a list.",
        "properties": {
            "limit": { "type": "integer", "description": "Rows that a page has at most." },
            "next_cursor": {
                "type": ["string", "null"],
                "description": "The `cursor` of the next page; null when this is the last.",
            },
            "page": { "type": "integer", "description": "The number of the page, if one was asked for." },
            "total": { "type": "integer", "description": "How many rows there are, if that was asked for: at most 10,000." },
            "total_is_exceeded": { "type": "boolean", "description": "Whether there are more than `total`." },
        },
        "required": ["limit", "next_cursor"],
        "additionalProperties": false,
    })
}
