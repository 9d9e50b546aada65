//! The declaration of one field.

use serde_json::Value;

use super::declaration::{Column, NOW, OnDelete, Target, Type};
use super::reader::{Part, Reader};
use crate::fields::{Pattern, is_date, is_timestamp};

/// Characters of a text that says nothing else, and of the longest.
const TEXT_MAX: usize = 255;
const TEXT_MAX_MAX: i64 = 1_000_000;
/// Words of an enum, and characters of one.
const WORDS_MAX: usize = 200;
const WORD_MAX: usize = 100;
/// Digits that every program keeps of a JSON number.
const DIGITS_MAX: i64 = 15;
/// The largest whole number that every program keeps.
const EXACT_MAX: i64 = 9_007_199_254_740_991;

pub(super) const TYPES: [&str; 11] =
    ["text", "integer", "bigint", "decimal", "boolean", "date", "timestamp", "uuid", "json", "enum", "reference"];

/// What every field may say, and what only those of a type may.
pub(super) const MEMBERS: [&str; 13] = [
    "name",
    "was",
    "type",
    "array",
    "required",
    "default",
    "unique",
    "index",
    "filter",
    "sort",
    "search",
    "secret",
    "description",
];
pub(super) fn members_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "text" => &["min", "max", "pattern"],
        "integer" | "bigint" => &["min", "max"],
        "decimal" => &["precision", "scale", "min", "max"],
        "json" => &["any"],
        "enum" => &["values"],
        "reference" => &["to", "on_delete"],
        _ => &[],
    }
}

pub(super) fn read(reader: &mut Reader<'_>, part: &Part<'_>) -> Option<Column> {
    for key in ["name", "type"] {
        if part.get(key).is_none() {
            reader.fault(part, key, "is required");
        }
    }
    let word = reader.word(part, "type", &TYPES);
    let known: Vec<&str> = MEMBERS.iter().chain(members_of(word.unwrap_or_default())).copied().collect();
    if word.is_some() {
        reader.known(part, &known);
    }
    let name = reader.name(part, "name");
    let kind = kind(reader, part, word?);
    let mut column = Column {
        name: name?,
        was: reader.name(part, "was"),
        kind: kind?,
        is_array: reader.flag(part, "array"),
        is_required: reader.flag(part, "required"),
        default: part.get("default").cloned(),
        is_unique: reader.flag(part, "unique"),
        is_indexed: reader.flag(part, "index"),
        is_filter: reader.flag(part, "filter"),
        is_sort: reader.flag(part, "sort"),
        is_searched: reader.flag(part, "search"),
        is_secret: reader.flag(part, "secret"),
        description: reader.text(part, "description").unwrap_or_default(),
    };
    agree(reader, part, &mut column);
    Some(column)
}

fn kind(reader: &mut Reader<'_>, part: &Part<'_>, word: &str) -> Option<Type> {
    Some(match word {
        "text" => {
            let max = reader.whole(part, "max", 1, TEXT_MAX_MAX).map_or(TEXT_MAX, |max| max as usize);
            let min = reader.whole(part, "min", 0, max as i64).map_or(0, |min| min as usize);
            Type::Text { min, max, pattern: pattern(reader, part) }
        }
        "integer" => {
            let (min, max) = range(reader, part, i64::from(i32::MIN), i64::from(i32::MAX));
            Type::Integer { min, max }
        }
        "bigint" => {
            let (min, max) = range(reader, part, -EXACT_MAX, EXACT_MAX);
            Type::Bigint { min, max }
        }
        "decimal" => decimal(reader, part)?,
        "boolean" => Type::Boolean,
        "date" => Type::Date,
        "timestamp" => Type::Timestamp,
        "uuid" => Type::Uuid,
        "json" => Type::Json { is_any: reader.flag(part, "any") },
        "enum" => Type::Enum(words(reader, part)?),
        _ => reference(reader, part)?,
    })
}

fn pattern(reader: &mut Reader<'_>, part: &Part<'_>) -> Option<Pattern> {
    let text = reader.text(part, "pattern")?;
    Pattern::parse(&text).map_err(|problem| reader.fault(part, "pattern", problem)).ok()
}

fn range(reader: &mut Reader<'_>, part: &Part<'_>, from: i64, to: i64) -> (i64, i64) {
    let min = reader.whole(part, "min", from, to).unwrap_or(from);
    let max = reader.whole(part, "max", from, to).unwrap_or(to);
    if max < min {
        reader.fault(part, "max", "must not be below min");
    }
    (min, max)
}

fn decimal(reader: &mut Reader<'_>, part: &Part<'_>) -> Option<Type> {
    if part.get("precision").is_none() {
        reader.fault(part, "precision", format!("is required: how many digits in all, at most {DIGITS_MAX}"));
    }
    let precision = reader.whole(part, "precision", 1, DIGITS_MAX)?;
    let scale = if part.get("scale").is_some() { reader.whole(part, "scale", 0, precision)? } else { 0 };
    // All that fits, written so that no rounding makes more of it.
    let limit = "9".repeat((precision - scale) as usize) + "." + &"9".repeat(scale as usize) + "0";
    let limit: f64 = format!("0{limit}").parse().ok()?;
    let min = reader.number(part, "min").unwrap_or(-limit);
    let max = reader.number(part, "max").unwrap_or(limit);
    for (key, number) in [("min", min), ("max", max)] {
        if number.abs() > limit {
            reader.fault(part, key, "does not fit into precision and scale");
        }
    }
    if max < min {
        reader.fault(part, "max", "must not be below min");
    }
    Some(Type::Decimal { precision: precision as u8, scale: scale as u8, min, max })
}

