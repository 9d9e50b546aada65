//! What is in the way of a configuration: routes in it that a request could take as well, and routes that are not its own.
//!
//! The schema has the last word; this is to tell of all conflicts at once, by the places in the file.

use std::collections::HashMap;

use serde_json::Value;

use super::wanted::{Faults, Wanted};
use crate::db::Statements;
use crate::error::{Code, Result};
use crate::gateway::pattern::{self, Segment};
use crate::sql;

/// Finds all conflicts.
pub fn check(statements: &mut dyn Statements, wanted: &Wanted) -> Result<()> {
    let mut faults = Faults { names: &wanted.names, faults: Vec::new() };
    // Who has a pattern and a method already.
    let mut taken: HashMap<(String, String), String> = HashMap::new();
    let mut foreign = HashMap::new();
    let tags = &wanted.configuration.tags;
    if !tags.is_empty() {
        let shapes: Vec<String> =
            wanted.configuration.routes.values().map(|route| shape(text(route, "path"))).collect();
        for row in statements.all(&sql!("gateway/routes/others"), &[tags, &wanted.names, &shapes])? {
            let name: String = row.get("name");
            for method in row.get::<_, Vec<String>>("methods").into_iter().filter(|_| row.get("enabled")) {
                taken.insert((row.get("path_shape"), method), name.clone());
            }
            foreign.insert(name, ());
        }
    }
    for (index, name) in wanted.names.iter().enumerate() {
        let Some(route) = wanted.configuration.routes.get(name) else { continue };
        if foreign.contains_key(name) {
            faults.add(index, "name", &format!("is a route that does not have the tags {}", tags.join(", ")));
        }
        if route.get("enabled") != Some(&Value::Bool(true)) {
            continue;
        }
        let shape = shape(text(route, "path"));
        for method in route.get("methods").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            match taken.get(&(shape.clone(), method.to_owned())) {
                Some(other) => {
                    faults.add(index, "path", &format!("is that of the route {other}, which takes {method} too"));
                    break;
                }
                None => drop(taken.insert((shape.clone(), method.to_owned()), name.clone())),
            }
        }
    }
    faults.end(Code::Conflict)
}

fn text<'a>(route: &'a serde_json::Map<String, Value>, name: &str) -> &'a str {
    route.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A pattern without the names of its parameters, as the column `path_shape` has it.
fn shape(path: &str) -> String {
    let segments = pattern::segments(path).unwrap_or_default().into_iter();
    let parts = segments.map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Parameter(_) => "/{}".to_owned(),
        Segment::Rest => "/*".to_owned(),
    });
    parts.collect()
}
