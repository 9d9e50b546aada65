//! A migration that failed, told so that the place in the file is seen at once.

use std::fmt;

use postgres::error::SqlState;

use super::text::Place;
use crate::error::{Code, Error};

/// The longest piece of a line that is shown.
const LINE_SHOWN_MAX: usize = 120;

/// Where and why a file failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// The line, or the piece of it around the place.
    pub excerpt: String,
    /// What to put before the caret so that it stands under the place.
    pub indent: String,
    pub message: String,
    pub sql_state: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
}

impl Failure {
    /// `byte` is the place in the file's text.
    pub(super) fn new(file: &str, sql: &str, byte: usize, error: &postgres::Error) -> Failure {
        let database = error.as_db_error();
        let place = Place::of(sql, byte);
        let (excerpt, indent) = excerpt(sql.lines().nth(place.line - 1).unwrap_or_default(), place.column);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Failure {
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            excerpt,
            indent,
            message: database.map_or_else(|| error.to_string(), |error| error.message().to_owned()),
            sql_state: database.map_or("", |error| error.code().code()).to_owned(),
            detail: database.filter(|error| !shows_row(error.code())).and_then(|error| owned(error.detail())),
            hint: database.and_then(|error| owned(error.hint())),
            context: database.and_then(|error| owned(error.where_())),
        }
    }

    /// The error that ends the run. `outcome` says what the database has now.
    pub(super) fn into_error(self, outcome: &str, cause: postgres::Error) -> Error {
        let code = match *cause.code().unwrap_or(&SqlState::INTERNAL_ERROR) {
            SqlState::LOCK_NOT_AVAILABLE | SqlState::QUERY_CANCELED => Code::QueryTimeout,
            _ => Code::QueryExecutionError,
        };
        Error::new(code, format!("{self}\n{outcome}")).because(cause)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { file, line, column, excerpt, indent, message, .. } = self;
        let margin = " ".repeat(line.to_string().len());
        write!(formatter, "{file}:{line}:{column}: {message}")?;
        write!(formatter, "\n{margin} |\n{line} | {excerpt}\n{margin} | {indent}^")?;
        for (label, text) in [("detail", &self.detail), ("hint", &self.hint), ("context", &self.context)] {
            if let Some(text) = text {
                write!(formatter, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

/// The detail of these shows a whole row, with whatever secret is in it.
fn shows_row(code: &SqlState) -> bool {
    [SqlState::NOT_NULL_VIOLATION, SqlState::CHECK_VIOLATION].contains(code)
}

/// The piece of a line around a column, and the white space that leads to the column.
fn excerpt(line: &str, column: usize) -> (String, String) {
    let before = column - 1;
    let skipped = before.saturating_sub(LINE_SHOWN_MAX / 2);
    let excerpt: String = line.chars().skip(skipped).take(LINE_SHOWN_MAX).collect();
    // A tab stays a tab, so that the caret moves as the line did.
    let blank = |letter: char| if letter == '\t' { '\t' } else { ' ' };
    let indent = line.chars().skip(skipped).take(before - skipped).map(blank).collect();
    (excerpt, indent)
}
