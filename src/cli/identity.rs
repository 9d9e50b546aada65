//! `mainstay user …`, `mainstay key …` and `mainstay seed`.

use std::io::{self, BufRead};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Arguments, Failure, Result, configuration, print, print_json, say, with_database};
use crate::config::{Config, Kind, Value as Setting};
use crate::db::{Database, Purpose, Session, Which};
use crate::fields::{Form, Mode, check, text};
use crate::gateway::{self, webhooks};
use crate::http::Role;
use crate::identity::admin::{self, NewApiKey, NewUser};
use crate::identity::first;

/// Does something with a session on the configured database, and shows what came of it.
pub(super) fn with_session(
    arguments: &Arguments,
    act: impl FnOnce(&Config, &mut Session, &str) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let config = configuration(arguments)?;
    with_database(&config, |address| {
        let database = Database::open(&config, address)?;
        let mut session = database.session(Which::Background, Purpose { what: "command", request: None })?;
        let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
        let actor = json!({ "user_agent": format!("mainstay {} as {user}", env!("CARGO_PKG_VERSION")) });
        act(&config, &mut session, &actor.to_string())
    })
}

/// Shows objects as a table of some of their members.
pub(super) fn show(arguments: &Arguments, rows: &[Value], columns: &[(&str, usize)]) -> Result<ExitCode> {
    if arguments.has("json") {
        return print_json(&rows);
    }
    let mut table: String = columns.iter().map(|(name, width)| format!("{name:<width$} ")).collect();
    for row in rows {
        table.truncate(table.trim_end().len());
        table.push('\n');
        for (name, width) in columns {
            let value = match &row[*name] {
                Value::Null => "-".to_owned(),
                Value::String(text) => text.clone(),
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                other => other.to_string(),
            };
            table += &format!("{value:<width$} ");
        }
    }
    Ok(print(&format!("{}\n", table.trim_end())))
}

const USERS: &[(&str, usize)] = &[("id", 36), ("email", 32), ("role", 6), ("status", 20), ("last_login", 26)];
const KEYS: &[(&str, usize)] =
    &[("id", 36), ("prefix", 12), ("name", 20), ("permissions", 24), ("expires_at", 26), ("revoked_at", 26)];

fn role(name: &str) -> Result<String> {
    let name = name.to_ascii_uppercase();
    match Role::parse(&name) {
        Some(_) => Ok(name),
        None => Err(Failure::Usage(format!("there is no role {name}; there are {}", Role::NAMES.join(", ")))),
    }
}

pub(super) fn create_user(arguments: &Arguments) -> Result<ExitCode> {
    let email = arguments.positional(0);
    let declared = [text("email").required().max(254).form(Form::EMAIL)];
    check(&declared, [("email".to_owned(), json!(email))].into_iter().collect(), Mode::Create, true)?;
    let role = match (arguments.has("admin"), arguments.value("role")) {
        (true, Some(_)) => {
            return Err(Failure::Usage("--admin and --role are two ways to say it: give one".to_owned()));
        }
        (true, None) => "ADMIN".to_owned(),
        (false, given) => role(given.unwrap_or("USER"))?,
    };
    let (password, is_made_up) = match arguments.has("password-stdin") {
        true => (read_password()?, false),
        false => (crate::identity::random_password()?, true),
    };
    let name = arguments.value("name").unwrap_or_default().to_owned();
    let user = NewUser { email: email.to_owned(), name, role, password: Some(password) };
    with_session(arguments, |config, session, actor| {
        let row = admin::create_user(session, actor, &user, config.integer("BCRYPT_ROUNDS"))?;
        if let Some(password) = user.password.as_ref().filter(|_| is_made_up) {
            say(&format!("the password is {password}; it is shown this once"));
        }
        show(arguments, &[row], USERS)
    })
}

