//! A catalogue as files have it: JSON of our own, or `template.yaml` as Backstage has it.
//!
//! Everything is checked like what comes through the API, and all that is wrong is told at once, with the file it is in.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::backstage;
use super::technologies::KINDS;
use super::templates::{check as check_template, own_fields};
use crate::error::{Code, Error, FieldError, Result};
use crate::fields::{Field, Form, Mode, boolean, check, choice, integer, text};

/// Bytes of a file, files of a folder, and folders below each other.
const FILE_BYTES_MAX: u64 = 4 << 20;
const FILES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;
/// Things in one catalogue.
const ITEMS_MAX: usize = 100_000;

/// What files describe, checked.
#[derive(Default)]
pub struct Catalogue {
    pub categories: Vec<Map<String, Value>>,
    pub technologies: Vec<Map<String, Value>>,
    pub templates: Vec<Map<String, Value>>,
    faults: Vec<FieldError>,
}

impl Catalogue {
    /// Reads a file, or all files in a folder that are part of a catalogue.
    pub fn read(path: &Path) -> Result<Catalogue> {
        let mut catalogue = Catalogue::default();
        let mut files = Vec::new();
        let unreadable =
            |error: std::io::Error| Error::new(Code::NotFound, format!("{} cannot be read: {error}", path.display()));
        match fs::metadata(path).map_err(unreadable)?.is_dir() {
            true => find(path, 0, &mut files).map_err(unreadable)?,
            false => files.push(path.to_owned()),
        }
        if files.is_empty() {
            let message = format!("{} has neither .json files nor any template.yaml", path.display());
            return Err(Error::new(Code::NotFound, message));
        }
        files.sort();
        for file in files {
            let name = file.strip_prefix(path).ok().filter(|rest| !rest.as_os_str().is_empty());
            let name = name.unwrap_or(&file).display().to_string();
            match read(&file) {
                Ok(value) => catalogue.add(&name, value),
                Err(message) => catalogue.fault(&name, "", message),
            }
        }
        catalogue.checked()
    }

    /// A catalogue that is part of the program.
    pub(super) fn parse(name: &str, text: &str) -> Result<Catalogue> {
        let mut catalogue = Catalogue::default();
        let value = serde_json::from_str(text).map_err(|error| Error::internal(format!("{name}: {error}")))?;
        catalogue.add(name, value);
        catalogue.checked()
    }

    /// All of it, or everything that is wrong.
    fn checked(self) -> Result<Catalogue> {
        if self.faults.is_empty() {
            return Ok(self);
        }
        let mut error = Error::new(Code::ValidationError, "the catalogue is not right; nothing was imported");
        error.fields = self.faults;
        Err(error)
    }

    fn fault(&mut self, file: &str, field: &str, message: String) {
        let field = if field.is_empty() { file.to_owned() } else { format!("{file}: {field}") };
        self.faults.push(FieldError { field, message });
    }

    fn add(&mut self, file: &str, value: Value) {
        let Value::Object(mut members) = value else {
            return self.fault(file, "", "must be an object".to_owned());
        };
        if members.contains_key("apiVersion") {
            match backstage::template(&members) {
                Ok(template) => self.item(file, "templates[0]", "templates", Value::Object(template)),
                Err(message) => self.fault(file, "", message),
            }
            return;
        }
        for list in ["categories", "technologies", "templates"] {
            match members.remove(list) {
                None => {}
                Some(Value::Array(items)) if items.len() <= ITEMS_MAX => {
                    for (index, item) in items.into_iter().enumerate() {
                        self.item(file, &format!("{list}[{index}]"), list, item);
                    }
                }
                Some(_) => self.fault(file, list, format!("must be a list of at most {ITEMS_MAX}")),
            }
        }
        for name in members.keys().cloned().collect::<Vec<_>>() {
            self.fault(file, &name, "is not known; there are categories, technologies and templates".to_owned());
        }
    }

    fn item(&mut self, file: &str, place: &str, list: &str, item: Value) {
        let Value::Object(item) = item else {
            return self.fault(file, place, "must be an object".to_owned());
        };
        let checked = check(&fields(list), item, Mode::Create, true).and_then(|item| {
            if list == "templates" {
                check_template(&item)?;
            }
            Ok(item)
        });
        match checked {
            Ok(item) => match list {
                "categories" => self.categories.push(item),
                "technologies" => self.technologies.push(item),
                _ => self.templates.push(item),
            },
            Err(error) => {
                for fault in error.fields {
                    self.fault(file, &format!("{place}.{}", fault.field), fault.message);
                }
            }
        }
    }
}

/// What an item of a list may have. It is known by its slug, so it must have one.
fn fields(list: &str) -> Vec<Field> {
    let slug = || text("slug").required().max(63).form(Form::SLUG);
    match list {
        "categories" => vec![
            text("name").required().form(Form::LINE),
            slug(),
            text("description").max(10_000).default(""),
            text("icon").form(Form::LINE),
            text("parent").max(63).form(Form::SLUG),
            integer("position").default(0),
        ],
        "technologies" => vec![
            text("name").required().form(Form::LINE),
            slug(),
            choice("kind", KINDS).required(),
            text("technology_version").max(63).form(Form::LINE),
            text("website").max(2000).form(Form::WEB_URL),
        ],
        _ => own_fields()
            .into_iter()
            .filter(|field| field.name != "slug" && field.name != "category_id")
            .chain([slug(), text("category").max(63).form(Form::SLUG), boolean("publish").default(false)])
            .collect(),
    }
}

/// The files in a folder and below it that may be part of a catalogue. Links are not followed.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if kind.is_dir() && !name.starts_with('.') && depth < DEPTH_MAX {
            find(&path, depth + 1, found)?;
        }
        // JSON further down is more likely to be part of a template than of the catalogue.
        let is_part = matches!(name, "template.yaml" | "template.yml") || (depth == 0 && name.ends_with(".json"));
        if kind.is_file() && is_part {
            found.push(path);
        }
        if found.len() > FILES_MAX {
            return Err(std::io::Error::other(format!("there are more than {FILES_MAX} files")));
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Value, String> {
    let told = |error: std::io::Error| format!("cannot be read: {error}");
    if fs::metadata(file).map_err(told)?.len() > FILE_BYTES_MAX {
        return Err(format!("has more than {} MiB", FILE_BYTES_MAX >> 20));
    }
    let text = fs::read_to_string(file).map_err(told)?;
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml") => backstage::parse(&text),
        _ => serde_json::from_str(&text).map_err(|error| format!("is no JSON: {error}")),
    }
}

/// One item as its statement takes it.
pub(super) fn body(item: &Map<String, Value>) -> String {
    json!(item).to_string()
}
