//! What would make one configuration of another.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Configuration, Objects, revision};
use crate::db::Statements;
use crate::error::{Code, Error, Result};

/// What is made, changed and deleted, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Changes {
    pub create: Vec<Map<String, Value>>,
    pub update: Vec<Update>,
    /// As they were.
    pub delete: Vec<Map<String, Value>>,
    pub unchanged: usize,
}

/// A route that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Update {
    pub name: String,
    /// What each field is before and after.
    pub fields: BTreeMap<String, (Value, Value)>,
    /// All of it, as it will be.
    #[serde(skip)]
    pub after: Map<String, Value>,
}

impl Changes {
    pub fn are_none(&self) -> bool {
        self.create.is_empty() && self.update.is_empty() && self.delete.is_empty()
    }

    /// In numbers.
    pub fn summary(&self) -> Value {
        json!({
            "created": self.create.len(), "updated": self.update.len(), "deleted": self.delete.len(),
            "unchanged": self.unchanged,
        })
    }
}

/// What leads from one to the other.
pub fn compare(before: &Objects, after: &Objects) -> Changes {
    let mut changes = Changes::default();
    for (name, object) in after {
        match before.get(name) {
            None => changes.create.push(object.clone()),
            Some(old) if old == object => changes.unchanged += 1,
            Some(old) => changes.update.push(update(name, old, object)),
        }
    }
    changes.delete = before.iter().filter(|(name, _)| !after.contains_key(*name)).map(|(_, old)| old.clone()).collect();
    changes
}

fn update(name: &str, before: &Map<String, Value>, after: &Map<String, Value>) -> Update {
    let value = |object: &Map<String, Value>, key: &str| object.get(key).cloned().unwrap_or_default();
    let keys = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
    let fields = keys.map(|key| (key.clone(), (value(before, key), value(after, key)))).collect();
    Update { name: name.to_owned(), fields, after: after.clone() }
}

/// What has changed from a revision to another, or to what there is now.
pub fn between(statements: &mut dyn Statements, from: i64, to: Option<i64>) -> Result<Changes> {
    let before = revision(statements, from)?.configuration;
    let after = match to {
        Some(to) => revision(statements, to)?.configuration,
        None => Configuration::read(statements, &before.tags)?,
    };
    if before.tags != after.tags {
        return Err(Error::new(Code::ValidationError, "the two revisions are of different parts: their tags differ"));
    }
    Ok(compare(&before.routes, &after.routes))
}
