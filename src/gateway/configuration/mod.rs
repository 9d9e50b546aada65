//! Whole configurations: a file says what routes there are to be, and all of it happens, or nothing.
//!
//! A file with tags owns the routes that have all of them in `metadata.tags`, and makes, changes and deletes no others;
//! one without owns all. Routes are known by their names, so another name is another route. Each time that something has
//! changed, the configuration as it then is becomes a numbered revision, and one can go back to any.

mod compare;
mod wanted;
mod conflicts;
mod apply;
mod revisions;
mod blame;
mod endpoints;

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};
use sha2::{Digest, Sha256};

pub use apply::{Applied, Author, apply, plan, roll_back};
pub use blame::blame;
pub use compare::{Changes, between, compare};
pub use endpoints::endpoints;
pub use revisions::history;
use revisions::{Revision, revision};
pub use wanted::Wanted;

use super::routes::SELECT;
use crate::db::Statements;
use crate::error::{Error, Result};

/// Bytes of a configuration.
pub const BYTES_MAX: usize = 32 << 20;
/// Routes of a configuration.
pub const ROUTES_MAX: usize = 50_000;

/// What has a name, by that: all its fields, and none that mainstay sets.
pub type Objects = BTreeMap<String, Map<String, Value>>;

/// A configuration, or the part of one that some tags own.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    pub tags: Vec<String>,
    pub routes: Objects,
}

impl Configuration {
    /// What there is now.
    pub fn read(statements: &mut dyn Statements, tags: &[String]) -> Result<Configuration> {
        let text = format!(
            "SELECT (to_jsonb(t) - '{{id,version,created_at,updated_at}}'::text[])::text\nFROM (\n{}\n) AS t\n\
             WHERE $1::text[] = '{{}}' OR t.metadata @> jsonb_build_object('tags', $1::text[])",
            SELECT.text
        );
        let mut routes = Objects::new();
        for row in statements.all_of(SELECT.name, text.into(), &[&tags])? {
            let (name, object) = named(serde_json::from_str(row.get(0)).map_err(unreadable)?)?;
            routes.insert(name, object);
        }
        Ok(Configuration { tags: tags.to_vec(), routes })
    }

    /// From what a revision has kept.
    fn kept(tags: Vec<String>, snapshot: &Value) -> Result<Configuration> {
        let routes = snapshot["routes"].as_array().into_iter().flatten().cloned().map(named);
        Ok(Configuration { tags, routes: routes.collect::<Result<_>>()? })
    }

    /// As a file, in which everything has its place: the same configuration is the same text.
    pub fn to_value(&self) -> Value {
        let routes: Vec<&Map<String, Value>> = self.routes.values().collect();
        json!({ "tags": self.tags, "routes": routes })
    }

    /// Names it and all that it says.
    pub fn checksum(&self) -> String {
        let digest = Sha256::digest(self.to_value().to_string());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::internal("a configuration in the database is no JSON").because(error)
}

fn named(mut object: Value) -> Result<(String, Map<String, Value>)> {
    settle(&mut object);
    match object {
        Value::Object(object) => {
            let name = object.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            Ok((name, object))
        }
        _ => Err(Error::internal("a route in the database is no object")),
    }
}

/// Gives each number its one form: PostgreSQL writes `1e2` as 100, so 100.0 is no change of it.
fn settle(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_i64() => {
            const EXACT: f64 = 9_007_199_254_740_992.0;
            if let Some(whole) = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT) {
                *number = Number::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(members) => members.values_mut().for_each(settle),
        _ => {}
    }
}
