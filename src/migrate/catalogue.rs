//! A database's catalogue as text, and the differences of two.

use std::collections::BTreeMap;
use std::fmt;

use postgres::Client;

use crate::error::Result;
use crate::sql::Query;

/// Every object of the schemas that are not PostgreSQL's own: kind, name, definition.
const SELECT: Query = crate::sql!("migrate/catalogue");

/// Kind and name of each object, and its definition.
pub(super) type Catalogue = BTreeMap<(String, String), String>;

/// What is the matter with an object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The files make it, and the database does not have it.
    Missing,
    /// The database has it, and no file makes it.
    Extra,
    /// The two are not the same.
    Different { expected: String, found: String },
}

/// An object in which a database differs from what the files make.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    pub kind: String,
    pub name: String,
    #[serde(flatten)]
    pub change: Change,
}

impl Difference {
    pub(super) fn missing(kind: &str, name: String) -> Difference {
        Difference { kind: kind.to_owned(), name, change: Change::Missing }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { kind, name, change } = self;
        match change {
            Change::Missing => write!(formatter, "{kind} {name} is missing: the migrations make it"),
            Change::Extra => write!(formatter, "{kind} {name} is not from the migrations"),
            Change::Different { expected, found } => {
                let (expected, found) = first_difference(expected, found);
                write!(formatter, "{kind} {name} is `{found}`, and the migrations make it `{expected}`")
            }
        }
    }
}

/// Reads a database's catalogue.
pub(super) fn read(client: &mut Client) -> Result<Catalogue> {
    let mut transaction = client.build_transaction().read_only(true).start()?;
    // With no schema in the path, definitions name the schema of everything they mention.
    transaction.batch_execute("SET LOCAL search_path = ''; SET LOCAL statement_timeout = 0")?;
    let rows = transaction.query_typed(SELECT.text, &[])?;
    transaction.rollback()?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// The differences, by kind and name.
pub(super) fn differences(expected: &Catalogue, found: &Catalogue) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut add = |key: &(String, String), change| {
        differences.push(Difference { kind: key.0.clone(), name: key.1.clone(), change });
    };
    for (key, definition) in expected {
        match found.get(key) {
            None => add(key, Change::Missing),
            Some(other) if other != definition => {
                add(key, Change::Different { expected: definition.clone(), found: other.clone() });
            }
            Some(_) => {}
        }
    }
    for key in found.keys().filter(|key| !expected.contains_key(key)) {
        add(key, Change::Extra);
    }
    differences.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    differences
}

/// Of two long definitions, the first lines that are not the same.
fn first_difference<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    let (mut ours, mut theirs) = (one.lines(), other.lines());
    loop {
        match (ours.next(), theirs.next()) {
            (Some(a), Some(b)) if a == b => {}
            (a, b) => return (a.unwrap_or_default().trim(), b.unwrap_or_default().trim()),
        }
    }
}
