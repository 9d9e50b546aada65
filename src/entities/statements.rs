//! The statements of an entity, written as those of our own tables are, and by the same rules.

use super::declaration::{Column, Entity, Type};
use super::text::{extra_columns, literal, quoted, table, type_of};
use crate::sql::Query;

/// Who acts.
const ACTOR: &str = "($1::jsonb ->> 'user_id')::uuid";

/// A statement with its name in logs and metrics.
fn query(entity: &Entity, verb: &str, text: String) -> Query {
    let name = super::kept::text(&format!("entities/{}/{verb}", entity.name));
    Query { name, text: super::kept::text(&text) }
}

/// What replies show, in their order; `t.` in front where it is needed.
fn shown(entity: &Entity, prefix: &str, separator: &str) -> String {
    let own = entity.fields.iter().filter(|field| !field.is_secret).map(|field| field.name.as_str());
    let names = ["id"].into_iter().chain(own).chain(extra_columns(entity).into_iter().filter(|name| {
        // Of rows that are not deleted there is nothing to say here.
        !name.starts_with("deleted_")
    }));
    names.map(|name| format!("{prefix}{}", quoted(name))).collect::<Vec<_>>().join(separator)
}

fn written(fields: &[Column]) -> impl Iterator<Item = &str> {
    fields.iter().map(|field| field.name.as_str())
}

pub(super) fn select(entity: &Entity) -> Query {
    let hidden = if entity.models.keeps_deleted() { "\nWHERE t.deleted_at IS NULL" } else { "" };
    let text = format!("SELECT\n    {}\nFROM {} AS t{hidden}", shown(entity, "t.", ",\n    "), table(&entity.name));
    query(entity, "select", text)
}

/// The rows that have been deleted, and when and by whom.
pub(super) fn select_deleted(entity: &Entity) -> Query {
    let columns = shown(entity, "t.", ",\n    ");
    let text = format!(
        "SELECT\n    {columns},\n    t.deleted_at,\n    t.deleted_by\nFROM {} AS t\nWHERE t.deleted_at IS NOT NULL",
        table(&entity.name)
    );
    query(entity, "select_deleted", text)
}

pub(super) fn insert(entity: &Entity) -> Query {
    let mut columns: Vec<String> = written(&entity.fields).map(quoted).collect();
    let mut values: Vec<String> = entity.fields.iter().map(new_value).collect();
    if entity.fields.iter().any(|field| field.is_secret) {
        // What is encrypted is bound to the row's id, which is therefore made before it.
        columns.push("id".to_owned());
        values.push("coalesce(new.id, ops.uuid_v7())".to_owned());
    }
    if entity.models.business_scoped {
        columns.push("business_id".to_owned());
        values.push("new.business_id".to_owned());
    }
    if entity.models.auditable {
        columns.extend(["created_by".to_owned(), "updated_by".to_owned()]);
        values.extend([ACTOR.to_owned(), ACTOR.to_owned()]);
    }
    let text = format!(
        "INSERT INTO {table} (\n    {}\n)\nSELECT\n    {}\nFROM ops.actor($1),\n    \
         jsonb_populate_record(NULL::{table}, $2) AS new\nRETURNING\n    {}",
        columns.join(",\n    "),
        values.join(",\n    "),
        shown(entity, "", ",\n    "),
        table = table(&entity.name),
    );
    query(entity, "insert", text)
}

/// The value of a new row: what was sent, or the time.
fn new_value(field: &Column) -> String {
    let name = quoted(&field.name);
    match field.kind {
        _ if !field.defaults_to_now() => format!("new.{name}"),
        Type::Date => format!("coalesce(new.{name}, CURRENT_DATE)"),
        _ => format!("coalesce(new.{name}, now())"),
    }
}

pub(super) fn update(entity: &Entity) -> Query {
    let columns: Vec<String> = written(&entity.fields).map(quoted).collect();
    let values: Vec<String> = columns.iter().map(|name| format!("new.{name}")).collect();
    let actor = if entity.models.auditable { format!(",\n    updated_by = {ACTOR}") } else { String::new() };
    let text = format!(
        "UPDATE {table} AS t\nSET (\n    {}\n) = (\n    SELECT\n        {}\n    \
         FROM jsonb_populate_record(t, $3) AS new\n){actor}\nFROM ops.actor($1)\nWHERE t.id = ANY ($2)\n    \
         AND ($4::integer IS NULL OR t.version = $4){}\nRETURNING\n    {}",
        columns.join(",\n    "),
        values.join(",\n        "),
        living(entity),
        shown(entity, "t.", ",\n    "),
        table = table(&entity.name),
    );
    query(entity, "update", text)
}

