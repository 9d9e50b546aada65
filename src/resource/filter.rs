//! From `?enabled=true&name__contains=pay` to conditions in SQL. Values are always parameters, never text of the statement.

use std::fmt::Write;
use std::net::IpAddr;

use postgres::types::ToSql;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Engine;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, Kind, in_utc, is_date};
use crate::http::{Call, Query};

/// Words of the query string that are no filters.
pub(super) const RESERVED: [&str; 6] = ["limit", "cursor", "page", "total", "sort", "fields"];
/// Values in one `__in`.
pub(super) const VALUES_MAX: usize = 200;
/// Where the value stands in the condition of a [`Word`](super::Word).
pub(super) const VALUE: &str = "{value}";
/// Names in the path of a filter: what is nested deeper is found by nobody, and each level costs a call of its own.
const PATH_MAX: usize = 16;
/// Letters of what `ops.trigrams` finds in a text.
const TRIGRAM: usize = 3;
/// Where the caller stands in what says which rows are theirs.
const USER: &str = "{user}";

/// Conditions that are put together, with their parameters.
#[derive(Default)]
pub(super) struct Conditions {
    pub sql: String,
    pub parameters: Vec<Box<dyn ToSql + Sync>>,
}

impl Conditions {
    /// Adds a parameter, and answers its placeholder.
    pub fn parameter(&mut self, value: impl ToSql + Sync + 'static) -> String {
        self.parameters.push(Box::new(value));
        format!("${}", self.parameters.len())
    }

    pub fn and(&mut self, condition: &str) {
        let word = if self.sql.is_empty() { "WHERE" } else { "AND" };
        let _ = write!(self.sql, "\n{word} {condition}");
    }

    pub fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| &**parameter).collect()
    }
}

impl Engine {
    /// The conditions of all filters in a query string.
    pub(super) fn conditions(&self, query: &Query<'_>) -> Result<Conditions> {
        self.conditions_beside(None, query)
    }

    /// The same without one parameter, which is something else.
    pub(super) fn conditions_beside(&self, other: Option<&str>, query: &Query<'_>) -> Result<Conditions> {
        let mut conditions = Conditions::default();
        let is_filter = |name: &&str| !RESERVED.contains(name) && !self.is_expand(name) && Some(*name) != other;
        for (name, value) in query.iter().filter(|(name, _)| is_filter(name)) {
            self.condition(name, value, &mut conditions)?;
        }
        Ok(conditions)
    }

    /// Refuses to look through all rows of a table that grows.
    pub(super) fn check_anchor(&self, call: &Call<'_, '_>, query: &Query<'_>, sort: &str) -> Result<()> {
        let beside = self.resource.beside;
        let is_own = self.resource.own.is_some() && call.guard().is_some();
        let grows = self.resource.is_log || self.resource.own.is_some() || !beside.is_empty();
        if !grows || is_own || query.iter().any(|(name, _)| self.is_anchor(name)) {
            return Ok(());
        }
        let word = |name: &str| match name.split_once("__").unwrap_or((name, "")) {
            (column, "null") => self.field(column).is_some_and(is_null_possible),
            (column, "contains") => self.field(column).is_some() && !self.resource.searched.contains(&column),
            (column, "gt" | "gte" | "lt" | "lte") if self.is_identifier(column) => true,
            (column, _) => beside.contains(&column.split('.').next().unwrap_or(column)),
        };
        let wrong = query.iter().map(|(name, _)| name).find(|name| word(name));
        let Some(wrong) = wrong.or_else(|| beside.contains(&sort).then_some("sort")) else { return Ok(()) };
        let anchors: Vec<&str> = self.filter_names().filter(|name| self.is_anchor(name)).collect();
        let message = format!(
            "{wrong} is taken only beside a filter that finds few rows, as there are many: {}",
            anchors.join(", ")
        );
        Err(Error::new(Code::MalformedRequest, message))
    }

    /// Whether a column has ids of others, whose order means nothing.
    fn is_identifier(&self, column: &str) -> bool {
        column != "id" && self.field(column).is_some_and(|field| matches!(field.kind, Kind::Uuid))
    }

