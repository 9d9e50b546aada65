//! Reads members of JSON objects as what they should be, and notes where they are not.

use serde_json::{Map, Value};

use super::faults::Fault;
use super::lines::Lines;

/// Characters of a description or a message.
const TEXT_MAX: usize = 1000;
/// Characters of a name. With what rules add to it, most are still PostgreSQL's 63 bytes.
pub(super) const NAME_MAX: usize = 40;

pub(super) struct Reader<'a> {
    pub file: &'a str,
    pub lines: Lines,
    pub faults: Vec<Fault>,
}

/// An object, and where it stands.
pub(super) struct Part<'a> {
    pub path: String,
    /// What the path is called in faults: a field's name instead of its place.
    pub shown: String,
    pub members: &'a Map<String, Value>,
}

impl<'a> Part<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key)
    }

    pub fn path_of(&self, key: &str) -> String {
        joined(&self.path, key)
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Reader<'_> {
    pub fn fault(&mut self, part: &Part<'_>, key: &str, message: impl Into<String>) {
        let (path, field) = match key {
            "" => (part.path.clone(), part.shown.clone()),
            _ => (joined(&part.path, key), joined(&part.shown, key)),
        };
        let line = self.lines.find(&path);
        self.faults.push(Fault { file: self.file.to_owned(), line, field, message: message.into() });
    }

    /// What is not known is a word that was not meant so.
    pub fn known(&mut self, part: &Part<'_>, keys: &[&str]) {
        for key in part.members.keys().filter(|key| !keys.contains(&key.as_str())) {
            self.fault(part, key, format!("is not known here; there are {}", keys.join(", ")));
        }
    }

    fn read<T>(&mut self, part: &Part<'_>, key: &str, expected: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = part.get(key)?;
        let found = read(value);
        if found.is_none() {
            self.fault(part, key, format!("must be {expected}"));
        }
        found
    }

    pub fn text(&mut self, part: &Part<'_>, key: &str) -> Option<String> {
        let is_line = |text: &&str| !text.trim().is_empty() && text.chars().count() <= TEXT_MAX;
        self.read(part, key, &format!("a text of 1 to {TEXT_MAX} characters"), |value| {
            value.as_str().filter(is_line).map(str::to_owned)
        })
    }

    /// A name that PostgreSQL, paths and programs all take as it is.
    pub fn name(&mut self, part: &Part<'_>, key: &str) -> Option<String> {
        let expected =
            format!("at most {NAME_MAX} lower-case letters, digits and underscores, and begin with a letter");
        self.read(part, key, &expected, |value| value.as_str().filter(|name| is_name(name)).map(str::to_owned))
    }

    pub fn flag(&mut self, part: &Part<'_>, key: &str) -> bool {
        self.read(part, key, "true or false", Value::as_bool).unwrap_or(false)
    }

    pub fn whole(&mut self, part: &Part<'_>, key: &str, min: i64, max: i64) -> Option<i64> {
        let fits = |value: &Value| value.as_i64().filter(|number| (min..=max).contains(number));
        self.read(part, key, &format!("a whole number from {min} to {max}"), fits)
    }

    pub fn number(&mut self, part: &Part<'_>, key: &str) -> Option<f64> {
        self.read(part, key, "a number", Value::as_f64)
    }

    pub fn word(&mut self, part: &Part<'_>, key: &str, words: &[&'static str]) -> Option<&'static str> {
        let expected = format!("one of {}", words.join(", "));
        self.read(part, key, &expected, |value| words.iter().copied().find(|word| value.as_str() == Some(word)))
    }

    /// A list of at most so many.
    pub fn list<'v>(&mut self, part: &Part<'v>, key: &str, max: usize) -> &'v [Value] {
        let Some(value) = part.get(key) else { return &[] };
        match value.as_array() {
            Some(items) if items.len() <= max => items,
            Some(_) => {
                self.fault(part, key, format!("must have at most {max} items"));
                &[]
            }
            None => {
                self.fault(part, key, "must be a list");
                &[]
            }
        }
    }

    /// A list of at least so many different names.
    pub fn names(&mut self, part: &Part<'_>, key: &str, value: &Value, min: usize, max: usize) -> Option<Vec<String>> {
        let names: Option<Vec<String>> = value
            .as_array()
            .map(|items| items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<_>>())
            .filter(|names| Some(names.len()) == value.as_array().map(Vec::len));
        let is_new = |names: &[String], index: usize| !names[..index].contains(&names[index]);
        match names {
            Some(names)
                if (min..=max).contains(&names.len()) && (0..names.len()).all(|index| is_new(&names, index)) =>
            {
                Some(names)
            }
            _ => {
                self.fault(part, key, format!("must be a list of {min} to {max} different names"));
                None
            }
        }
    }

    /// The objects in a list.
    pub fn parts<'v>(&mut self, part: &Part<'v>, key: &str, max: usize) -> Vec<Part<'v>> {
        let items = self.list(part, key, max);
        let mut parts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let name = format!("{key}[{index}]");
            match item.as_object() {
                Some(members) => {
                    let path = part.path_of(&name);
                    parts.push(Part { shown: path.clone(), path, members });
                }
                None => self.fault(part, &name, "must be an object"),
            }
        }
        parts
    }
}

pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
