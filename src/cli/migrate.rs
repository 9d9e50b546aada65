//! `mainstay migrate …`: what `migrate` does, shown to people and programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use postgres::Client;

use super::{
    Arguments, Failure, Result, configuration, confirm, print, print_json, say, with_database, with_database_made,
};
use crate::config::{Address, Config, show_duration};
use crate::db::Dialer;
use crate::error;
use crate::migrate::{self, Event, Finding, Loss, Migrations, Options, Outcome, Source, State, Target};

/// Where migrations of mainstay itself are made, beside its source.
const OWN_FOLDER: &str = "sql/migrations";

/// A connection without the limits of a request: a migration takes as long as it takes.
pub(super) fn connect(config: &Config, address: &Address) -> error::Result<Client> {
    let options = [("timezone", "UTC".to_owned()), ("statement_timeout", "0".to_owned())];
    Dialer::new(address, "mainstay/migrate", &options, config.duration("DB_CONNECT_TIMEOUT"))?.dial_unguarded()
}

/// Reads the files, connects, and does something with both.
fn with_client<T>(
    arguments: &Arguments,
    act: impl FnOnce(&mut Client, &Migrations, &Config, &Address) -> Result<T>,
) -> Result<T> {
    let config = configuration(arguments)?;
    let migrations = Source::configured(&config).read()?;
    with_database(&config, |address| act(&mut connect(&config, address)?, &migrations, &config, address))
}

/// A line for each thing that happens.
pub fn report(event: Event) {
    let who = |holders: Vec<migrate::Session>| holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match event {
        Event::Warning(warning) => say(&format!("warning: {warning}")),
        Event::Waiting { holders } => say(&format!("waiting for another migrator: {}", who(holders))),
        Event::Starting { .. } => {}
        Event::Retrying { file, attempt, pause, reason, holders } => say(&format!(
            "{file}: {reason} (attempt {attempt}), held by {}; trying again in {}",
            who(holders),
            show_duration(pause)
        )),
        Event::DroppedInvalidIndex { file, index } => {
            say(&format!("{file}: dropped the INVALID index {index} of an earlier attempt"));
        }
        Event::Applied { file, execution_ms, .. } => say(&format!("applied {file} ({execution_ms} ms)")),
        Event::RolledBack { file, execution_ms, .. } => say(&format!("rolled back {file} ({execution_ms} ms)")),
    }
}

fn version(text: &str) -> Result<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| Failure::Usage(format!("{text:?} is not a version: it is a number, as 3 or 003")))
}

fn usage(problem: &str) -> Failure {
    Failure::Usage(problem.to_owned())
}

fn options(arguments: &Arguments) -> Result<Options> {
    Ok(Options { to: arguments.value("to").map(version).transpose()?, ..Options::default() })
}

pub(super) fn apply(arguments: &Arguments) -> Result<ExitCode> {
    let options = options(arguments)?;
    let config = configuration(arguments)?;
    let migrations = Source::configured(&config).read()?;
    with_database_made(&config, |address| {
        let (client, migrations) = (&mut connect(&config, address)?, &migrations);
        if arguments.has("dry-run") {
            return dry_run(client, migrations, &options, arguments.has("json"));
        }
        let outcome = migrate::migrate(client, migrations, &options, &mut report)?;
        finish(arguments, &outcome, "nothing to apply")
    })
}

fn finish(arguments: &Arguments, outcome: &Outcome, nothing: &str) -> Result<ExitCode> {
    if arguments.has("json") {
        return print_json(outcome);
    }
    let at = outcome.version.map_or("no version".to_owned(), |version| format!("version {version}"));
    let nothing = if outcome.versions.is_empty() { format!("{nothing}; ") } else { String::new() };
    Ok(print(&format!("{nothing}the database is at {at}\n")))
}

fn dry_run(client: &mut Client, migrations: &Migrations, options: &Options, is_json: bool) -> Result<ExitCode> {
    let previews = migrate::dry_run(client, migrations, options)?;
    if is_json {
        return print_json(&previews);
    }
    let mut text = String::new();
    for preview in &previews {
        text += &format!("-- {}\n{}\n", preview.file, preview.sql.trim_end());
        text += &show_findings(&preview.findings);
    }
    if previews.is_empty() {
        text += "nothing to apply\n";
    }
    Ok(print(&text))
}

pub(super) fn status(arguments: &Arguments) -> Result<ExitCode> {
    with_client(arguments, |client, migrations, _, _| {
        let status = migrate::status(client, migrations)?;
        if arguments.has("json") {
            print_json(&status)?;
        } else {
            for warning in &status.warnings {
                say(&format!("warning: {warning}"));
            }
            let mut text = format!("{:<8} {:<32} {:<8} {:<26} {:>8}\n", "version", "name", "state", "applied", "ms");
            for row in &status.rows {
                let state = match row.state {
                    State::Applied => "applied",
                    State::Pending => "pending",
                    State::Changed => "changed",
                    State::Unknown => "unknown",
                };
                let (when, took) = (row.applied_at.as_deref().unwrap_or("-"), row.execution_ms);
                let took = took.map_or("-".to_owned(), |took| took.to_string());
                text += &format!("{:<8} {:<32} {state:<8} {when:<26} {took:>8}\n", row.number, row.name);
            }
            for problem in &status.problems {
                text += &format!("{problem}\n");
            }
            print(&text);
        }
        Ok(match arguments.has("exit-code") {
            true => ExitCode::from(status.standing.exit_code()),
            false => ExitCode::SUCCESS,
        })
    })
}

