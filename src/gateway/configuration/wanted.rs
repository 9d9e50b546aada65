//! A configuration as somebody sends it, checked: all that is wrong with it is told at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Configuration, Objects, ROUTES_MAX, WEBHOOKS_MAX, settle};
use crate::error::{Code, Error, FieldError, Result};
use crate::fields::{Field, Form, Mode, boolean, check, list, records, text};
use crate::gateway::routes;
use crate::gateway::webhooks::{Webhooks, whole};

/// Tags that own a part.
const TAGS_MAX: usize = 20;
/// Faults that are told of one file.
const FAULTS_MAX: usize = 100;

/// What a configuration file has in it.
pub fn declared(webhooks: &Arc<Webhooks>) -> Vec<Field> {
    vec![
        list("tags", text("tag").min(1).max(100).form(Form::LINE), TAGS_MAX)
            .default(Value::Array(Vec::new()))
            .help("What it owns: what has all of these in metadata.tags; everything, if there are none."),
        records("routes", routes::fields(), ROUTES_MAX)
            .required()
            .help("The routes that there are to be, known by their names; others of the part are deleted."),
        records("webhooks", whole::fields(webhooks), WEBHOOKS_MAX)
            .help("The same for webhooks, for administrators. Without it, they are left alone."),
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
    /// The names of the routes, as the file has them: faults are told by their places.
    pub names: Vec<String>,
    /// The secrets that the file gives, by the names of the webhooks.
    pub secrets: BTreeMap<String, Value>,
}

impl Wanted {
    /// From a file, or all that is wrong with it.
    pub fn read(body: Map<String, Value>, webhooks: &Arc<Webhooks>, is_admin: bool) -> Result<Wanted> {
        let names = names(&body, "routes");
        let webhook_names = self::names(&body, "webhooks");
        let explain = |error| explain(explain(error, "routes", &names), "webhooks", &webhook_names);
        let mut body = check(&declared(webhooks), body, Mode::Create, is_admin).map_err(explain)?;
        let tags = strings(body.get("tags"));
        let mut faults = Faults::default();
        let mut part = Part { collection: "routes", names: &names, fields: routes::fields(), tags: &tags };
        let routes = part.collect(body.remove("routes"), &mut faults, routes::check_auth);
        (part.collection, part.names, part.fields) = ("webhooks", &webhook_names, whole::fields(webhooks));
        let given = body.remove("webhooks").filter(|given| !given.is_null());
        let mut secrets = BTreeMap::new();
        let webhooks = given.map(|given| {
            let mut found = part.collect(Some(given), &mut faults, |webhook| whole::check(webhooks, webhook));
            for (name, webhook) in &mut found {
                secrets.extend(webhook.remove("secret").map(|secret| (name.clone(), secret)));
            }
            found
        });
        faults.end(Code::ValidationError)?;
        let message = body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_dry_run = body.get("dry_run").and_then(Value::as_bool).unwrap_or_default();
        Ok(Wanted { configuration: Configuration { tags, routes, webhooks }, message, is_dry_run, names, secrets })
    }
}

fn names(body: &Map<String, Value>, collection: &str) -> Vec<String> {
    let listed = body.get(collection).and_then(Value::as_array).into_iter().flatten();
    listed.map(|object| object["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    let mut items: Vec<String> = items.filter_map(Value::as_str).map(str::to_owned).collect();
    items.sort();
    items.dedup();
    items
}

/// One of the lists of a file.
struct Part<'a> {
    collection: &'static str,
    names: &'a [String],
    fields: Vec<Field>,
    tags: &'a [String],
}

impl Part<'_> {
    /// By name, each with all its fields and the tags of the file; `check` is for what no field can say of itself.
    fn collect(
        &self,
        listed: Option<Value>,
        faults: &mut Faults,
        check: impl Fn(&Map<String, Value>) -> Result<()>,
    ) -> Objects {
        let mut objects = Objects::new();
        let Some(Value::Array(listed)) = listed else { return objects };
        for (index, (object, name)) in listed.into_iter().zip(self.names).enumerate() {
            let Value::Object(mut object) = object else { continue };
            let mut fault = |field: &str, message: &str| faults.add(self.collection, index, name, field, message);
            if !self.complete(&mut object) {
                fault("metadata.tags", "must be a list: the tags of the file are added to it");
            }
            if let Err(error) = check(&object) {
                error.fields.iter().for_each(|wrong| fault(&wrong.field, &wrong.message));
            }
            if objects.contains_key(name) {
                fault("name", "stands in the file twice");
            }
            objects.insert(name.clone(), object);
        }
        objects
    }

    /// Whether it could be given the tags of the file.
    fn complete(&self, object: &mut Map<String, Value>) -> bool {
        for field in self.fields.iter().filter(|field| field.is_shown()) {
            object.entry(&*field.name).or_insert(Value::Null);
        }
        object.values_mut().for_each(settle);
        let Some(Value::Object(metadata)) = object.get_mut("metadata").filter(|_| !self.tags.is_empty()) else {
            return true;
        };
        let Value::Array(own) = metadata.entry("tags").or_insert_with(|| Value::Array(Vec::new())) else {
            return false;
        };
        let missing: Vec<Value> =
            self.tags.iter().map(|tag| Value::from(&**tag)).filter(|tag| !own.contains(tag)).collect();
        own.extend(missing);
        true
    }
}

/// Faults of a file, each with its place and the name that stands there.
#[derive(Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    pub fn add(&mut self, collection: &str, index: usize, name: &str, field: &str, message: &str) {
        let fault =
            FieldError { field: format!("{collection}[{index}].{field}"), message: format!("of {name}: {message}") };
        self.0.push(fault);
    }

    /// All of them as an error, if there are any.
    pub fn end(mut self, code: Code) -> Result<()> {
        let words = match self.0.len() {
            0 => return Ok(()),
            1 => "1 fault is in the configuration".to_owned(),
            count @ ..=FAULTS_MAX => format!("{count} faults are in the configuration"),
            _ => format!("more than {FAULTS_MAX} faults are in the configuration; these are the first"),
        };
        self.0.truncate(FAULTS_MAX);
        let mut error = Error::new(code, words);
        error.fields = self.0;
        Err(error)
    }
}

/// The error with the names of what it is about.
fn explain(mut error: Error, collection: &str, names: &[String]) -> Error {
    for fault in &mut error.fields {
        let index = fault.field.strip_prefix(collection).and_then(|rest| rest.strip_prefix('[')?.split(']').next());
        let index = index.and_then(|index| index.parse::<usize>().ok());
        if let Some(name) = index.and_then(|index| names.get(index)).filter(|name| !name.is_empty()) {
            let name: String = name.chars().take(255).collect();
            fault.message = format!("of {name}: {}", fault.message);
        }
    }
    error
}
