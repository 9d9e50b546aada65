//! `mainstay gateway …`: the routes as files, and files as the routes.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::identity::with_session;
use super::{Arguments, Failure, Result, configuration as settings, print, print_json, say, with_database};
use crate::config::Config;
use crate::db::{Database, TransactionOptions};
use crate::gateway::Gateway;
use crate::gateway::configuration::{self, Applied, Author, BYTES_MAX, Changes, Configuration, Scope, Wanted};
use crate::gateway::export::{self, Format};
use crate::gateway::webhooks::Webhooks;
use crate::json;
use crate::secret::Keys;

/// What `plan` exits with when there is something to do.
const CHANGED: u8 = 3;

pub(super) fn export(arguments: &Arguments) -> Result<ExitCode> {
    let known = || Format::ALL.map(Format::name).join(", ");
    let format = match arguments.value("format") {
        None => return export_configuration(arguments),
        Some(_) if arguments.has("tags") => {
            return Err(Failure::Usage("--tags is for mainstay's own format".to_owned()));
        }
        Some(name) => Format::parse(name)
            .ok_or_else(|| Failure::Usage(format!("there is no format {name:?}; there are {}", known())))?,
    };
    let port = match arguments.value("port").map(str::parse) {
        None => export::PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(Failure::Usage("--port must be a port".to_owned())),
    };
    let config = settings(arguments)?;
    let export = with_database(&config, |address| {
        // Nobody listens to the database here, so what there is now is read out of it.
        let snapshot = Gateway::new(Database::open(&config, address)?).snapshot()?;
        Ok(export::export(format, port, snapshot.objects())?)
    })?;
    if arguments.has("json") {
        return print_json(&export);
    }
    for note in &export.notes {
        say(&format!("mainstay: {}", note.line()));
    }
    Ok(print(&export.text))
}

/// The configuration as `plan` and `apply` take it.
fn export_configuration(arguments: &Arguments) -> Result<ExitCode> {
    let tags: Vec<String> = arguments
        .value("tags")
        .unwrap_or_default()
        .split(',')
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect();
    with_session(arguments, |_, session, _| {
        print_json(&Configuration::read(session, &tags, Scope::Everything)?.to_value())
    })
}

/// A configuration file; `-` is the standard input.
fn wanted(path: &str, message: Option<&str>, webhooks: &Arc<Webhooks>) -> Result<Wanted> {
    let unreadable = |error: io::Error| Failure::Refused(format!("{path} cannot be read: {error}"));
    let mut bytes = Vec::new();
    let limit = BYTES_MAX as u64 + 1;
    match path {
        "-" => io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(unreadable)?,
        _ => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?,
    };
    if bytes.len() > BYTES_MAX {
        return Err(Failure::Refused(format!("{path} has more than {BYTES_MAX} bytes")));
    }
    let Value::Object(mut body) = json::parse(&bytes)? else {
        return Err(Failure::Refused(format!("{path} must be an object, with routes in it")));
    };
    if let Some(message) = message {
        body.insert("message".to_owned(), message.into());
    }
    Ok(Wanted::read(body, webhooks, true)?)
}

fn webhooks(config: &Config) -> Result<Arc<Webhooks>> {
    Ok(Webhooks::new(config, Arc::new(Keys::configured(config)?))?)
}

pub(super) fn plan(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |config, session, _| {
        let wanted = wanted(arguments.positional(0), None, &webhooks(config)?)?;
        let applied = configuration::plan(session, &wanted, arguments.value("if-match"))?;
        show(arguments, &applied)?;
        Ok(if applied.changes_nothing() { ExitCode::SUCCESS } else { ExitCode::from(CHANGED) })
    })
}

pub(super) fn apply(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |config, session, actor| {
        let webhooks = webhooks(config)?;
        let mut wanted = wanted(arguments.positional(0), arguments.value("message"), &webhooks)?;
        wanted.is_dry_run |= arguments.has("dry-run");
        webhooks.settle_secrets(session)?;
        let author = Author { webhooks: &webhooks, actor, user: None };
        let applied = session.transaction(TransactionOptions::default(), |transaction| {
            configuration::apply(transaction, author, &wanted, arguments.value("if-match"))
        })?;
        show(arguments, &applied)
    })
}

