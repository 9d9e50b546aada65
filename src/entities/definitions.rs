//! `GET /api/entities`: what has been declared, for programs that make forms and tables of it.

use serde_json::json;

use super::declaration::Entity;
use super::resource::definition;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, list, object};
use crate::http::{Access, Call, Endpoint, Output, Reply, get};

fn fields() -> Vec<Field> {
    let text = |name: &'static str, help: &'static str| text(name).read_only().never_null().help(help);
    vec![
        text("name", "What the collection is called."),
        text("singular", "One of them, in words."),
        text("description", "What they are for."),
        text("path", "Where its rows are."),
        text("type", "What a row is called in the document and in TypeScript."),
        list("models", self::text("model"), 5).read_only().never_null().help("The base models that it is made of."),
        text("read", "The permission that one needs to read rows."),
        text("write", "The permission that one needs to change them."),
        object("declaration").read_only().never_null().help("The declaration, as it was written."),
    ]
}

fn text(name: &'static str) -> Field {
    crate::fields::text(name)
}

/// Declarations are part of the program, so everybody who is signed in may see them; rows are another matter.
pub(super) fn endpoints(entities: &[Entity]) -> Vec<Endpoint> {
    let all: Vec<serde_json::Value> = entities.iter().map(definition).collect();
    let body = json!({ "data": all }).to_string();
    let schema = json!({
        "type": "object",
        "properties": { "data": { "type": "array", "items": crate::fields::object_schema(&fields(), None) } },
        "required": ["data"],
        "additionalProperties": false,
    });
    let show = move |call: &mut Call<'_, '_>| -> Result<Reply> {
        match call.query.iter().next() {
            None => Ok(Reply::json(200, body.as_str())),
            Some((name, _)) => Err(Error::new(Code::MalformedRequest, format!("{name} is not known here"))),
        }
    };
    let endpoint = get("/api/entities", Access::SignedIn, show)
        .summary("Show what entities are declared")
        .without_database()
        .answers(200, Output::Json(schema))
        .named("", "Entities");
    vec![endpoint]
}
