//! JSON Schema: what somebody may be asked for, and whether what they say is that.
//!
//! Schemas come from people who write templates. So they are bounded, refer to nothing outside themselves, and have
//! regular expressions of the kind that takes no longer than the text is long.

mod expansion;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::error::FieldError;

/// Bytes of a schema.
const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// Bytes of a value times values of the schema.
const WORK_MAX: usize = 100_000_000;
/// Bytes of a compiled regular expression.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Faults that are told of one value.
const FAULTS_MAX: usize = 100;
/// Characters of one fault: it may quote the value.
const FAULT_LENGTH_MAX: usize = 300;

/// A schema, ready to be asked.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    /// Its values when it is expanded.
    size: usize,
}

/// The schema, ready to be asked, or what is wrong with it.
pub fn compile(schema: &Value) -> Result<Schema, String> {
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err(format!("must have at most {} KiB", SCHEMA_BYTES_MAX >> 10));
    }
    let size = expansion::size(schema)?;
    let validator = jsonschema::options()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
        .build(schema)
        .map_err(|error| {
            cut(&format!("is no JSON Schema: {} is wrong: {error}", place(&error.instance_path().to_string())))
        })?;
    Ok(Schema { validator, size })
}

/// What is wrong with a value, each fault by the field that has it.
pub fn faults(schema: &Schema, prefix: &str, value: &Value) -> Vec<FieldError> {
    // In the worst case all of the schema is held against all of the value.
    if value.to_string().len().saturating_mul(schema.size) > WORK_MAX {
        let message = "is too long to be held against what is asked for".to_owned();
        return vec![FieldError { field: prefix.to_owned(), message }];
    }
    let fault = |error: jsonschema::ValidationError<'_>| {
        let path = error.instance_path().to_string().replace('/', ".");
        FieldError { field: format!("{prefix}{path}"), message: cut(&error.to_string()) }
    };
    schema.validator.iter_errors(value).take(FAULTS_MAX).map(fault).collect()
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
