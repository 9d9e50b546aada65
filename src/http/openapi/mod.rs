//! The OpenAPI document: the table of endpoints, as programs read it.
//!
//! Everything in it comes from the table and from the fields, so that it is right as long as they are.

mod errors;
mod shapes;
mod replies;
mod operation;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::endpoint::{Access, Endpoint, Output, get};
use super::reply::Reply;
pub use operation::operation_id;
pub use shapes::{input_name, output_name};

/// `GET /openapi.json`. The document is made when it is first asked for: it has this endpoint in it, too.
pub fn endpoint() -> Endpoint {
    let made: OnceLock<String> = OnceLock::new();
    get("/openapi.json", Access::Public, move |call| {
        let text = made.get_or_init(|| document(call.service.router().endpoints()).to_string());
        Ok(Reply::json(200, text.as_str()))
    })
    .summary("This document")
    .without_database()
    .answers(200, Output::Json(json!({ "type": "object" })))
}

/// The document of these endpoints.
pub fn document(endpoints: &[Endpoint]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let verb = endpoint.verb.name().to_ascii_lowercase();
        paths.entry(&endpoint.path).or_default().insert(verb, operation::operation(endpoint, endpoints));
    }
    let mut tags: Vec<&str> = Vec::new();
    for endpoint in endpoints {
        if !tags.contains(&endpoint.collection()) {
            tags.push(endpoint.collection());
        }
    }
    let tags: Vec<Value> = tags.into_iter().map(|name| json!({ "name": name })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mainstay",
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": shapes::schemas(endpoints),
            "responses": errors::responses(endpoints),
            "parameters": operation::shared_parameters(),
            "headers": replies::headers(),
            "securitySchemes": operation::security_schemes(),
        },
    })
}

/// A reference to a part of the document.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}
