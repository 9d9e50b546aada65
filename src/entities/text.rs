//! Names and values as SQL has them.

use sha2::{Digest, Sha256};

use super::declaration::{Column, Entity, Type};
use serde_json::Value;

/// The schema of all declared tables.
pub(super) const SCHEMA: &str = "app";
/// Bytes of a name in PostgreSQL.
const NAME_BYTES_MAX: usize = 63;

/// A name as an identifier. Names are lower-case letters, digits and underscores, but may be words of SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The table of an entity.
pub(super) fn table(name: &str) -> String {
    format!("{SCHEMA}.{}", quoted(name))
}

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    let text = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", text.replace('\\', "\\\\")) } else { format!("'{text}'") }
}

/// The name of a rule or an index, as its words say; what is too long for PostgreSQL ends with a hash of the whole.
pub(super) fn name(parts: &[&str]) -> String {
    let whole = parts.join("_");
    if whole.len() <= NAME_BYTES_MAX {
        return whole;
    }
    let hash: String = Sha256::digest(&whole).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}_{hash}", &whole[..NAME_BYTES_MAX - 9])
}

/// The type of a column.
pub(super) fn type_of(column: &Column) -> String {
    let one = match &column.kind {
        Type::Text { .. } if column.is_secret => return "entities.secret".to_owned(),
        Type::Text { .. } | Type::Enum(_) => "text".to_owned(),
        // The elements of lists are compared as the engine reads them.
        Type::Integer { .. } if !column.is_array => "integer".to_owned(),
        Type::Integer { .. } | Type::Bigint { .. } => "bigint".to_owned(),
        Type::Decimal { precision, scale, .. } => format!("numeric({precision},{scale})"),
        Type::Boolean => "boolean".to_owned(),
        Type::Date => "date".to_owned(),
        Type::Timestamp => "timestamp with time zone".to_owned(),
        Type::Uuid | Type::Reference { .. } => "uuid".to_owned(),
        Type::Json { .. } => "jsonb".to_owned(),
    };
    if column.is_array { one + "[]" } else { one }
}

/// A value of a column, as a literal of its type.
pub(super) fn value(column: &Column, value: &Value) -> String {
    let kind = type_of(column);
    match value {
        Value::Array(items) if column.is_array => {
            let items: Vec<String> = items.iter().map(plain).map(|text| literal(&text)).collect();
            format!("ARRAY[{}]::{kind}", items.join(", "))
        }
        _ if column.defaults_to_now() => match column.kind {
            Type::Date => "CURRENT_DATE".to_owned(),
            _ => "now()".to_owned(),
        },
        Value::Bool(value) => value.to_string(),
        // Whole numbers and others are literals of another type, which would be converted in each row.
        _ => format!("{}::{kind}", literal(&plain(value))),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The columns that an entity has beside its own fields, behind these.
pub(super) fn extra_columns(entity: &Entity) -> Vec<&'static str> {
    let models = entity.models;
    let of = |applies: bool, names: &[&'static str]| if applies { names.to_vec() } else { Vec::new() };
    [
        of(models.business_scoped, &["business_id"]),
        of(models.auditable, &["created_by", "updated_by"]),
        of(models.keeps_deleted(), &["deleted_at"]),
        of(models.soft_deletable, &["deleted_by"]),
        of(true, &["version", "created_at", "updated_at"]),
    ]
    .concat()
}
