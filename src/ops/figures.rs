//! What the endpoints of health and of the database show, as fields.

use super::judge::State;
use crate::db::Which;
use crate::fields::{Field, boolean, choice, integer, json, list, number, record, records, text, timestamp};

pub(super) fn status(words: &[&'static str]) -> Field {
    choice("status", words).never_null().help("In a word.")
}

pub(super) fn reason() -> Field {
    text("reason").never_null().help("What is wrong.")
}

const WORDS: [&str; 2] = [State::WORDS[0], State::WORDS[2]];

pub(super) fn health_fields() -> Vec<Field> {
    vec![
        status(&State::WORDS),
        timestamp("timestamp").never_null().help("Now."),
        text("uptime").never_null().help("How long the process runs: 1h30m."),
        text("version").never_null().help("The version of mainstay."),
        services(&["database", "disk", "memory", "partitions"]),
    ]
}

/// How each of these is.
fn services(names: &[&'static str]) -> Field {
    let service = |name: &&'static str| choice(*name, &State::WORDS).never_null();
    record("services", names.iter().map(service).collect())
        .never_null()
        .help("What it depends on: degraded is what will fail if nobody does anything.")
}

pub(super) fn database_fields() -> Vec<Field> {
    let database = vec![
        choice("connectivity", &WORDS).never_null().help("Whether the database answers."),
        reason().sometimes(),
        record("pool_stats", pool_fields()).never_null().help("All pools together."),
        pools(),
        list("held_for_long", text(""), usize::MAX)
            .never_null()
            .sometimes()
            .help("Connections that somebody has held for more than 10 seconds, and who."),
    ];
    vec![
        status(&WORDS),
        timestamp("timestamp").never_null().help("Now."),
        record("database", database).never_null().help("The database."),
    ]
}

/// What `PoolStats` shows.
fn pool_fields() -> Vec<Field> {
    let count = |name: &'static str, help: &'static str| integer(name).never_null().help(help);
    vec![
        count("max_open_connections", "Connections that it may open."),
        count("open_connections", "Connections that are open."),
        count("in_use", "Of these, in use."),
        count("idle", "Of these, idle."),
        count("wait_count", "How often somebody had to wait for one because all were in use."),
        text("wait_duration").never_null().help("How long that took together: 1h30m."),
        count("max_idle_closed", "Closed because enough were idle."),
        count("max_idle_time_closed", "Closed because they were idle for too long."),
        count("max_lifetime_closed", "Closed because they were too old."),
        count("waiting", "Who waits now."),
    ]
}

fn pools() -> Field {
    let pool = |which: &Which| record(which.name(), pool_fields()).never_null();
    record("pools", Which::ALL.iter().map(pool).collect()).never_null().help("Each pool.")
}

fn now() -> Field {
    timestamp("timestamp").never_null().help("Now.")
}

fn count(name: &'static str, help: &'static str) -> Field {
    integer(name).never_null().help(help)
}

/// What the database says of itself: `sql/ops/health/database.sql`, but for the migrations.
fn facts() -> Vec<Field> {
    vec![
        text("version").never_null().help("PostgreSQL's version."),
        count("size_bytes", "Bytes of the database on disk."),
        timestamp("started_at").never_null().help("When PostgreSQL was started."),
        boolean("is_replica").never_null().help("Whether it only follows another server."),
        count("connections_max", "Connections that PostgreSQL takes."),
        count("connections", "Connections that it has, its own included."),
        number("oldest_transaction_seconds").never_null().help("How long the oldest transaction has been going on."),
        count("commits", "Transactions that were kept."),
        count("rollbacks", "Transactions that were not."),
        count("deadlocks", "Transactions that stood in each other's way."),
        count("temp_bytes", "Bytes that queries put aside on disk."),
        number("cache_hit_ratio").help("How many of the blocks that were read were in memory: 0 to 1."),
    ]
}

fn facts_with_migrations() -> Vec<Field> {
    let migrations = [
        count("migrations_applied", "Migrations that are applied."),
        integer("migrations_version").help("The newest of them."),
    ];
    facts().into_iter().chain(migrations).collect()
}

/// A job, as `sql/ops/jobs/select.sql` has it.
fn job() -> Vec<Field> {
    vec![
        text("name").never_null().help("What it is called."),
        boolean("enabled").never_null().help("Whether it runs at all."),
        timestamp("next_run_at").never_null().help("When it runs next."),
        timestamp("lease_until").help("Until when somebody has it."),
        text("lease_holder").help("Who has it."),
        timestamp("last_run_at").help("When it ran last."),
        choice("last_status", &["SUCCEEDED", "FAILED"]).help("How that went."),
        integer("last_duration_ms").unit("ms").help("How long it took."),
        json("last_result").help("What came of it."),
        text("last_error").help("What went wrong."),
    ]
}

/// `/health/detailed`: of a database that does not answer there is an error and nothing else.
pub(super) fn detailed() -> Vec<Field> {
    let disk = vec![
        text("path").never_null().help("The folder of mainstay's own files."),
        count("free_bytes", "Bytes that are free on its disk."),
        count("total_bytes", "Bytes that the disk has."),
    ];
    vec![
        status(&State::WORDS),
        now(),
        text("uptime").never_null().help("How long the process runs: 1h30m."),
        text("version").never_null().help("The version of mainstay."),
        services(&["database", "migrations", "disk", "memory", "partitions", "jobs"]),
        list("findings", text(""), usize::MAX).never_null().help("What is not well, in words."),
        record("database", or_error(facts_with_migrations())).never_null().help("What the database says of itself."),
        pools(),
        record("migrations", vec![count("pending", "Migrations that are not applied.")]).never_null(),
        record("disk", disk).never_null().help("Where the data are."),
        record("memory", vec![count("available_bytes", "Bytes that the system could give.")]).never_null(),
        records("jobs", job(), usize::MAX).never_null().help("Background work."),
    ]
}

/// What the database says, or why it does not.
fn or_error(facts: Vec<Field>) -> Vec<Field> {
    let error = text("error").never_null().sometimes().help("Why it does not answer.");
    facts.into_iter().map(Field::sometimes).chain([error]).collect()
}

/// `/api/database/status`
pub(super) fn database_status() -> Vec<Field> {
    let migrations = vec![
        integer("applied").help("Migrations that are applied, as far as that is known."),
        integer("version").help("The newest of them."),
        count("pending", "Migrations that are not applied."),
    ];
    vec![
        status(&["connected", "disconnected"]),
        now(),
        record("database", or_error(facts())).never_null().help("What the database says of itself."),
        record("migrations", migrations).never_null().help("How far it has come."),
        pools(),
    ]
}

/// `/api/database/health`
pub(super) fn pools_health() -> Vec<Field> {
    let pool = |which: &Which| {
        let fields = vec![
            status(&WORDS),
            number("response_time_ms").never_null().unit("ms").help("How long the database took to answer."),
            text("error").never_null().sometimes().help("Why it did not."),
        ];
        record(which.name(), fields).never_null()
    };
    let pools = record("pools", Which::ALL.iter().map(pool).collect()).never_null();
    vec![status(&WORDS), now(), pools.help("Whether each reaches the database.")]
}

/// `/api/database/metrics`
pub(super) fn database_metrics() -> Vec<Field> {
    let statement = vec![
        text("statement").never_null().help("The file that it stands in."),
        count("count", "How often it ran."),
        number("mean_ms").never_null().unit("ms").help("How long it took on average."),
    ];
    vec![
        now(),
        record("database", or_error(facts_with_migrations())).never_null().help("What the database says of itself."),
        pools(),
        records("statements", statement, usize::MAX).never_null().help("How long statements take."),
    ]
}