pub(super) fn roll_back(arguments: &Arguments) -> Result<ExitCode> {
    let number = number(arguments.positional(0))?;
    let message = arguments.value("message").unwrap_or_default();
    with_session(arguments, |config, session, actor| {
        let webhooks = webhooks(config)?;
        webhooks.settle_secrets(session)?;
        let author = Author { webhooks: &webhooks, actor, user: None };
        let (scope, if_match) = (Scope::Everything, arguments.value("if-match"));
        let applied = session.transaction(TransactionOptions::default(), |transaction| {
            configuration::roll_back(transaction, author, number, message, scope, if_match)
        })?;
        show(arguments, &applied)
    })
}

pub(super) fn diff(arguments: &Arguments) -> Result<ExitCode> {
    let from = number(arguments.positional(0))?;
    let to = arguments.value("to").map(number).transpose()?;
    with_session(arguments, |_, session, _| {
        let changes = configuration::between(session, from, to, Scope::Everything)?;
        if arguments.has("json") {
            return print_json(&changes);
        }
        Ok(print(&told(&changes.routes, changes.webhooks.as_ref())))
    })
}

pub(super) fn history(arguments: &Arguments) -> Result<ExitCode> {
    let count = arguments.value("count").map_or(Ok(20), number)?;
    with_session(arguments, |_, session, _| {
        let rows = configuration::history(session, count)?;
        let columns = [("number", 6), ("created_at", 32), ("author", 36), ("restored_from", 13), ("message", 40)];
        super::identity::show(arguments, &rows, &columns)
    })
}

pub(super) fn blame(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |_, session, _| {
        let rows = configuration::blame(session, arguments.positional(0))?;
        let columns = [("field", 12), ("changed_at", 32), ("user", 28), ("user_agent", 24), ("value", 20)];
        super::identity::show(arguments, &rows, &columns)
    })
}

fn number(text: &str) -> Result<i64> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Failure::Usage(format!("{text:?} must be a number, and more than 0")))
}

fn show(arguments: &Arguments, applied: &Applied) -> Result<ExitCode> {
    if arguments.has("json") {
        return print_json(applied);
    }
    let end = match applied.revision {
        Some(number) => format!("applied as revision {number}\n"),
        None if applied.changes_nothing() => "nothing to do\n".to_owned(),
        None => format!("not applied; --if-match {} makes sure that nothing else changes\n", applied.checksum_before),
    };
    for (name, secret) in &applied.secrets {
        say(&format!("the secret of the webhook {} is {secret}; it is shown this once", plain(name)));
    }
    Ok(print(&(told(&applied.routes, applied.webhooks.as_ref()) + &end)))
}

/// Changes as people read them.
fn told(routes: &Changes, webhooks: Option<&Changes>) -> String {
    match webhooks {
        None => list(routes),
        Some(webhooks) => format!("routes:\n{}webhooks:\n{}", list(routes), list(webhooks)),
    }
}

fn list(changes: &Changes) -> String {
    let mut text = String::new();
    for route in &changes.create {
        let _ = writeln!(text, "+ {}", line(route));
    }
    for update in &changes.update {
        let _ = writeln!(text, "~ {}", plain(&update.name));
        for (field, (before, after)) in &update.fields {
            let _ = writeln!(text, "    {field}: {before} -> {after}");
        }
    }
    for route in &changes.delete {
        let _ = writeln!(text, "- {}", line(route));
    }
    let (created, updated, deleted) = (changes.create.len(), changes.update.len(), changes.delete.len());
    let _ = writeln!(text, "{created} created, {updated} changed, {deleted} deleted, {} unchanged", changes.unchanged);
    text
}

fn line(route: &Map<String, Value>) -> String {
    let text = |name: &str| route.get(name).and_then(Value::as_str).unwrap_or_default();
    let methods = route.get("methods").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let methods: Vec<&str> = methods.collect();
    plain(&match route.get("url").and_then(Value::as_str) {
        Some(url) => format!("{}  {url}", text("name")),
        None => format!("{}  {} {} -> {}", text("name"), methods.join(","), text("path"), text("upstream")),
    })
}

/// Without what would steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