fn words(reader: &mut Reader<'_>, part: &Part<'_>) -> Option<Vec<String>> {
    let Some(value) = part.get("values") else {
        reader.fault(part, "values", "is required: the words that it may be");
        return None;
    };
    let words = reader.names(part, "values", value, 1, WORDS_MAX)?;
    let is_right = |word: &&String| !word.is_empty() && word.chars().count() <= WORD_MAX && !word.contains(',');
    if let Some(word) = words.iter().find(|word| !is_right(word)) {
        reader.fault(part, "values", format!("has {word:?}: words have 1 to {WORD_MAX} characters, and no comma"));
        return None;
    }
    Some(words)
}

fn reference(reader: &mut Reader<'_>, part: &Part<'_>) -> Option<Type> {
    let Some(name) = part.get("to") else {
        reader.fault(part, "to", "is required: the entity that it refers to, or identity.users, or identity.teams");
        return None;
    };
    let table = Target::TABLES.into_iter().find(|table| name.as_str() == Some(table));
    let to = match table {
        Some(table) => Target::Table(table),
        None => Target::Entity(reader.name(part, "to")?),
    };
    let word = reader.word(part, "on_delete", &OnDelete::NAMES);
    Some(Type::Reference { to, on_delete: word.and_then(OnDelete::parse).unwrap_or(OnDelete::Restrict) })
}

/// What a field says must go together.
fn agree(reader: &mut Reader<'_>, part: &Part<'_>, column: &mut Column) {
    let mut refuse = |applies: bool, key: &str, message: &str| {
        if applies {
            reader.fault(part, key, message);
        }
    };
    let is_reference = matches!(column.kind, Type::Reference { .. });
    let is_json = matches!(column.kind, Type::Json { .. });
    let is_text = matches!(column.kind, Type::Text { .. }) && !column.is_array;
    let is_plain = !column.is_array && !is_json;
    refuse(
        is_reference && !column.name.ends_with("_id"),
        "name",
        "must end in _id: without it, it is what expand= takes",
    );
    refuse(column.is_array && (is_reference || is_json), "array", "is not for references and json");
    refuse(column.is_unique && !is_plain, "unique", "is not for lists and json");
    refuse(
        column.is_indexed && matches!(column.kind, Type::Json { is_any: true }),
        "index",
        "is not for json of any shape",
    );
    refuse(
        column.is_filter && matches!(column.kind, Type::Json { is_any: true }),
        "filter",
        "is not for json of any shape",
    );
    refuse(column.is_sort && !is_plain, "sort", "is not for lists and json");
    refuse(
        column.is_sort && !column.is_never_null(),
        "sort",
        "needs required or default: rows without a value would be missed",
    );
    refuse(column.is_searched && !is_text, "search", "is for text alone");
    refuse(column.is_secret && !is_text, "secret", "is for text alone");
    let is_known = column.is_unique || column.is_indexed || column.is_filter || column.is_sort || column.is_searched;
    refuse(column.is_secret && is_known, "secret", "is encrypted: it has no unique, index, filter, sort or search");
    refuse(column.is_secret && column.default.is_some(), "default", "of a secret would be known to everybody");
    refuse(column.is_required && column.default.is_some(), "default", "is never used where the field is required");
    let is_cleared = matches!(column.kind, Type::Reference { on_delete: OnDelete::SetNull, .. });
    refuse(is_cleared && column.is_never_null(), "on_delete", "cannot set null what is required");
    refuse(is_reference && column.default.is_some(), "default", "is not for references");
    if let Some(default) = column.default.clone() {
        match default_of(column, &default) {
            Ok(value) => column.default = Some(value),
            Err(message) => reader.fault(part, "default", message),
        }
    }
}

/// A default as it is kept, if it is a value of the field.
fn default_of(column: &Column, default: &Value) -> Result<Value, String> {
    if column.is_array {
        let items = default.as_array().ok_or("must be a list")?;
        return items.iter().map(|item| value_of(&column.kind, item)).collect::<Result<_, _>>().map(Value::Array);
    }
    value_of(&column.kind, default)
}

/// Whether something is a value of a type that stands in a declaration.
pub(super) fn value_of(kind: &Type, value: &Value) -> Result<Value, String> {
    let text = value.as_str();
    let is_right = match kind {
        Type::Text { min, max, pattern } => text.is_some_and(|text| {
            (*min..=*max).contains(&text.chars().count()) && pattern.as_ref().is_none_or(|pattern| pattern.fits(text))
        }),
        Type::Integer { min, max } | Type::Bigint { min, max } => {
            value.as_i64().is_some_and(|number| (*min..=*max).contains(&number))
        }
        Type::Decimal { scale, min, max, .. } => value.as_f64().is_some_and(|number| {
            let fraction = number.to_string().split_once('.').map_or(0, |(_, fraction)| fraction.len());
            (*min..=*max).contains(&number) && fraction <= usize::from(*scale)
        }),
        Type::Boolean => value.is_boolean(),
        Type::Date => text.is_some_and(|text| text == NOW || is_date(text)),
        Type::Timestamp => text.is_some_and(|text| text == NOW || is_timestamp(text)),
        Type::Uuid | Type::Reference { .. } => text.is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        Type::Json { is_any } => {
            if *is_any {
                !value.is_null()
            } else {
                value.is_object()
            }
        }
        Type::Enum(words) => text.is_some_and(|text| words.iter().any(|word| word == text)),
    };
    if is_right { Ok(value.clone()) } else { Err("is no value of this field".to_owned()) }
}