fn living(entity: &Entity) -> &'static str {
    if entity.models.keeps_deleted() { "\n    AND t.deleted_at IS NULL" } else { "" }
}

pub(super) fn delete(entity: &Entity) -> Query {
    let table = table(&entity.name);
    let which = "WHERE t.id = ANY ($2)\n    AND ($3::integer IS NULL OR t.version = $3)";
    let actor = if entity.models.soft_deletable { format!(",\n    deleted_by = {ACTOR}") } else { String::new() };
    let text = match entity.models.keeps_deleted() {
        false => format!("DELETE FROM {table} AS t\nUSING ops.actor($1)\n{which}\nRETURNING t.id"),
        true => format!(
            "UPDATE {table} AS t\nSET deleted_at = now(){actor}\nFROM ops.actor($1)\n{which}{}\nRETURNING t.id",
            living(entity)
        ),
    };
    query(entity, "delete", text)
}

/// `$1` actor, `$2` id.
pub(super) fn restore(entity: &Entity) -> Query {
    let actor = if entity.models.auditable { format!(",\n    updated_by = {ACTOR}") } else { String::new() };
    let text = format!(
        "UPDATE {} AS t\nSET deleted_at = NULL,\n    deleted_by = NULL{actor}\nFROM ops.actor($1)\nWHERE t.id = $2\n    \
         AND t.deleted_at IS NOT NULL\nRETURNING\n    {}",
        table(&entity.name),
        shown(entity, "t.", ",\n    "),
    );
    query(entity, "restore", text)
}

/// Which of the words of an enum, or of a text, a column may be; `None` if it may be anything.
pub(super) fn column_check(field: &Column) -> Option<(&'static str, String)> {
    let name = quoted(&field.name);
    let number = |value: &str| format!("{}::{}", literal(value), type_of(field));
    if field.is_secret {
        return Some(("is_sealed", format!("{name}::text ~ '^[0-9a-f]+(:[0-9a-f]*){{3}}$'")));
    }
    if field.is_array && !matches!(field.kind, Type::Enum(_)) {
        return None;
    }
    Some(match &field.kind {
        Type::Text { min: 0, max, .. } => ("length", format!("char_length({name}) <= {max}")),
        Type::Text { min, max, .. } => ("length", format!("char_length({name}) BETWEEN {min} AND {max}")),
        Type::Enum(words) => {
            let words: Vec<String> = words.iter().map(|word| literal(word)).collect();
            let words = words.join(", ");
            match field.is_array {
                true => ("is_known", format!("{name} <@ ARRAY[{words}]")),
                false => ("is_known", format!("{name} IN ({words})")),
            }
        }
        Type::Integer { min, max } if (*min, *max) != (i64::from(i32::MIN), i64::from(i32::MAX)) => {
            ("is_in_range", format!("{name} BETWEEN {} AND {}", number(&min.to_string()), number(&max.to_string())))
        }
        Type::Bigint { min, max } => {
            ("is_in_range", format!("{name} BETWEEN {} AND {}", number(&min.to_string()), number(&max.to_string())))
        }
        Type::Decimal { min, max, .. } => (
            "is_in_range",
            format!("{name} BETWEEN {}::numeric AND {}::numeric", literal(&min.to_string()), literal(&max.to_string())),
        ),
        Type::Json { is_any: false } => ("is_an_object", format!("jsonb_typeof({name}) = 'object'")),
        _ => return None,
    })
}

/// As [`crate::sealing::Store`] has it, for a column whose secrets are kept with the key's id in front of them.
pub(super) fn stale(entity: &Entity, column: &str) -> Query {
    let (secret, name) = (format!("t.{}::text", quoted(column)), literal(column));
    let text = format!(
        "SELECT t.id, {name} AS place, {name} AS name, substr({secret}, length(s.key_id) + 2) AS text, s.key_id\n\
         FROM {} AS t\n\
         CROSS JOIN LATERAL (SELECT split_part({secret}, ':', 1) AS key_id OFFSET 0) AS s\n\
         WHERE s.key_id <> $1 AND t.id >= $2\n\
         ORDER BY t.id\n\
         LIMIT $3\n\
         FOR NO KEY UPDATE OF t",
        table(&entity.name)
    );
    query(entity, "stale", text)
}

/// Keeps a secret that was sealed again.
pub(super) fn reseal(entity: &Entity, column: &str) -> Query {
    let (table, secret, name) = (table(&entity.name), quoted(column), literal(column));
    let text = format!(
        "UPDATE {table} SET {secret} = $4::text || ':' || $3::text\n\
         WHERE id = $1 AND $2::text = {name} AND right({secret}::text, length($5::text)) = $5"
    );
    query(entity, "reseal", text)
}
