//! `mainstay db …`: the embedded database, and the configured one.

use std::process::{Command, ExitCode};
use std::sync::Arc;

use postgres::config::Host;
use serde::Serialize;
use signal_hook::consts::SIGINT;

use super::{Arguments, Failure, Result, configuration, confirm, data_folder, print, print_json, say, with_database};
use crate::config::{Address, Config};
use crate::db::Binaries;
use crate::db::cluster::{self, State, Status};
use crate::error::Error;

/// Refuses where another database is configured, which is not ours to start or stop.
fn embedded(arguments: &Arguments) -> Result<Config> {
    let config = configuration(arguments)?;
    match Address::primary(&config).map_err(Failure::Refused)? {
        None => Ok(config),
        Some(address) => Err(Failure::Refused(format!(
            "the configured database is {address}, which is not mainstay's own: this command is for the embedded one, which \
             is used when neither DATABASE_URL nor DB_HOST is set"
        ))),
    }
}

pub(super) fn start(arguments: &Arguments) -> Result<ExitCode> {
    let config = embedded(arguments)?;
    let status = cluster::start(&data_folder(&config)?, &mut |text| say(text))?;
    Ok(print(&show(&status)))
}

pub(super) fn stop(arguments: &Arguments) -> Result<ExitCode> {
    let config = embedded(arguments)?;
    let was_running = cluster::stop(&data_folder(&config)?, &mut |text| say(text))?;
    Ok(print(if was_running { "stopped\n" } else { "it was not running\n" }))
}

#[derive(Serialize)]
struct Shown {
    state: &'static str,
    version: Option<u32>,
    process: Option<u32>,
    socket: Option<String>,
    size_bytes: u64,
}

fn state(status: &Status) -> &'static str {
    match status.state {
        State::Missing => "missing",
        State::Stopped => "stopped",
        State::Changing => "changing",
        State::Running => "running",
    }
}

fn show(status: &Status) -> String {
    let mut text = state(status).to_owned();
    if let Some(version) = status.version {
        text += &format!(", PostgreSQL {version}, {} MiB", status.size_bytes >> 20);
    }
    if let (Some(process), Some(socket)) = (status.process, &status.socket) {
        text += &format!(", process {process}, socket in {}", socket.display());
    }
    text + "\n"
}

pub(super) fn status(arguments: &Arguments) -> Result<ExitCode> {
    let config = embedded(arguments)?;
    let status = cluster::status(&data_folder(&config)?)?;
    if !arguments.has("json") {
        return Ok(print(&show(&status)));
    }
    print_json(&Shown {
        state: state(&status),
        version: status.version,
        process: status.process,
        socket: status.socket.map(|socket| socket.display().to_string()),
        size_bytes: status.size_bytes,
    })
}

pub(super) fn psql(arguments: &Arguments) -> Result<ExitCode> {
    let config = configuration(arguments)?;
    if let Some(address) = Address::primary(&config).map_err(Failure::Refused)? {
        return run_psql(&address, &mut Command::new("psql"));
    }
    with_database(&config, |address| run_psql(address, &mut Binaries::find()?.command("psql")))
}

/// psql takes its password from the environment, where others cannot see it.
fn run_psql(address: &Address, command: &mut Command) -> Result<ExitCode> {
    let target = &address.config;
    for (index, host) in target.get_hosts().iter().take(1).enumerate() {
        match host {
            Host::Unix(folder) => command.arg("-h").arg(folder),
            Host::Tcp(host) => command.arg("-h").arg(host),
        };
        if let Some(port) = target.get_ports().get(index) {
            command.arg("-p").arg(port.to_string());
        }
    }
    command.arg("-U").arg(target.get_user().unwrap_or_default()).arg("-d").arg(address.name());
    if let Some(password) = target.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    // Ctrl-C is for psql; it must not end us before the database is stopped in order.
    signal_hook::flag::register(SIGINT, Arc::default())
        .map_err(|error| Error::internal("signals cannot be handled").because(error))?;
    let status = command.status();
    let status = status
        .map_err(|error| Error::internal("psql cannot be run: is PostgreSQL's client installed?").because(error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

pub(super) fn reset(arguments: &Arguments) -> Result<ExitCode> {
    let config = embedded(arguments)?;
    if config.is_production() {
        return Err(Failure::Refused("APP_ENV is production: a database in production is not reset".to_owned()));
    }
    let folder = data_folder(&config)?;
    let question = format!("Delete the embedded database in {} with everything in it?", folder.display());
    if !arguments.has("yes") && !confirm(&question) {
        return Err(Failure::Refused("nothing was deleted; --yes deletes without asking".to_owned()));
    }
    cluster::reset(&folder, &mut |text| say(text))?;
    Ok(print("the embedded database is gone; the next start makes a new one\n"))
}

pub(super) fn create(arguments: &Arguments) -> Result<ExitCode> {
    let config = configuration(arguments)?;
    let Some(address) = Address::primary(&config).map_err(Failure::Refused)? else {
        return Err(Failure::Refused("no database is configured, and the embedded one is made by itself".to_owned()));
    };
    let is_new = cluster::create(&address)?;
    let name = address.name();
    Ok(print(&if is_new {
        format!("made the database {name}\n")
    } else {
        format!("there is a database {name} already\n")
    }))
}
