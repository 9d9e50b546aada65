//! Constraints as clients are told of them. Uniqueness and references are never asked for first: PostgreSQL decides.

use postgres::error::SqlState;

use crate::error::{Code, Error};

/// A constraint, the field it is about, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub constraint: &'static str,
    pub field: &'static str,
    pub message: &'static str,
}

impl Rule {
    pub const fn new(constraint: &'static str, field: &'static str, message: &'static str) -> Rule {
        Rule { constraint, field, message }
    }
}

/// The error with the field that it is about, if it is a broken rule.
pub fn explain(mut error: Error, table: &str, rules: &[Rule]) -> Error {
    let Some(database) = error.database().and_then(postgres::Error::as_db_error) else { return error };
    let is = |state: &SqlState| database.code() == state;
    let other = database.table().filter(|other| !table.ends_with(&format!(".{other}")));
    if let Some(other) = other.filter(|_| is(&SqlState::FOREIGN_KEY_VIOLATION)) {
        error.message = format!("{} still refer to it", other.replace('_', " "));
        return error;
    }
    if let Some(column) = database.column().filter(|_| is(&SqlState::NOT_NULL_VIOLATION)) {
        let column = column.to_owned();
        return error.field(column, "must not be null");
    }
    let constraint = database.constraint().unwrap_or_default();
    let Some(rule) = rules.iter().find(|rule| rule.constraint == constraint) else { return error };
    if matches!(error.code, Code::Conflict | Code::ValidationError) {
        error.message = format!("{} {}", rule.field, rule.message);
    }
    error.field(rule.field, rule.message)
}
