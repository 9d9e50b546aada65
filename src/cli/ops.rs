//! `mainstay doctor` and `mainstay jobs`.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::identity::{show, with_session};
use super::migrate::connect;
use super::{Arguments, Failure, Result, configuration, print, print_json, with_database};
use crate::config::{Config, show_duration};
use crate::db::Statements;
use crate::migrate::Source;
use crate::ops::doctor::{self, Finding, State};
use crate::sql;

/// Whatever is wrong, `doctor --quick` has answered after five seconds: so long the database may take.
const QUICK_MAX: Duration = Duration::from_secs(4);

pub(super) fn examine(arguments: &Arguments) -> Result<ExitCode> {
    let config = configuration(arguments)?;
    let mut findings = doctor::examine_machine(&config);
    let is_quick = arguments.has("quick");
    let (send, receive) = mpsc::channel();
    let asked = config.clone();
    // Nobody hears of it if it comes too late.
    thread::spawn(move || drop(send.send(examine_database(&asked, is_quick))));
    let answer = if is_quick { receive.recv_timeout(QUICK_MAX).ok() } else { receive.recv().ok() };
    findings.extend(answer.unwrap_or_else(|| {
        vec![not_there(format!("the database did not answer within {}", show_duration(QUICK_MAX)))]
    }));
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Good);
    if arguments.has("json") {
        print_json(&findings)?;
    } else {
        print(&table(&findings));
    }
    Ok(match worst {
        State::Good | State::Warning => ExitCode::SUCCESS,
        State::Failure => ExitCode::FAILURE,
    })
}

fn examine_database(config: &Config, is_quick: bool) -> Vec<Finding> {
    let examined = with_database(config, |address| {
        let migrations = Source::configured(config).read()?;
        let mut scratch = |name: &str| connect(config, &address.with_name(name));
        let scratch: Option<&mut doctor::Connect<'_>> = if is_quick { None } else { Some(&mut scratch) };
        Ok(doctor::examine_database(config, &mut connect(config, address)?, &migrations, scratch))
    });
    examined.unwrap_or_else(|failure| vec![not_there(failure.to_string())])
}

fn not_there(found: String) -> Finding {
    let advice = "start it, or correct DATABASE_URL; etc/DATABASE.md lists errors and what to do".to_owned();
    Finding { what: "database", state: State::Failure, found, advice }
}

fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.state {
            State::Good => "ok",
            State::Warning => "look",
            State::Failure => "WRONG",
        };
        let _ = writeln!(text, "{mark:<6} {:<14} {}", finding.what, finding.found);
        if !finding.advice.is_empty() {
            let _ = writeln!(text, "{:<21} -> {}", "", finding.advice);
        }
    }
    text
}

const JOBS: &[(&str, usize)] = &[
    ("name", 24),
    ("last_status", 11),
    ("last_run_at", 32),
    ("last_duration_ms", 16),
    ("next_run_at", 32),
    ("last_error", 20),
];

pub(super) fn list_jobs(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |_, session, _| {
        let jobs: Vec<Value> = session.json(&sql!("ops/jobs/select"), &[])?;
        show(arguments, &jobs, JOBS)
    })
}

pub(super) fn hurry_job(arguments: &Arguments) -> Result<ExitCode> {
    with_session(arguments, |_, session, _| {
        let name = arguments.positional(0);
        match session.maybe(&sql!("ops/jobs/hurry"), &[&name])? {
            Some(_) => Ok(print(&format!("{name} is due now; a server that runs does it within half a minute\n"))),
            None => {
                Err(Failure::Refused(format!("there is no job {name}; `mainstay jobs` shows all that have ever run")))
            }
        }
    })
}
