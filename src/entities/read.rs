//! From a file to a declaration.

use serde_json::{Map, Value};

use super::column;
use super::declaration::{Check, Condition, Entity, Index, Models, Operand};
use super::faults::Fault;
use super::lines::Lines;
use super::reader::{Part, Reader};
use crate::http::Role;
use crate::json;

/// Bytes of a declaration.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;
/// Fields of an entity, and of each of the lists beside them.
pub(super) const FIELDS_MAX: usize = 200;
const LIST_MAX: usize = 50;
const RETENTION_DAYS: i64 = 30;
const RETENTION_DAYS_MAX: i64 = 36_500;

pub(super) const MEMBERS: [&str; 12] = [
    "$schema",
    "name",
    "singular",
    "description",
    "was",
    "models",
    "retention_days",
    "fields",
    "unique",
    "indexes",
    "checks",
    "permissions",
];
pub(super) const MODELS: [&str; 5] = ["base", "auditable", "soft_deletable", "business_scoped", "versioned"];

/// Reads one file, or finds everything that is wrong with it by itself.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Entity, Vec<Fault>> {
    let about = |line, message: String| vec![Fault { file: file.to_owned(), line, field: String::new(), message }];
    if bytes.len() > FILE_BYTES_MAX {
        return Err(about(1, format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    let value = json::parse(bytes).map_err(|error| {
        let message = error.message.replace("the body", "the file");
        about(line_in(&message).unwrap_or(1), message)
    })?;
    let Value::Object(members) = &value else { return Err(about(1, "must be a JSON object".to_owned())) };
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader { file, lines: Lines::of(&text), faults: Vec::new() };
    let entity = entity(&mut reader, members, &value);
    match entity {
        Some(entity) if reader.faults.is_empty() => Ok(entity),
        _ => Err(reader.faults),
    }
}

/// serde_json ends its messages with the place.
fn line_in(message: &str) -> Option<usize> {
    let (_, rest) = message.rsplit_once("at line ")?;
    rest.split(' ').next()?.parse().ok()
}

fn entity(reader: &mut Reader<'_>, members: &Map<String, Value>, source: &Value) -> Option<Entity> {
    let part = Part { path: String::new(), shown: String::new(), members };
    reader.known(&part, &MEMBERS);
    let name = reader.name(&part, "name");
    if part.get("name").is_none() {
        reader.fault(&part, "name", "is required");
    }
    let name = name.unwrap_or_default();
    let stem = reader.file.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if !name.is_empty() && stem != name {
        reader.fault(&part, "name", format!("must be that of the file, {stem}"));
    }
    let models = models(reader, &part);
    let permissions = permissions(reader, &part);
    let fields = fields(reader, &part);
    let entity = Entity {
        singular: reader.text(&part, "singular").unwrap_or_else(|| singular(&name)),
        description: reader.text(&part, "description").unwrap_or_default(),
        was: reader.name(&part, "was"),
        models,
        retention_days: retention(reader, &part, models),
        fields,
        uniques: uniques(reader, &part),
        indexes: indexes(reader, &part),
        checks: checks(reader, &part),
        read: permissions.0,
        write: permissions.1,
        file: reader.file.to_owned(),
        source: source.clone(),
        name,
    };
    (!entity.name.is_empty()).then_some(entity)
}

/// `orders` are several of an order; of irregular words the declaration says it.
fn singular(name: &str) -> String {
    let words = name.replace('_', " ");
    match (words.strip_suffix("ies"), words.strip_suffix("sses"), words.strip_suffix('s')) {
        (Some(stem), ..) => format!("{stem}y"),
        (_, Some(stem), _) => format!("{stem}ss"),
        (_, _, Some(stem)) => stem.to_owned(),
        _ => words,
    }
}

fn models(reader: &mut Reader<'_>, part: &Part<'_>) -> Models {
    if part.get("models").is_none() {
        return Models { base: true, ..Models::default() };
    }
    let mut models = Models::default();
    for (index, item) in reader.list(part, "models", MODELS.len()).iter().enumerate() {
        let model = match item.as_str() {
            Some("base") => &mut models.base,
            Some("auditable") => &mut models.auditable,
            Some("soft_deletable") => &mut models.soft_deletable,
            Some("business_scoped") => &mut models.business_scoped,
            Some("versioned") => &mut models.versioned,
            _ => {
                reader.fault(part, &format!("models[{index}]"), format!("must be one of {}", MODELS.join(", ")));
                continue;
            }
        };
        if *model {
            reader.fault(part, &format!("models[{index}]"), "is there twice");
        }
        *model = true;
    }
    models
}

fn retention(reader: &mut Reader<'_>, part: &Part<'_>, models: Models) -> u32 {
    let days = reader.whole(part, "retention_days", 0, RETENTION_DAYS_MAX);
    if days.is_some() && !models.soft_deletable {
        reader.fault(part, "retention_days", "needs the model soft_deletable: other rows are not purged");
    }
    days.unwrap_or(RETENTION_DAYS) as u32
}

fn permissions(reader: &mut Reader<'_>, part: &Part<'_>) -> (Role, Role) {
    let mut roles = (Role::Viewer, Role::User);
    let Some(value) = part.get("permissions") else { return roles };
    let Some(members) = value.as_object() else {
        reader.fault(part, "permissions", "must be an object");
        return roles;
    };
    let inner = Part { path: "permissions".to_owned(), shown: "permissions".to_owned(), members };
    reader.known(&inner, &["read", "write"]);
    let mut role = |key| reader.word(&inner, key, &Role::NAMES).and_then(Role::parse);
    roles = (role("read").unwrap_or(roles.0), role("write").unwrap_or(roles.1));
    if roles.1 < roles.0 {
        reader.fault(&inner, "write", "must not be allowed to more than read: whoever writes sees what they wrote");
    }
    roles
}

fn fields(reader: &mut Reader<'_>, part: &Part<'_>) -> Vec<super::declaration::Column> {
    let mut parts = reader.parts(part, "fields", FIELDS_MAX);
    if part.get("fields").is_none_or(|fields| fields.as_array().is_some_and(Vec::is_empty)) {
        reader.fault(part, "fields", "must have at least one field");
    }
    for part in &mut parts {
        if let Some(name) = part.get("name").and_then(Value::as_str) {
            part.shown = name.chars().take(super::reader::NAME_MAX).collect();
        }
    }
    parts.iter().filter_map(|part| column::read(reader, part)).collect()
}

fn uniques(reader: &mut Reader<'_>, part: &Part<'_>) -> Vec<Vec<String>> {
    let lists = reader.list(part, "unique", LIST_MAX);
    let read = |(index, list)| reader.names(part, &format!("unique[{index}]"), list, 2, 8);
    lists.iter().enumerate().filter_map(read).collect()
}

fn indexes(reader: &mut Reader<'_>, part: &Part<'_>) -> Vec<Index> {
    let mut indexes = Vec::new();
    for part in reader.parts(part, "indexes", LIST_MAX) {
        reader.known(&part, &["fields", "where"]);
        let fields = match part.get("fields") {
            Some(names) => reader.names(&part, "fields", names, 1, 8),
            None => {
                reader.fault(&part, "fields", "is required");
                None
            }
        };
        let conditions = conditions(reader, &part);
        indexes.extend(fields.map(|fields| Index { fields, conditions }));
    }
    indexes
}

fn conditions(reader: &mut Reader<'_>, part: &Part<'_>) -> Vec<(String, Condition)> {
    let Some(value) = part.get("where") else { return Vec::new() };
    let Some(members) = value.as_object() else {
        reader.fault(part, "where", "must be an object: {\"email\": \"not null\", \"active\": true}");
        return Vec::new();
    };
    let mut conditions = Vec::new();
    for (field, value) in members {
        let condition = match value {
            Value::Null => Condition::IsNull,
            Value::String(text) if text == "not null" => Condition::IsNotNull,
            Value::String(_) | Value::Bool(_) | Value::Number(_) => Condition::Equals(value.clone()),
            _ => {
                reader.fault(part, &format!("where.{field}"), "must be null, \"not null\" or a value");
                continue;
            }
        };
        conditions.push((field.clone(), condition));
    }
    conditions
}

fn checks(reader: &mut Reader<'_>, part: &Part<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for part in reader.parts(part, "checks", LIST_MAX) {
        reader.known(&part, &["name", "field", "operator", "than", "value", "message"]);
        for key in ["name", "field", "operator", "message"] {
            if part.get(key).is_none() {
                reader.fault(&part, key, "is required");
            }
        }
        let than = match (part.get("than"), part.get("value")) {
            (Some(_), None) => reader.name(&part, "than").map(Operand::Field),
            (None, Some(value)) => Some(Operand::Value(value.clone())),
            _ => {
                reader.fault(&part, "than", "is another field, or value is a value: one of the two");
                None
            }
        };
        let (name, field) = (reader.name(&part, "name"), reader.name(&part, "field"));
        let operator = reader.word(&part, "operator", &Check::OPERATORS);
        let message = reader.text(&part, "message");
        if let (Some(name), Some(field), Some(operator), Some(than), Some(message)) =
            (name, field, operator, than, message)
        {
            checks.push(Check { name, field, operator, than, message });
        }
    }
    checks
}
