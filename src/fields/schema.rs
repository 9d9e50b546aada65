//! The JSON Schema of fields, as OpenAPI 3.1 has it.
//!
//! Of what replies show, it says the type and nothing about bounds: rows may be older than a bound. Of what requests send,
//! it says all that `check` checks, so that whoever follows it is not refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::check::{KEY_MAX, Mode};
use super::field::{Access, Field, Kind};
use super::form::Form;

/// The schema of an object as replies show it (`None`) or as a request must send it.
pub fn object_schema<'a>(fields: impl IntoIterator<Item = &'a Field>, mode: Option<Mode>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut pairs = BTreeSet::new();
    for field in fields.into_iter().filter(|field| is_there(field, mode)) {
        let is_needed = match mode {
            None => !field.is_sometimes,
            Some(Mode::Merge) => false,
            Some(_) => field.is_required,
        };
        if is_needed {
            required.push(field.name.clone());
        }
        if let (Some(partner), Some(Mode::Create | Mode::Replace)) = (field.partner, mode) {
            let name: &str = &field.name;
            pairs.insert([name.min(partner), name.max(partner)]);
        }
        properties.insert(field.name.clone().into_owned(), property(field, mode));
    }
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    let pairs: Vec<Value> = pairs.into_iter().map(both_or_none).collect();
    if !pairs.is_empty() {
        object["allOf"] = json!(pairs);
    }
    object
}

fn is_there(field: &Field, mode: Option<Mode>) -> bool {
    match mode {
        None => field.is_shown(),
        Some(Mode::Create) => field.is_taken(),
        Some(_) => field.is_taken() && !field.is_fixed,
    }
}

/// Both fields have a value, or neither has.
fn both_or_none([one, other]: [&str; 2]) -> Value {
    let (given, empty) = (json!({ "not": { "type": "null" } }), json!({ "type": "null" }));
    json!({ "anyOf": [
        { "properties": { one: given, other: given }, "required": [one, other] },
        { "properties": { one: empty, other: empty } },
    ] })
}

/// The schema of one field, with what there is to say about it.
fn property(field: &Field, mode: Option<Mode>) -> Value {
    let mut schema = kind_schema(&field.kind, mode);
    if field.is_nullable || (field.is_veiled && mode.is_none()) {
        schema = nullable(schema);
    }
    let mut help = vec![field.help.clone().into_owned()];
    help.extend(field.unit.map(|unit| format!("In {unit}.")));
    if mode.is_some() && field.access == Access::AdminWrites {
        help.push("Only administrators set it.".to_owned());
    }
    let help = help.join(" ");
    if !help.trim().is_empty() {
        schema["description"] = json!(help.trim());
    }
    // What a change leaves out stays as it is.
    if let (Some(default), Some(Mode::Create | Mode::Replace)) = (&field.default, mode) {
        schema["default"] = default.clone();
    }
    schema
}

/// The schema of a value that a request sends, on its own.
pub fn value_schema(kind: &Kind) -> Value {
    kind_schema(kind, Some(Mode::Create))
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

fn kind_schema(kind: &Kind, mode: Option<Mode>) -> Value {
    let is_sent = mode.is_some();
    match kind {
        Kind::Text { min, max, form, pattern } => {
            let mut schema = json!({ "type": "string" });
            if is_sent {
                schema["minLength"] = json!(min);
                schema["maxLength"] = json!(max);
            }
            if let Some(format) = form.and_then(|form| form.format) {
                schema["format"] = json!(format);
            }
            if let Some(pattern) = form.and_then(|form| form.pattern).filter(|_| is_sent) {
                schema["pattern"] = json!(pattern);
            }
            if let Some(pattern) = pattern.as_ref().filter(|_| is_sent) {
                schema["pattern"] = json!(pattern.text());
            }
            schema
        }
        Kind::Integer { min, max } if is_sent => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Integer { .. } => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Decimal { scale, min, max, .. } if is_sent => {
            let step = format!("1e-{scale}").parse::<f64>().unwrap_or(1.0);
            json!({ "type": "number", "minimum": min, "maximum": max, "multipleOf": step })
        }
        Kind::Decimal { .. } => json!({ "type": "number" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Timestamp => json!({ "type": "string", "format": "date-time" }),
        Kind::Uuid => json!({ "type": "string", "format": "uuid" }),
        Kind::Inet => json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Set { words, min } => {
            let mut schema =
                json!({ "type": "array", "items": { "type": "string", "enum": words }, "uniqueItems": true });
            if is_sent && *min > 0 {
                schema["minItems"] = json!(min);
            }
            schema
        }
        Kind::List { item, min, max, is_set } => {
            let mut schema = list(kind_schema(item, mode), *max, is_sent);
            if is_sent && *min > 0 {
                schema["minItems"] = json!(min);
            }
            if is_sent && *is_set {
                schema["uniqueItems"] = json!(true);
            }
            schema
        }
        Kind::Object => json!({ "type": "object" }),
        Kind::Map { key, value, max } => map(key, property(value, mode), *max, is_sent),
        Kind::Record(fields) => record(fields, mode),
        Kind::Records { fields, max } => list(record(fields, mode), *max, is_sent),
        Kind::Json if is_sent => json!({ "type": ["array", "boolean", "number", "object", "string"] }),
        Kind::Json => json!({}),
    }
}

/// An object inside another: it is shown as it was sent, without what need not be there.
fn record(fields: &[Field], mode: Option<Mode>) -> Value {
    let mut schema = object_schema(fields, mode.map(|_| Mode::Create));
    if mode.is_none()
        && let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut)
    {
        required.retain(|name| fields.iter().any(|field| *name == *field.name && !field.is_nullable));
    }
    schema
}

fn list(item: Value, max: usize, is_sent: bool) -> Value {
    let mut schema = json!({ "type": "array", "items": item });
    if is_sent {
        schema["maxItems"] = json!(max);
    }
    schema
}

fn map(key: &Form, value: Value, max: usize, is_sent: bool) -> Value {
    let mut schema = json!({ "type": "object", "additionalProperties": value });
    if is_sent {
        schema["maxProperties"] = json!(max);
        schema["propertyNames"] = json!({ "pattern": key.pattern, "maxLength": KEY_MAX });
    }
    schema
}
