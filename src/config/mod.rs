//! The configuration: what the environment, files and defaults say, checked as a whole.
//!
//! [`Config::from`] is pure and reports all problems at once. Knows nothing of how the values are used.

mod address;
mod env_file;
mod networks;
mod setting;
pub mod settings;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use address::{Address, Security};
pub use networks::Networks;
pub use setting::{Fallback, Setting};
pub use settings::SETTINGS;
pub use value::{Kind, SECRET_BYTES_MIN, Value, show_duration, show_time};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    Environment,
    /// A file of settings, or the file that a `NAME_FILE` names.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => formatter.write_str("default"),
            Source::Environment => formatter.write_str("environment"),
            Source::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// The variables that are set, before anybody has looked at them.
#[derive(Debug, Default, Clone)]
pub struct Variables(BTreeMap<String, (String, Source)>);

impl Variables {
    /// The process's environment, and behind it the file of settings that `--env-file` names, or `.env` here.
    pub fn read(file: Option<&Path>) -> Result<Variables, Problems> {
        let mut variables = Variables::default();
        let path = file.unwrap_or(Path::new(".env"));
        match fs::read_to_string(path) {
            Ok(text) => match env_file::parse(&text) {
                Ok(settings) => {
                    for (name, value) in settings {
                        variables.0.insert(name, (value, Source::File(path.to_owned())));
                    }
                }
                Err(problem) => return Err(Problems(vec![format!("{}: {problem}", path.display())])),
            },
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Problems(vec![format!("{}: {error}", path.display())])),
        }
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                variables.0.insert(name, (value, Source::Environment));
            }
        }
        Ok(variables)
    }

    /// Variables given by hand.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Variables {
        let entry = |(name, value): (&str, &str)| (name.to_owned(), (value.to_owned(), Source::Environment));
        Variables(variables.into_iter().map(entry).collect())
    }

    /// A variable that is set to something: empty means unset, as in files where every name has its line.
    fn get(&self, name: &str) -> Option<&(String, Source)> {
        self.0.get(name).filter(|(value, _)| !value.is_empty())
    }
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

/// A setting's value and where it came from.
#[derive(Debug, Clone)]
pub struct Effective {
    pub setting: &'static Setting,
    /// `None` where nothing is set and the default is no value but a rule.
    pub value: Option<Value>,
    pub source: Source,
}

impl Effective {
    /// The value as people may see it.
    pub fn shown(&self) -> String {
        match &self.value {
            Some(_) if self.setting.is_secret => "********".to_owned(),
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Boolean(boolean)) => boolean.to_string(),
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Duration(duration)) => show_duration(*duration),
            None => match self.setting.default {
                Fallback::Value(text) => text.to_owned(),
                Fallback::Words(words) => format!("({words})"),
            },
        }
    }
}

/// What mainstay is told.
#[derive(Debug, Clone)]
pub struct Config {
    values: BTreeMap<&'static str, Effective>,
    /// What is no fault, but should be looked at.
    pub warnings: Vec<String>,
    /// Which names in the file of settings are somebody else's, if there are any.
    pub others: Option<String>,
}