    /// Whether a filter finds few rows, by an index.
    fn is_anchor(&self, name: &str) -> bool {
        let (column, operator) = name.split_once("__").unwrap_or((name, ""));
        let is_indexed = self.filter_names().any(|known| known == column) && !self.resource.beside.contains(&column);
        is_indexed
            && self.field(column).is_some_and(|field| match field.kind {
                Kind::Uuid | Kind::Text { .. } | Kind::Inet => matches!(operator, "" | "in"),
                Kind::Integer { .. } => !matches!(operator, "null"),
                _ => false,
            })
    }

    /// Lets PostgreSQL find the caller's rows by an index, where it would look at all and hide the others.
    pub(super) fn narrow(&self, call: &Call<'_, '_>, conditions: &mut Conditions) {
        if let (Some(own), Some(user)) = (self.resource.own, call.guard()) {
            let own = match own.contains(USER) {
                true => own.replace(USER, &conditions.parameter(user)),
                false => own.to_owned(),
            };
            conditions.and(&format!("({own})"));
        }
    }

    pub(super) fn filter_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.resource.common_names().iter().chain(self.resource.filters).copied()
    }

    fn condition(&self, name: &str, value: &str, conditions: &mut Conditions) -> Result<()> {
        if let Some(word) = self.resource.words.iter().find(|word| word.name == name) {
            let placeholder = conditions.parameter(value.to_owned());
            conditions.and(&word.condition.replace(VALUE, &placeholder));
            return Ok(());
        }
        if let Some((column, path)) = name.split_once('.') {
            let field = self.filter_field(column, name)?;
            if path.split('.').nth(PATH_MAX).is_some() {
                let message = format!("a filter looks into {column} at most {PATH_MAX} names deep");
                return Err(Error::new(Code::MalformedRequest, message));
            }
            return inside(field, path, value, conditions).ok_or_else(|| self.unknown(name));
        }
        let (column, operator) = match name.split_once("__") {
            Some((_, "")) => return Err(self.unknown(name)),
            Some(parts) => parts,
            None => (name, ""),
        };
        let field = self.filter_field(column, name)?;
        let wrong = |message: String| Error::new(Code::MalformedRequest, format!("{name}: {message}"));
        if operator == "contains" && self.resource.searched.contains(&column) {
            by_trigrams(column, value, conditions);
        }
        let condition = condition(field, operator, value, conditions).map_err(wrong)?;
        conditions.and(&condition.ok_or_else(|| self.unknown(name))?);
        Ok(())
    }

    fn filter_field(&self, column: &str, name: &str) -> Result<&Field> {
        let known = self.filter_names().any(|known| known == column);
        known.then(|| self.field(column)).flatten().ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let words = self.resource.words.iter().map(|word| word.name);
        let names: Vec<&str> = self.filter_names().chain(words).chain(RESERVED).collect();
        let message = format!("{name} is not known here; there are {}", names.join(", "));
        Error::new(Code::MalformedRequest, message)
    }
}

fn is_null_possible(field: &Field) -> bool {
    field.is_nullable || field.is_veiled
}

/// What an index finds before every row that it finds is looked at. A text of less than three letters has no trigrams, and
/// is in so many rows that no index would help.
fn by_trigrams(column: &str, value: &str, conditions: &mut Conditions) {
    if value.chars().count() >= TRIGRAM {
        let placeholder = conditions.parameter(value.to_owned());
        conditions.and(&format!("ops.trigrams(t.\"{column}\") @> ops.trigrams({placeholder})"));
    }
}

