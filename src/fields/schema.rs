//! The JSON Schema of fields, as OpenAPI 3.1 has it.

use serde_json::{Map, Value, json};

use super::check::Mode;
use super::field::{Access, Field, Kind};

/// The schema of an object as replies show it (`None`) or as a request must send it.
pub fn object_schema<'a>(fields: impl IntoIterator<Item = &'a Field>, mode: Option<Mode>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let is_there = match mode {
            None => field.is_shown(),
            Some(Mode::Create) => field.is_taken(),
            Some(_) => field.is_taken() && !field.is_fixed,
        };
        if !is_there {
            continue;
        }
        let is_needed = match mode {
            None => true,
            Some(Mode::Merge) => false,
            Some(_) => field.is_required,
        };
        if is_needed {
            required.push(field.name.clone());
        }
        properties.insert(field.name.clone().into_owned(), schema(field));
    }
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// The schema of one field.
pub fn schema(field: &Field) -> Value {
    let mut schema = kind_schema(&field.kind);
    if field.is_nullable {
        schema = nullable(schema);
    }
    let mut help = field.help.clone().into_owned();
    if let Some(unit) = field.unit {
        help = format!("{help} In {unit}.").trim_start().to_owned();
    }
    if field.access == Access::AdminWrites {
        help = format!("{help} Only administrators set it.").trim_start().to_owned();
    }
    if !help.is_empty() {
        schema["description"] = json!(help);
    }
    if let Some(default) = &field.default {
        schema["default"] = default.clone();
    }
    schema
}

fn nullable(mut schema: Value) -> Value {
    match schema["type"].take() {
        Value::String(kind) => {
            schema["type"] = json!([kind, "null"]);
            if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                words.push(Value::Null);
            }
            schema
        }
        _ => json!({}),
    }
}

fn kind_schema(kind: &Kind) -> Value {
    match kind {
        Kind::Text { min, max, form } => {
            let mut schema = json!({ "type": "string", "minLength": min, "maxLength": max });
            if let Some(form) = form {
                if let Some(format) = form.format {
                    schema["format"] = json!(format);
                }
                if let Some(pattern) = form.pattern {
                    schema["pattern"] = json!(pattern);
                }
            }
            schema
        }
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Timestamp => json!({ "type": "string", "format": "date-time" }),
        Kind::Uuid => json!({ "type": "string", "format": "uuid" }),
        Kind::Inet => json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Set(words) => {
            json!({ "type": "array", "items": { "type": "string", "enum": words }, "uniqueItems": true })
        }
        Kind::List { item, max } => json!({ "type": "array", "items": kind_schema(item), "maxItems": max }),
        Kind::Object => json!({ "type": "object" }),
        Kind::Record(fields) => object_schema(fields, Some(Mode::Create)),
        Kind::Records { fields, max } => {
            json!({ "type": "array", "items": object_schema(fields, Some(Mode::Create)), "maxItems": max })
        }
        Kind::Json => json!({}),
    }
}
