//! JSON Schema: what somebody may be asked for, and whether what they say is that.
//!
//! Schemas come from people who write templates. So they are bounded, refer to nothing outside themselves, and have
//! regular expressions of the kind that takes no longer than the text is long.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::error::FieldError;

/// Bytes of a schema.
const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// Bytes of a compiled regular expression.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Faults that are told of one value.
const FAULTS_MAX: usize = 100;
/// Characters of one fault: it may quote the value.
const FAULT_LENGTH_MAX: usize = 300;

/// The schema, ready to be asked, or what is wrong with it.
pub fn compile(schema: &Value) -> Result<Validator, String> {
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err(format!("must have at most {} KiB", SCHEMA_BYTES_MAX >> 10));
    }
    if let Some(reference) = outside(schema) {
        return Err(format!("must not refer to {reference:?}, which is outside of it"));
    }
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
        .build(schema)
        .map_err(|error| {
            cut(&format!("is no JSON Schema: {} is wrong: {error}", place(&error.instance_path().to_string())))
        })
}

/// What is wrong with a value, each fault by the field that has it.
pub fn faults(validator: &Validator, prefix: &str, value: &Value) -> Vec<FieldError> {
    let fault = |error: jsonschema::ValidationError<'_>| {
        let path = error.instance_path().to_string().replace('/', ".");
        FieldError { field: format!("{prefix}{path}"), message: cut(&error.to_string()) }
    };
    validator.iter_errors(value).take(FAULTS_MAX).map(fault).collect()
}

/// A reference that leads out of the schema.
fn outside(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => {
            let reference = ["$ref", "$dynamicRef"].iter().find_map(|name| members.get(*name)?.as_str());
            let is_outside = |reference: &&str| !reference.starts_with('#');
            reference.filter(is_outside).or_else(|| members.values().find_map(outside))
        }
        Value::Array(items) => items.iter().find_map(outside),
        _ => None,
    }
}

fn place(path: &str) -> &str {
    if path.is_empty() { "it" } else { path }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(FAULT_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
