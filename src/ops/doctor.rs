//! What `mainstay doctor` looks at: everything that has to be right before and while one serves, and what to do if it is not.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use postgres::Client;
use serde::Serialize;

pub use super::judge::State;
use super::judge::{self, Judgement};
use crate::config::{Address, Config, Security};
use crate::error::{Code, Error, Result};
use crate::migrate::{self, Migrations, Partitioned, VERSION_MIN};
use crate::sql;

const CLOCK_SECONDS_MAX: f64 = 2.0;

/// What was looked at, and what to do.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub what: &'static str,
    pub state: State,
    pub found: String,
    /// Empty if there is nothing to do.
    pub advice: String,
}

fn finding(what: &'static str, is_good: bool, otherwise: State, found: impl Into<String>, advice: &str) -> Finding {
    let state = if is_good { State::Good } else { otherwise };
    Finding { what, state, found: found.into(), advice: if is_good { String::new() } else { advice.to_owned() } }
}

fn judged(what: &'static str, Judgement { state, found }: Judgement, advice: &str) -> Finding {
    finding(what, state == State::Good, state, found, advice)
}

use State::{Failure, Warning};

/// What connects to another database of the server.
pub type Connect<'a> = dyn FnMut(&str) -> Result<Client> + 'a;

/// Looks at what can be seen without the database.
pub fn examine_machine(config: &Config) -> Vec<Finding> {
    let warnings = config.warnings.join("; ");
    let others = config.others.as_deref().unwrap_or("all settings are known");
    let found = if warnings.is_empty() { others } else { &warnings };
    let mut findings =
        vec![finding("configuration", warnings.is_empty(), Warning, found, "correct the names, or remove them")];
    if config.is_production() {
        let missing = config.missing();
        let found = match missing.is_empty() {
            true => "JWT_SECRET and ENCRYPTION_KEY are set".to_owned(),
            false => format!("{} is not set", missing.join(" and ")),
        };
        let advice = "set it, as `openssl rand -hex 32` prints one; each has its own";
        findings.push(finding("secrets", missing.is_empty(), Failure, &found, advice));
        // One of mainstay's own is on this machine; what is wrong with an address is told where it is used.
        let address = Address::primary(config).ok().flatten();
        let is_safe = address.is_none_or(|address| address.is_local() || address.security == Security::VerifyName);
        let found =
            if is_safe { "nobody can pose as the database" } else { "the database's certificate is not checked" };
        findings.push(finding(
            "encryption",
            is_safe,
            Warning,
            found,
            "set DB_SSL_MODE=verify-full and DB_SSL_ROOT_CERT",
        ));
    }
    let data = config.path("MAINSTAY_DATA").unwrap_or(Path::new("var"));
    let advice = "make room: 1 GiB or more, and a tenth of the disk, should be free";
    findings.push(judged("disk", judge::disk(data, false), advice));
    findings.push(judged("memory", judge::memory(), "stop something else, or add memory"));
    findings
}

/// Looks at the server and the database.
pub fn examine_database(
    config: &Config,
    client: &mut Client,
    migrations: &Migrations,
    connect: Option<&mut Connect<'_>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What was found before something could not be looked at is told all the same.
    if let Err(error) = server(config, client, &mut findings) {
        findings.push(not_examined("server", &error));
    }
    if let Err(error) = schema(client, migrations, connect, &mut findings) {
        findings.push(not_examined("schema", &error));
    }
    findings
}

fn not_examined(what: &'static str, error: &Error) -> Finding {
    finding(what, false, Failure, error.to_string(), "what else there is to see of it could not be looked at")
}

fn server(config: &Config, client: &mut Client, findings: &mut Vec<Finding>) -> Result<()> {
    let row = client.query_one(sql!("ops/doctor/server").text, &[])?;
    let version: i32 = row.get("version");
    let found = format!("PostgreSQL {}.{}", version / 10_000, version % 10_000);
    findings.push(finding("server", version >= VERSION_MIN, Failure, found, "use PostgreSQL 13 or newer"));
    let is_durable: bool = row.get("is_durable");
    let found = if is_durable { "what is committed survives a crash" } else { "fsync or full_page_writes is off" };
    findings.push(finding("durability", is_durable, Failure, found, "switch them on in postgresql.conf"));
    let here = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    let apart = (row.get::<_, f64>("clock") - here).abs();
    let found = format!("{apart:.1} s between here and the database");
    findings.push(finding("clock", apart <= CLOCK_SECONDS_MAX, Warning, found, "set both clocks by NTP"));
    findings.push(connections(config, &row));
    let (users, readers): (bool, bool) = (row.get("has_users_role"), row.get("has_readers_role"));
    let found = if users && readers { "the roles are there" } else { "a role is missing, or may not be taken on" };
    let advice = "`mainstay migrate` makes them; without the right to, an administrator runs GRANT authenticated_users, \
        mainstay_readonly TO this user (from PostgreSQL 16 on WITH SET TRUE)";
    findings.push(finding("roles", users && readers, Failure, found, advice));
    let may_create: bool = row.get("may_create");
    let found = if may_create { "may create schemas" } else { "may not create schemas in this database" };
    findings.push(finding("permissions", may_create, Failure, found, "make this user the owner of the database"));
    let invalid: Vec<String> = row.get("invalid_indexes");
    let found =
        if invalid.is_empty() { "all are valid".to_owned() } else { format!("INVALID: {}", invalid.join(", ")) };
    findings.push(finding("indexes", invalid.is_empty(), Failure, found, "REINDEX INDEX CONCURRENTLY each of them"));
    Ok(())
}

