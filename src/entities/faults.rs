//! What is wrong with declarations: all of it at once, each with its file, line and field.

use std::fmt;

use crate::error::{Code, Error};

/// Faults that are told at once.
const FAULTS_MAX: usize = 100;

/// A fault of a declaration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Fault {
    pub file: String,
    pub line: usize,
    /// `email.max`; empty where it is about the whole.
    pub field: String,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { file, line, field, message } = self;
        match field.is_empty() {
            true => write!(formatter, "{file}:{line}: {message}"),
            false => write!(formatter, "{file}:{line}: {field} {message}"),
        }
    }
}

/// All of them, as one error.
pub(super) fn error(mut faults: Vec<Fault>) -> Error {
    faults.sort();
    let more = faults.len().saturating_sub(FAULTS_MAX);
    let mut lines: Vec<String> = faults.iter().take(FAULTS_MAX).map(Fault::to_string).collect();
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    Error::new(Code::ValidationError, format!("the entities are not declared right:\n  {}", lines.join("\n  ")))
}