pub(super) fn create(arguments: &Arguments) -> Result<ExitCode> {
    let config = configuration(arguments)?;
    let folder = config.path("DB_MIGRATE_PATH").map_or(PathBuf::from(OWN_FOLDER), Path::to_owned);
    let created = migrate::create(&folder, arguments.positional(0))?;
    if arguments.has("json") {
        return print_json(&created);
    }
    Ok(print(&format!("{}\n{}\n", created.migration.display(), created.rollback.display())))
}

pub(super) fn rollback(arguments: &Arguments) -> Result<ExitCode> {
    let target = match (arguments.value("steps"), arguments.value("to")) {
        (Some(_), Some(_)) => return Err(usage("--steps and --to are two ways to say how far: give one")),
        (None, Some(to)) => Target::To(version(to)?),
        (steps, None) => match steps.unwrap_or("1").parse() {
            Ok(steps) if steps > 0 => Target::Steps(steps),
            _ => return Err(usage("--steps must be a number from 1")),
        },
    };
    with_client(arguments, |client, migrations, config, _| {
        if !arguments.has("yes") {
            confirm_losses(config, &migrate::losses(client, migrations, target)?)?;
        }
        let outcome = migrate::rollback(client, migrations, target, &Options::default(), &mut report)?;
        finish(arguments, &outcome, "nothing to roll back")
    })
}

/// Tells what would be gone, and lets a person say whether it may. Where nothing would be, nobody is asked.
fn confirm_losses(config: &Config, losses: &[Loss]) -> Result<()> {
    for Loss { table, rows } in losses {
        let more = if *rows < migrate::ROWS_COUNTED { "" } else { " or more" };
        say(&format!("{table} would lose what is in {rows}{more} rows"));
    }
    if config.is_production() {
        let problem = "APP_ENV is production: nothing was undone. Make a backup, and say --yes";
        return Err(Failure::Refused(problem.to_owned()));
    }
    if !losses.is_empty() && !confirm("Undo it all the same?") {
        return Err(Failure::Refused("nothing was undone; --yes undoes without asking".to_owned()));
    }
    Ok(())
}

pub(super) fn verify(arguments: &Arguments) -> Result<ExitCode> {
    with_client(arguments, |client, migrations, config, address| {
        let mut open = |name: &str| connect(config, &address.with_name(name));
        let found = migrate::verify(client, migrations, &mut open)?;
        if arguments.has("json") {
            print_json(&found)?;
        } else {
            let mut text = String::new();
            let lines = found.problems.iter().map(ToString::to_string);
            for line in lines.chain(found.drift.iter().map(ToString::to_string)) {
                text += &format!("{line}\n");
            }
            for gap in &found.gaps {
                text += &format!("note: there is no migration {gap}\n");
            }
            for version in &found.without_rollback {
                text += &format!("note: migration {version} has no way back\n");
            }
            if found.is_good() {
                text += "files, history and database agree\n";
            }
            print(&text);
        }
        Ok(if found.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

pub(super) fn repair(arguments: &Arguments) -> Result<ExitCode> {
    let version = version(arguments.positional(0))?;
    let reason = arguments.value("reason").unwrap_or_default();
    if reason.trim().is_empty() {
        return Err(usage("--reason must say why the change is right: it is recorded"));
    }
    with_client(arguments, |client, migrations, _, _| {
        let repair = migrate::repair(client, migrations, version, reason, &Options::default(), &mut report)?;
        if arguments.has("json") {
            return print_json(&repair);
        }
        Ok(print(&format!(
            "{}: {} is accepted instead of {}, by {}, because: {}\n",
            repair.file, repair.checksum_after, repair.checksum_before, repair.by, repair.reason
        )))
    })
}

pub(super) fn baseline(arguments: &Arguments) -> Result<ExitCode> {
    let version = version(arguments.positional(0))?;
    with_client(arguments, |client, migrations, _, _| {
        let baseline = migrate::baseline(client, migrations, version, &Options::default(), &mut report)?;
        if arguments.has("json") {
            return print_json(&baseline);
        }
        Ok(print(&format!(
            "{} migrations count as applied; the database is at version {version}\n",
            baseline.versions.len()
        )))
    })
}

pub(super) fn lint(arguments: &Arguments) -> Result<ExitCode> {
    let findings = migrate::lint(&Source::configured(&configuration(arguments)?).read()?);
    if arguments.has("json") {
        print_json(&findings)?;
    } else if findings.is_empty() {
        print("nothing found\n");
    } else {
        print(&show_findings(&findings));
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show_findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding { file, line, column, rule, message, help } = finding;
        text += &format!("{file}:{line}:{column}: {rule}: {message}\n");
        if let Some(help) = help {
            text += &format!("  {help}\n");
        }
    }
    text
}