/// The condition, or none if there is no such operator for such a field; the error says what is wrong with the value.
fn condition(
    field: &Field,
    operator: &str,
    value: &str,
    conditions: &mut Conditions,
) -> Result<Option<String>, String> {
    let name = format!("t.\"{}\"", field.name);
    let (is_list, is_json) = match field.kind {
        Kind::Set { .. } | Kind::List { .. } => (true, false),
        Kind::Object | Kind::Map { .. } | Kind::Record(_) | Kind::Records { .. } | Kind::Json => (false, true),
        _ => (false, false),
    };
    if operator == "null" {
        return match (value, !is_null_possible(field)) {
            // PostgreSQL would look at every row.
            ("true", true) => Ok(Some("false".to_owned())),
            ("false", true) => Ok(Some("true".to_owned())),
            ("true", _) => Ok(Some(format!("{name} IS NULL"))),
            ("false", _) => Ok(Some(format!("{name} IS NOT NULL"))),
            _ => Err("must be true or false".to_owned()),
        };
    }
    if is_json {
        return Ok(None);
    }
    if is_list {
        let value = match &field.kind {
            Kind::List { item, .. } => read(item, value)?,
            _ => value.to_owned(),
        };
        let placeholder = conditions.parameter(vec![value]);
        let kind = field.kind.sql_type();
        return Ok((operator.is_empty()).then(|| format!("{name} @> {placeholder}::text[]::{kind}")));
    }
    let kind = field.kind.sql_type();
    let (name, folds) = match &field.kind {
        Kind::Text { form: Some(form), .. } if form.format == Form::EMAIL.format => (format!("lower({name})"), true),
        _ => (name, false),
    };
    let read = |text: &str| read(&field.kind, text).map(|text| if folds { text.to_lowercase() } else { text });
    let has_order = !matches!(field.kind, Kind::Boolean | Kind::Choice(_));
    let comparison = match operator {
        "" => "=",
        "gt" if has_order => ">",
        "gte" if has_order => ">=",
        "lt" if has_order => "<",
        "lte" if has_order => "<=",
        "in" => {
            let values = value.split(',').map(read).collect::<Result<Vec<_>, _>>()?;
            if values.len() > VALUES_MAX {
                return Err(format!("has more than {VALUES_MAX} values"));
            }
            let placeholder = conditions.parameter(values);
            return Ok(Some(format!("{name} = ANY ({placeholder}::text[]::{kind}[])")));
        }
        "contains" if kind == "text" => {
            let placeholder = conditions.parameter(format!("%{}%", escape(value)));
            return Ok(Some(format!("{name} ILIKE {placeholder}")));
        }
        _ => return Ok(None),
    };
    let placeholder = conditions.parameter(read(value)?);
    Ok(Some(format!("{name} {comparison} {placeholder}::text::{kind}")))
}

/// A condition on what is inside a JSON column: `metadata.team=platform`. A number or a word may be meant as such or as text.
fn inside(field: &Field, path: &str, value: &str, conditions: &mut Conditions) -> Option<()> {
    if !matches!(field.kind, Kind::Object) || path.is_empty() {
        return None;
    }
    let wrap = |inner: Value| path.rsplit('.').fold(inner, |inner, key| json!({ key: inner }));
    let name = format!("t.\"{}\"", field.name);
    let text = conditions.parameter(wrap(json!(value)));
    let literal = serde_json::from_str::<Value>(value).ok().filter(|value| !value.is_string());
    match literal {
        Some(literal) => {
            let literal = conditions.parameter(wrap(literal));
            conditions.and(&format!("({name} @> {text} OR {name} @> {literal})"));
        }
        None => conditions.and(&format!("{name} @> {text}")),
    }
    Some(())
}

/// A value as PostgreSQL will understand it, or what it should have been.
pub(super) fn read(kind: &Kind, text: &str) -> Result<String, String> {
    let wrong = |expected: &str| Err(format!("must be {expected}"));
    match kind {
        Kind::Integer { .. } => match text.parse::<i64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => wrong("a whole number"),
        },
        Kind::Number | Kind::Decimal { .. } => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.to_string()),
            _ => wrong("a number"),
        },
        Kind::Boolean => match text {
            "true" | "false" => Ok(text.to_owned()),
            _ => wrong("true or false"),
        },
        Kind::Date if !is_date(text) => wrong("a day like 2026-01-31"),
        Kind::Timestamp => {
            // A plus that was not encoded has become a space.
            let text = match text.rsplit_once(' ') {
                Some((moment, offset)) if moment.contains(['T', 't']) => format!("{moment}+{offset}"),
                _ => text.to_owned(),
            };
            let moment = if is_date(&text) { Some(text) } else { in_utc(&text) };
            moment.map_or_else(|| wrong("a day or a time, like 2026-01-31 or 2026-01-31T12:00:00Z"), Ok)
        }
        Kind::Uuid => match Uuid::try_parse(text) {
            Ok(id) => Ok(id.to_string()),
            Err(_) => wrong("a UUID"),
        },
        Kind::Inet => match text.parse::<IpAddr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => wrong("an IP address"),
        },
        Kind::Choice(words) if !words.iter().any(|word| word == text) => wrong(&format!("one of {}", words.join(", "))),
        _ => Ok(text.to_owned()),
    }
}

/// A text that LIKE takes as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
