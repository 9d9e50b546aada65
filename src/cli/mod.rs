//! The command line. `COMMANDS` is the one list: the parser and all help are made from it.

#![allow(clippy::print_stdout, clippy::print_stderr)] // this module is what prints

mod commands;
mod config;
mod database;
mod document;
mod entity;
mod gateway;
mod identity;
mod migrate;
mod ops;
mod parse;
mod templates;
mod webhook;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use commands::{COMMANDS, COMMON, Command, Flag};
pub use parse::{Arguments, Parsed};

use crate::config::{Address, Config, Variables};
use crate::db::cluster::{self, Cluster};
use crate::error::{Code, Error};

/// Why a command has not done what it was told.
#[derive(Debug)]
enum Failure {
    /// The words are not what the command takes.
    Usage(String),
    /// It is the wrong thing to do here, as the settings are.
    Refused(String),
    /// It was tried.
    Failed(Error),
}

type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Failed(error)
    }
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Refused(_) | Failure::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(problem) | Failure::Refused(problem) => formatter.write_str(problem),
            Failure::Failed(error) => {
                error.fmt(formatter)?;
                // Whoever runs commands may read what a client of the server may not.
                match error
                    .database()
                    .filter(|_| error.code == Code::InternalError)
                    .and_then(|cause| cause.as_db_error())
                {
                    Some(cause) => write!(formatter, ": {} {}", cause.code().code(), cause.message()),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Runs what the arguments say.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let parsed = match parse::parse(arguments) {
        Ok(parsed) => parsed,
        Err(problem) => {
            eprintln!("mainstay: {problem}");
            return ExitCode::from(2);
        }
    };
    let result = match parsed {
        Parsed::Help(text) => return print(&text),
        Parsed::Run(command, arguments) => (command.run)(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("mainstay: {failure}");
            failure.exit_code()
        }
    }
}

/// Prints to the standard output. That nobody reads on is no failure of ours.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("mainstay: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<ExitCode> {
    let unprintable = |error| Error::internal("cannot print this").because(error);
    let text = serde_json::to_string_pretty(value).map_err(unprintable)?;
    Ok(print(&(text + "\n")))
}

/// Tells a person what is being done, beside what is printed for programs.
fn say(text: &str) {
    eprintln!("{text}");
}

/// Reads and checks the settings.
fn configuration(arguments: &Arguments) -> Result<Config> {
    let problem = |problems: crate::config::Problems| {
        Failure::Refused(format!(
            "the configuration is not right:\n{problems}\n`mainstay config --help` lists all settings"
        ))
    };
    let variables = Variables::read(arguments.value("env-file").map(Path::new)).map_err(problem)?;
    let config = Config::from(&variables, |path| std::fs::read_to_string(path)).map_err(problem)?;
    for warning in &config.warnings {
        say(&format!("mainstay: {warning}"));
    }
    Ok(config)
}

/// The folder of mainstay's own files.
fn data_folder(config: &Config) -> Result<PathBuf> {
    Ok(cluster::data_folder(config, &mut |text| say(text))?)
}

/// Does something with the configured database. An embedded one runs at least as long; where there is none, none is made.
fn with_database<T>(config: &Config, act: impl FnOnce(&Address) -> Result<T>) -> Result<T> {
    if Address::primary(config).map_err(Failure::Refused)?.is_none() {
        let data = data_folder(config)?;
        if !cluster::exists(&data)? {
            return Err(Failure::Refused(format!(
                "there is no database in {} yet: `mainstay serve`, `mainstay migrate` and `mainstay db start` make one; \
                 MAINSTAY_DATA and DATABASE_URL say where another is",
                data.display()
            )));
        }
    }
    with_database_made(config, act)
}

/// The same, and an embedded database is made if there is none.
fn with_database_made<T>(config: &Config, act: impl FnOnce(&Address) -> Result<T>) -> Result<T> {
    match Address::primary(config).map_err(Failure::Refused)? {
        Some(address) => act(&address),
        None => {
            let cluster = Cluster::open(&data_folder(config)?, &mut |text| say(text))?;
            let result = act(&cluster.address());
            cluster.stop()?;
            result
        }
    }
}

/// Asks a question that is answered with yes or no; without a terminal the answer is no.
fn confirm(question: &str) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