fn read_password() -> Result<String> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::Refused(format!("no password can be read: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

pub(super) fn list_users(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |_, session, _| show(arguments, &admin::list_users(session)?, USERS))
}

pub(super) fn set_role(arguments: &Arguments) -> Result<ExitCode> {
    let role = role(arguments.positional(1))?;
    with_session(arguments, |_, session, actor| {
        let row = admin::set_role(session, actor, arguments.positional(0), &role)?;
        show(arguments, &[row], &[("id", 36), ("role", 6)])
    })
}

pub(super) fn unlock(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |_, session, actor| {
        let row = admin::unlock(session, actor, arguments.positional(0))?;
        show(arguments, &[row], &[("id", 36)])
    })
}

/// A time in an option.
fn duration(arguments: &Arguments, name: &str) -> Result<Option<Duration>> {
    match arguments.value(name).map(|text| Kind::Duration.parse(text)) {
        None => Ok(None),
        Some(Ok(Setting::Duration(time))) => Ok(Some(time)),
        Some(_) => Err(Failure::Usage(format!("--{name} {}", Kind::Duration.allowed()))),
    }
}

pub(super) fn create_key(arguments: &Arguments) -> Result<ExitCode> {
    let permissions: Vec<String> =
        arguments.value("permissions").unwrap_or("read:*").split(',').map(|part| part.trim().to_owned()).collect();
    if let Some(wrong) = permissions.iter().find(|permission| !(Form::PERMISSION.check)(permission)) {
        let problem = format!("{wrong:?} is no permission: it must be {}", Form::PERMISSION.expected);
        return Err(Failure::Usage(problem));
    }
    let user = arguments.value("user").ok_or_else(|| Failure::Usage("--user says whose key it is".to_owned()))?;
    let wanted = NewApiKey {
        user: user.to_owned(),
        name: arguments.positional(0).to_owned(),
        permissions,
        expires_in: duration(arguments, "expires")?,
    };
    with_session(arguments, |_, session, actor| show_key(arguments, admin::create_key(session, actor, &wanted)?))
}

/// The key alone goes to the standard output, so that a script can keep it.
fn show_key(arguments: &Arguments, row: Value) -> Result<ExitCode> {
    if arguments.has("json") {
        return print_json(&row);
    }
    say(&format!("API key {} ({}); the key is shown this once:", row["name"], row["id"]));
    Ok(print(&format!("{}\n", row["key"].as_str().unwrap_or_default())))
}

pub(super) fn list_keys(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |_, session, _| show(arguments, &admin::list_keys(session, arguments.value("user"))?, KEYS))
}

pub(super) fn revoke_key(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |_, session, actor| {
        let row = admin::revoke_key(session, actor, arguments.positional(0))?;
        show(arguments, &[row], &[("id", 36), ("revoked_at", 26)])
    })
}

pub(super) fn rotate_key(arguments: &Arguments) -> Result<ExitCode> {
    let overlap = duration(arguments, "overlap")?.unwrap_or(Duration::from_secs(3600));
    with_session(arguments, |_, session, actor| {
        show_key(arguments, admin::rotate_key(session, actor, arguments.positional(0), overlap)?)
    })
}

pub(super) fn seed(arguments: &Arguments) -> Result<ExitCode> {
    if configuration(arguments)?.is_production() {
        return Err(Failure::Refused("seed data have passwords that everybody knows: not in production".to_owned()));
    }
    with_session(arguments, |config, session, _| {
        let (email, password) = (first::SEED_EMAIL, first::SEED_PASSWORD);
        let what = |is_new: bool| if is_new { "made" } else { "was there already:" };
        let user = what(first::seed(config, session)?);
        let webhook = what(webhooks::seed(config, session)?);
        let templates = match crate::templates::seed(session)? {
            0 => "was there already: categories, technologies and templates".to_owned(),
            count => format!("made {count} categories, technologies and templates"),
        };
        let (name, url) = (webhooks::SEED_NAME, webhooks::SEED_URL);
        let mut text = format!("administrator {user} {email}, with the password {password}\n");
        for (route, path, is_new) in gateway::seed(session)? {
            text += &format!("route {} {route}, {path}\n", what(is_new));
        }
        text += &format!("webhook {webhook} {name}, to {url}, switched off\ncatalogue {templates}\n");
        Ok(print(&text))
    })
}
