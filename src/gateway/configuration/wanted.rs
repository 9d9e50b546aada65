//! A configuration as somebody sends it, checked: all that is wrong with it is told at once.

use serde_json::{Map, Value};

use super::{Configuration, Objects, ROUTES_MAX, settle};
use crate::error::{Code, Error, FieldError, Result};
use crate::fields::{Field, Form, Mode, boolean, check, list, records, text};
use crate::gateway::routes;

/// Tags that own a part.
const TAGS_MAX: usize = 20;
/// Faults that are told of one file.
pub const FAULTS_MAX: usize = 100;

/// What a configuration file has in it.
pub fn declared() -> Vec<Field> {
    vec![
        list("tags", text("tag").min(1).max(100).form(Form::LINE), TAGS_MAX)
            .default(Value::Array(Vec::new()))
            .help("What it owns: the routes that have all of these in metadata.tags; all routes, if there are none."),
        records("routes", routes::fields(), ROUTES_MAX)
            .required()
            .help("The routes that there are to be, known by their names; others of the part are deleted."),
        text("message").max(10_000).default("").help("What it is for; kept with the revision."),
        boolean("dry_run").default(false).help("Whether only to say what would change."),
    ]
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub configuration: Configuration,
    pub message: String,
    pub is_dry_run: bool,
    /// The names, as the file has them: faults are told by their places.
    pub names: Vec<String>,
}

impl Wanted {
    /// From a file, or all that is wrong with it.
    pub fn read(body: Map<String, Value>, is_admin: bool) -> Result<Wanted> {
        let listed = body.get("routes").and_then(Value::as_array).into_iter().flatten();
        let names = listed.map(|route| route["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
        let mut body = check(&declared(), body, Mode::Create, is_admin).map_err(|error| explain(error, &names))?;
        let tags = strings(body.get("tags"));
        let message = body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_dry_run = body.get("dry_run").and_then(Value::as_bool).unwrap_or_default();
        let Some(Value::Array(listed)) = body.remove("routes") else {
            return Err(Error::internal("routes that have been checked are gone"));
        };
        let mut faults = Faults { names: &names, faults: Vec::new() };
        let fields = routes::fields();
        let mut routes = Objects::new();
        for (index, route) in listed.into_iter().enumerate() {
            let Value::Object(mut route) = route else { continue };
            complete(&mut route, &fields, index, &tags, &mut faults);
            if let Err(error) = routes::check_auth(&route) {
                for fault in error.fields {
                    faults.add(index, &fault.field, &fault.message);
                }
            }
            if routes.insert(names[index].clone(), route).is_some() {
                faults.add(index, "name", "stands in the file twice");
            }
        }
        faults.end(Code::ValidationError)?;
        Ok(Wanted { configuration: Configuration { tags, routes }, message, is_dry_run, names })
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    let mut items: Vec<String> = items.filter_map(Value::as_str).map(str::to_owned).collect();
    items.sort();
    items.dedup();
    items
}

/// Gives a route all its fields, and the tags of the file.
fn complete(route: &mut Map<String, Value>, fields: &[Field], index: usize, tags: &[String], faults: &mut Faults<'_>) {
    for field in fields {
        route.entry(&*field.name).or_insert(Value::Null);
    }
    if let Some(Value::Object(metadata)) = route.get_mut("metadata").filter(|_| !tags.is_empty()) {
        let own = metadata.entry("tags").or_insert_with(|| Value::Array(Vec::new()));
        match own {
            Value::Array(own) => {
                let missing: Vec<Value> =
                    tags.iter().map(|tag| Value::from(&**tag)).filter(|tag| !own.contains(tag)).collect();
                own.extend(missing);
            }
            _ => faults.add(index, "metadata.tags", "must be a list: the tags of the file are added to it"),
        }
    }
    route.values_mut().for_each(settle);
}

/// Faults of a file, each with the name of the route.
pub struct Faults<'a> {
    pub names: &'a [String],
    pub faults: Vec<FieldError>,
}

impl Faults<'_> {
    pub fn add(&mut self, index: usize, field: &str, message: &str) {
        let name = self.names.get(index).map_or("", String::as_str);
        self.faults
            .push(FieldError { field: format!("routes[{index}].{field}"), message: format!("of {name}: {message}") });
    }

    /// All of them as an error, if there are any.
    pub fn end(mut self, code: Code) -> Result<()> {
        let words = match self.faults.len() {
            0 => return Ok(()),
            1 => "1 fault is in the configuration".to_owned(),
            count @ ..=FAULTS_MAX => format!("{count} faults are in the configuration"),
            _ => format!("more than {FAULTS_MAX} faults are in the configuration; these are the first"),
        };
        self.faults.truncate(FAULTS_MAX);
        let mut error = Error::new(code, words);
        error.fields = self.faults;
        Err(error)
    }
}

/// The error with the names of the routes that it is about.
fn explain(mut error: Error, names: &[String]) -> Error {
    for fault in &mut error.fields {
        let index = fault.field.strip_prefix("routes[").and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
        if let Some(name) = index.and_then(|index| names.get(index)).filter(|name| !name.is_empty()) {
            let name: String = name.chars().take(255).collect();
            fault.message = format!("of {name}: {}", fault.message);
        }
    }
    error
}
