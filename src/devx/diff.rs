//! What differs between two JSON values, as the operations of a JSON Patch (RFC 6902) with what was there before.

use serde_json::{Map, Value, json};

/// Differences that are told; there may be as many as there are values.
const DIFFERENCES_MAX: usize = 500;

/// How to get from one value to the other. Whether all of it is told, comes with it.
pub(super) fn diff(before: &Value, after: &Value) -> (Vec<Value>, bool) {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    let is_complete = found.len() <= DIFFERENCES_MAX;
    found.truncate(DIFFERENCES_MAX);
    (found, is_complete)
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<Value>) {
    if before == after || room(found) == 0 {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => members(path, old, new, found),
        (Value::Array(old), Value::Array(new)) => items(path, old, new, found),
        _ => found.push(json!({ "op": "replace", "path": path, "before": before, "value": after })),
    }
}

fn members(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<Value>) {
    for (name, before) in old {
        if room(found) == 0 {
            return;
        }
        let path = format!("{path}/{}", escape(name));
        match new.get(name) {
            Some(after) => compare(&path, before, after, found),
            None => found.push(json!({ "op": "remove", "path": path, "before": before })),
        }
    }
    for (name, after) in new.iter().filter(|(name, _)| !old.contains_key(*name)).take(room(found)) {
        found.push(json!({ "op": "add", "path": format!("{path}/{}", escape(name)), "value": after }));
    }
}

/// Item by item. What is missing at the end goes from the end on, so that each path is right when its turn comes.
fn items(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Value>) {
    for (index, (before, after)) in old.iter().zip(new).enumerate() {
        if room(found) == 0 {
            return;
        }
        compare(&format!("{path}/{index}"), before, after, found);
    }
    for (index, before) in old.iter().enumerate().skip(new.len()).rev().take(room(found)) {
        found.push(json!({ "op": "remove", "path": format!("{path}/{index}"), "before": before }));
    }
    for after in new.iter().skip(old.len()).take(room(found)) {
        found.push(json!({ "op": "add", "path": format!("{path}/-"), "value": after }));
    }
}

/// How many more are looked for: one more than is told, so that it is known whether there are more.
fn room(found: &[Value]) -> usize {
    (DIFFERENCES_MAX + 1).saturating_sub(found.len())
}

/// A name as a JSON Pointer has it.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