impl Config {
    /// Checks all variables, and answers all problems together. `read_file` reads what a `NAME_FILE` names.
    pub fn from(
        variables: &Variables,
        read_file: impl Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Config, Problems> {
        let mut problems = Vec::new();
        let mut config = Config { values: BTreeMap::new(), warnings: Vec::new(), others: None };
        for setting in settings::all() {
            let effective = match find(setting, variables, &read_file) {
                Ok(None) => Effective { setting, value: default(setting), source: Source::Default },
                Ok(Some((name, text, source))) => match setting.kind.parse(&text) {
                    Ok(value) => Effective { setting, value: Some(value), source },
                    Err(problem) => {
                        let given = if setting.is_secret { String::new() } else { format!(", and is {text:?}") };
                        problems.push(format!("{name} {problem}{given}"));
                        continue;
                    }
                },
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            config.values.insert(setting.name, effective);
        }
        if problems.is_empty() {
            config.check_together(&mut problems);
        }
        (config.warnings, config.others) = unknown_names(variables);
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// Checks what depends on more than one setting.
    fn check_together(&self, problems: &mut Vec<String>) {
        for pool in ["DB_POOL", "DB_POOL_READONLY", "DB_POOL_PRIORITY", "DB_POOL_BACKGROUND"] {
            let (min_name, max_name) = (format!("{pool}_MIN"), format!("{pool}_MAX"));
            let (min, max) = (self.integer(&min_name), self.integer(&max_name));
            if min > max && self.is_set(&min_name) {
                problems.push(format!("{min_name} is {min}, more than {max_name}, which is {max}"));
            }
        }
        if let Some(path) = self.path("DB_SSL_ROOT_CERT")
            && !path.is_file()
        {
            problems.push(format!("DB_SSL_ROOT_CERT names {}, which is no file", path.display()));
        }
        if let Some(path) = self.path("ENTITIES_PATH")
            && !path.is_dir()
            && self.values.get("ENTITIES_PATH").is_some_and(|it| !matches!(it.source, Source::Default))
        {
            problems.push(format!("ENTITIES_PATH names {}, which is no folder", path.display()));
        }
    }

    /// All settings, in the order of [`SETTINGS`].
    pub fn effective(&self) -> impl Iterator<Item = &Effective> {
        settings::all().filter_map(|setting| self.values.get(setting.name))
    }

    /// Whether anybody has set this one.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|effective| effective.source != Source::Default)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let effective = self.values.get(name);
        debug_assert!(effective.is_some(), "{name} is not among the settings");
        effective?.value.as_ref()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn path(&self, name: &str) -> Option<&Path> {
        self.text(name).map(Path::new)
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Some(Value::Boolean(boolean)) => Some(*boolean),
            _ => None,
        }
    }

    /// A number that has a default.
    pub fn integer(&self, name: &str) -> u32 {
        self.maybe_integer(name).unwrap_or_default()
    }

    pub fn maybe_integer(&self, name: &str) -> Option<u32> {
        match self.value(name) {
            Some(Value::Integer(number)) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A time that has a default.
    pub fn duration(&self, name: &str) -> Duration {
        match self.value(name) {
            Some(Value::Duration(duration)) => *duration,
            _ => Duration::ZERO,
        }
    }

    pub fn is_production(&self) -> bool {
        self.text("APP_ENV") == Some("production")
    }

    /// The settings that must be set, and are not.
    pub fn missing(&self) -> Vec<&'static str> {
        let is_required =
            |setting: &&Setting| setting.default == settings::REQUIRED && self.text(setting.name).is_none();
        let names = settings::all().filter(is_required).map(|setting| setting.name);
        if self.is_production() { names.collect() } else { Vec::new() }
    }

    /// What to do about what must be set and is not, if there is any.
    pub fn what_is_missing(&self) -> Option<String> {
        let missing = self.missing();
        let each = if missing.len() == 1 { "" } else { ", each of its own" };
        (!missing.is_empty()).then(|| {
            format!(
                "{} must be set in production: {SECRET_BYTES_MIN} random bytes or more{each}, as `openssl rand -hex 32` prints",
                missing.join(" and ")
            )
        })
    }

    /// Where users find this service, without a slash at the end: what is set, or where it listens.
    pub fn public_url(&self) -> String {
        if let Some(url) = self.text("PUBLIC_URL") {
            return url.trim_end_matches('/').to_owned();
        }
        let host = match self.text("HOST").unwrap_or_default() {
            // Nobody can go to all addresses.
            "" | "127.0.0.1" | "::1" | "0.0.0.0" | "::" => "localhost".to_owned(),
            host if host.contains(':') => format!("[{host}]"),
            host => host.to_owned(),
        };
        format!("http://{host}:{}", self.integer("PORT"))
    }

    pub fn auto_migrates(&self) -> bool {
        self.boolean("DB_AUTO_MIGRATE").unwrap_or(self.text("APP_ENV") == Some("development"))
    }
}

fn default(setting: &Setting) -> Option<Value> {
    match setting.default {
        Fallback::Value(text) => setting.kind.parse(text).ok(),
        Fallback::Words(_) => None,
    }
}

/// The name under which a setting is set, its text and where it came from.
fn find(
    setting: &Setting,
    variables: &Variables,
    read_file: impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Option<(String, String, Source)>, String> {
    let mut found: Option<(String, String, Source)> = None;
    for name in [&setting.name].into_iter().chain(setting.aliases) {
        let mut given: Vec<(String, String, Source)> = Vec::new();
        if let Some((text, source)) = variables.get(name) {
            given.push(((*name).to_owned(), text.clone(), source.clone()));
        }
        let file_name = format!("{name}_FILE");
        if setting.is_secret
            && let Some((path, _)) = variables.get(&file_name)
        {
            let path = PathBuf::from(path);
            match read_file(&path) {
                Ok(text) => given.push((file_name, text.trim_end_matches(['\r', '\n']).to_owned(), Source::File(path))),
                Err(error) => return Err(format!("{file_name} names {}: {error}", path.display())),
            }
        }
        for (name, text, source) in given {
            match &found {
                Some((other, old, _)) if *old != text => {
                    return Err(format!("{other} and {name} are the same setting, but have different values"));
                }
                Some(_) => {}
                None => found = Some((name, text, source)),
            }
        }
    }
    Ok(found)
}

/// Names that look like settings and are none, each with the nearest that is. In the environment that is who begins as ours
/// do; a file of settings is for us, so each name in it should be one. There, what is no slip of the pen is somebody else's.
fn unknown_names(variables: &Variables) -> (Vec<String>, Option<String>) {
    let known: Vec<&str> =
        settings::all().flat_map(|setting| [setting.name].into_iter().chain(setting.aliases.iter().copied())).collect();
    let is_known =
        |name: &str| known.contains(&name) || name.strip_suffix("_FILE").is_some_and(|name| known.contains(&name));
    let looks_like_ours = |name: &str| ["DB_", "DATABASE_", "MAINSTAY_"].iter().any(|prefix| name.starts_with(prefix));
    let (mut warnings, mut others, mut place) = (Vec::new(), Vec::new(), None);
    for (name, (_, source)) in variables.0.iter().filter(|(name, _)| !is_known(name)) {
        let nearest = known.iter().map(|known| (distance(name, known), known)).min();
        let hint = |letters: usize| nearest.filter(|(distance, _)| *distance <= letters).map(|(_, name)| name);
        match source {
            _ if looks_like_ours(name) => warnings.push(match hint(name.len() / 2) {
                Some(hint) => format!("{name} is not a setting; did you mean {hint}?"),
                None => format!("{name} is not a setting"),
            }),
            Source::File(path) => match hint(SLIP_LETTERS_MAX.min(name.len() / 4)) {
                Some(hint) => warnings.push(format!("{name} is not a setting; did you mean {hint}?")),
                None => {
                    others.push(name.as_str());
                    place = Some(path);
                }
            },
            _ => {}
        }
    }
    let told = place.map(|place| {
        let count = others.len().saturating_sub(OTHERS_SHOWN);
        others.truncate(OTHERS_SHOWN);
        let more = if count > 0 { format!(" and {count} more") } else { String::new() };
        format!("{} has names that are none of mainstay's: {}{more}", place.display(), others.join(", "))
    });
    (warnings, told)
}

/// Letters that a slip of the pen changes.
const SLIP_LETTERS_MAX: usize = 2;
/// Names of others that are listed.
const OTHERS_SHOWN: usize = 20;

/// How many letters one has to add, drop or change to get from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
