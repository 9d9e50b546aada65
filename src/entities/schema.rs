//! The JSON Schema of declarations, for editors.

use serde_json::{Map, Value, json};

use super::column::{MEMBERS, TYPES, members_of};
use super::declaration::{Check, OnDelete, Target};
use super::read::{FIELDS_MAX, MODELS};
use super::reader::NAME_MAX;
use crate::fields::Pattern;
use crate::http::Role;

/// The schema: what an editor can know of one file. What lies between files is looked at when they are read.
pub fn schema() -> Value {
    let text = |help: &str| json!({ "type": "string", "minLength": 1, "maxLength": 1000, "description": help });
    let fields =
        |min: usize| json!({ "type": "array", "items": name(), "minItems": min, "maxItems": 8, "uniqueItems": true });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An entity of mainstay",
        "type": "object",
        "properties": {
            "$schema": { "type": "string" },
            "name": described(name(), "The table and the collection, as the file is called: customers."),
            "singular": text("One of them, in words; made from the name if it is not given."),
            "description": text("What rows are for."),
            "was": described(name(), "What it was called before: the table is renamed."),
            "models": {
                "type": "array",
                "items": { "enum": MODELS },
                "uniqueItems": true,
                "default": ["base"],
                "description": "base: deleted rows are kept and hidden. auditable: who made and changed a row, and the audit. \
                    soft_deletable: deleted rows can be restored, and are purged in time. business_scoped: rows belong to a \
                    team, and only its members see them. versioned: changes must say which version they change.",
            },
            "retention_days": described(whole(0, 36_500), "How long deleted rows can be restored: 30 days."),
            "fields": { "type": "array", "items": field(), "minItems": 1, "maxItems": FIELDS_MAX },
            "unique": { "type": "array", "items": fields(2), "description": "Fields that together are unique." },
            "indexes": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "fields": fields(1),
                        "where": {
                            "type": "object",
                            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
                            "description": "Only these rows: a value, null, or \"not null\".",
                        },
                    },
                    "required": ["fields"],
                    "additionalProperties": false,
                },
            },
            "checks": { "type": "array", "items": check() },
            "permissions": {
                "type": "object",
                "properties": { "read": { "enum": Role::NAMES }, "write": { "enum": Role::NAMES } },
                "additionalProperties": false,
                "description": "Which role one needs: VIEWER to read, USER to write, unless this says otherwise.",
            },
        },
        "required": ["name", "fields"],
        "additionalProperties": false,
    })
}

fn name() -> Value {
    json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": NAME_MAX })
}

fn whole(min: i64, max: i64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn described(mut schema: Value, help: &str) -> Value {
    schema["description"] = json!(help);
    schema
}

fn check() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": name(),
            "field": name(),
            "operator": { "enum": Check::OPERATORS },
            "than": described(name(), "Another field."),
            "value": described(json!({}), "Or a value."),
            "message": { "type": "string", "description": "What clients are told: must not be before starts_at." },
        },
        "required": ["name", "field", "operator", "message"],
        "oneOf": [{ "required": ["than"] }, { "required": ["value"] }],
        "additionalProperties": false,
    })
}

/// A field: a form for each type, as each has members of its own.
fn field() -> Value {
    let forms: Vec<Value> = TYPES.iter().map(|kind| field_of(kind)).collect();
    json!({ "type": "object", "required": ["name", "type"], "oneOf": forms })
}

fn field_of(kind: &str) -> Value {
    let mut properties: Map<String, Value> = Map::new();
    for member in MEMBERS.iter().chain(members_of(kind)) {
        properties.insert((*member).to_owned(), member_schema(kind, member));
    }
    let mut required = vec!["name", "type"];
    required.extend(match kind {
        "decimal" => Some("precision"),
        "enum" => Some("values"),
        "reference" => Some("to"),
        _ => None,
    });
    json!({ "properties": properties, "required": required, "additionalProperties": false })
}

fn member_schema(kind: &str, member: &str) -> Value {
    let flag = |help: &str| json!({ "type": "boolean", "description": help });
    match member {
        "name" => described(name(), "The column, and the field in the API. Of a reference it ends in _id."),
        "was" => described(name(), "What it was called before: the column is renamed."),
        "type" => json!({ "const": kind }),
        "array" => flag("Several of them."),
        "required" => flag("It must be given, and is never null."),
        "default" => described(json!({}), "What it is when it is not given; now, for days and times."),
        "unique" => flag("No two rows, in a business, have the same."),
        "index" => flag("An index on it."),
        "filter" => flag("Lists can be filtered by it; an index serves that."),
        "sort" => flag("Lists can be sorted by it; an index serves that."),
        "search" => flag("Lists can be searched for a part of it; an index serves that."),
        "secret" => flag("It is encrypted, taken, and never shown."),
        "description" => json!({ "type": "string", "maxLength": 1000 }),
        "pattern" => json!({
            "type": "string",
            "maxLength": Pattern::LENGTH_MAX,
            "description": "A regular expression that PostgreSQL, JavaScript and Rust read alike. It may match anywhere: ^ and $ bind it.",
        }),
        "precision" => described(whole(1, 15), "Digits in all."),
        "scale" => described(whole(0, 15), "Digits behind the point."),
        "min" | "max" if kind == "decimal" => json!({ "type": "number" }),
        "min" | "max" if kind == "text" => described(whole(0, 1_000_000), "Characters."),
        "min" | "max" => json!({ "type": "integer" }),
        "any" => flag("Any JSON, and not objects alone."),
        "values" => json!({
            "type": "array",
            "items": { "type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[^,]*$" },
            "minItems": 1,
            "uniqueItems": true,
        }),
        "to" => json!({ "anyOf": [name(), { "enum": Target::TABLES }], "description": "What it refers to." }),
        _ => json!({ "enum": OnDelete::NAMES, "default": "restrict", "description": "When that is deleted." }),
    }
}