/// Whether all pools find their connections, beside those who are there already.
fn connections(config: &Config, row: &postgres::Row) -> Finding {
    let pools = ["DB_POOL_MAX", "DB_POOL_READONLY_MAX", "DB_POOL_PRIORITY_MAX", "DB_POOL_BACKGROUND_MAX"];
    // And one that listens.
    let wanted = pools.iter().map(|name| config.integer(name)).sum::<u32>() + 1;
    let allowed: i32 = row.get("connections");
    let used: i64 = row.get("connections_used");
    let found = format!("the pools want {wanted} of {allowed} connections; {used} are in use");
    let advice = "make the pools smaller, or raise max_connections";
    finding("connections", i64::from(wanted) <= i64::from(allowed), Failure, found, advice)
}

fn schema(
    client: &mut Client,
    migrations: &Migrations,
    connect: Option<&mut Connect<'_>>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let status = migrate::status(client, migrations)?;
    let is_current = status.pending == 0 && status.problems.is_empty();
    let found = match status.problems.first() {
        Some(problem) => problem.to_string(),
        None => format!("{} pending, at version {}", status.pending, status.version.unwrap_or(-1)),
    };
    findings.push(finding(
        "migrations",
        is_current,
        Failure,
        found,
        "`mainstay migrate status` shows all, and `mainstay migrate` applies them",
    ));
    if !is_current {
        return Ok(());
    }
    if let Some(connect) = connect {
        findings.push(drift(client, migrations, connect)?);
    }
    let rows = client.query(Partitioned::ALL.text, &[])?;
    let tables: Vec<Partitioned> = rows.iter().map(Partitioned::of).collect();
    let advice = "a job of a running server makes them: `mainstay jobs` shows how it went";
    findings.push(judged("partitions", judge::partitions(&tables), advice));
    let row = client.query_one(sql!("ops/doctor/service").text, &[])?;
    let has_admin: bool = row.get("has_admin");
    let found = if has_admin { "there is an administrator" } else { "there is no active administrator" };
    findings.push(finding("users", has_admin, Warning, found, "`mainstay user create EMAIL --admin`"));
    let unsteady: Vec<String> = row.get("future_jobs");
    let is_steady = unsteady.is_empty();
    let found = match is_steady {
        true => "no job has run in the future".to_owned(),
        false => format!("the database's clock was changed: by it {} ran, or run, in the future", unsteady.join(", ")),
    };
    let advice =
        "set the clock by NTP; jobs go on, but no partition is dropped until the clock has been steady for a day";
    findings.push(finding("clock of jobs", is_steady, Warning, found, advice));
    for (column, state) in [("failing_jobs", "failed last time"), ("overdue_jobs", "have not run for an hour")] {
        let names: Vec<String> = row.get(column);
        if !names.is_empty() {
            let found = format!("{} {state}", names.join(", "));
            findings.push(finding(
                "jobs",
                false,
                Warning,
                found,
                "`mainstay jobs` shows why; a server must be running",
            ));
        }
    }
    Ok(())
}

/// Whether the schema is what the migrations make. Where this role may not make a database to compare with, that is not known.
fn drift(client: &mut Client, migrations: &Migrations, connect: &mut Connect<'_>) -> Result<Finding> {
    let drift = match migrate::verify(client, migrations, connect) {
        Ok(found) => found.drift,
        Err(error) if error.code == Code::InsufficientPermissions => {
            return Ok(finding(
                "schema",
                false,
                Warning,
                error.to_string(),
                "`mainstay doctor --quick` does without it",
            ));
        }
        Err(error) => return Err(error),
    };
    let found = match &drift[..] {
        [] => "as the migrations make it".to_owned(),
        [first, ..] => format!("{} differences, the first: {first}", drift.len()),
    };
    Ok(finding("schema", drift.is_empty(), Failure, found, "`mainstay migrate verify` names all of them"))
}
