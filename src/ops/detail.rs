//! Health in detail, and what the database says of itself.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::health::{now, word, words, worst};
use super::judge::{Judgement, Space, State, memory_available};
use super::{Health, figures};
use crate::db::Which;
use crate::error::{Error, Result};
use crate::http::{Access, Call, Endpoint, Limit, Output, Reply, get};
use crate::sql;

pub(super) fn endpoints(health: &Arc<Health>, access: Access) -> Vec<Endpoint> {
    let on = |path: &str, summary: &str, act: fn(&Health, &mut Call<'_, '_>) -> Result<Reply>| {
        let health = health.clone();
        get(path, access, move |call| act(&health, call)).summary(summary).pool(Which::Priority).limit(Limit::None)
    };
    let metrics_fields = || Output::Object(figures::database_metrics());
    vec![
        on("/health/detailed", "How everything is that the server needs", detailed)
            .answers(200, Output::Object(figures::detailed()))
            .named("", "DetailedHealth")
            .also(503, Output::Object(figures::detailed())),
        on("/api/database/status", "The database and its migrations", status)
            .answers(200, Output::Object(figures::database_status()))
            .named("", "DatabaseStatus")
            .also(503, Output::Object(figures::database_status())),
        on("/api/database/health", "Whether each pool reaches the database", pools)
            .answers(200, Output::Object(figures::pools_health()))
            .named("", "PoolsHealth")
            .also(503, Output::Object(figures::pools_health())),
        on("/api/database/metrics", "The database's figures", metrics)
            .answers(200, metrics_fields())
            .named("", "DatabaseMetrics")
            .also(503, metrics_fields()),
        on("/api/v1/metrics/database", "The database's figures", metrics)
            .answers(200, metrics_fields())
            .named("", "DatabaseMetrics")
            .also(503, metrics_fields()),
    ]
}

/// What the database says of itself. It is not asked where it is known not to answer.
fn facts(health: &Health, call: &mut Call<'_, '_>) -> Result<Value> {
    health.check().map_err(Error::database_unavailable)?;
    let rows = call.read(|statements| statements.json(&sql!("ops/health/database"), &[]))?;
    Ok(rows.into_iter().next().unwrap_or_default())
}

fn jobs(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    call.read(|statements| statements.json(&sql!("ops/jobs/select"), &[]))
}

fn detailed(health: &Health, call: &mut Call<'_, '_>) -> Result<Reply> {
    // What cannot be asked is a finding, not a failure.
    let facts = facts(health, call);
    let jobs = if facts.is_ok() { jobs(call) } else { Ok(Vec::new()) };
    let space = Space::of(health.data()).unwrap_or_default();
    let is_failing = |job: &&Value| job["last_status"] == "FAILED";
    let failing = jobs.as_ref().map_or(0, |jobs| jobs.iter().filter(is_failing).count());
    let asked = |name, state, found: String| (name, Judgement { state, found });
    let pending = health.pending_migrations();
    let error = facts.as_ref().err().or(jobs.as_ref().err()).map(ToString::to_string).unwrap_or_default();
    let [disk, memory, partitions] = health.judge();
    let judged = [
        asked("database", State::of(error.is_empty(), State::Failure), error),
        asked("migrations", State::of(pending == 0, State::Failure), format!("{pending} are pending")),
        disk,
        memory,
        partitions,
        asked("jobs", State::of(failing == 0, State::Warning), format!("{failing} failed last time")),
    ];
    let services = judged.each_ref().map(|(name, judgement)| (*name, judgement.state));
    let found = judged.iter().filter(|(_, it)| it.state != State::Good);
    let body = json!({
        "status": worst(&services).word(),
        "timestamp": now(),
        "uptime": health.uptime_in_words(),
        "version": env!("CARGO_PKG_VERSION"),
        "services": words(&services),
        "findings": found.map(|(name, it)| format!("{name}: {}", it.found)).collect::<Vec<_>>(),
        "database": facts.unwrap_or_else(|error| json!({ "error": error.to_string() })),
        "pools": call.service.database().stats().pools,
        "migrations": { "pending": health.pending_migrations() },
        "disk": { "path": health.data(), "free_bytes": space.free, "total_bytes": space.total },
        "memory": { "available_bytes": memory_available().unwrap_or_default() },
        "jobs": jobs.unwrap_or_default(),
    });
    Ok(Reply::value(if services[0].1 == State::Good { 200 } else { 503 }, &body))
}

fn status(health: &Health, call: &mut Call<'_, '_>) -> Result<Reply> {
    let facts = facts(health, call);
    let is_connected = facts.is_ok();
    let mut facts = facts.unwrap_or_else(|error| json!({ "error": error.to_string() }));
    let migrations = json!({
        "applied": facts["migrations_applied"].take(),
        "version": facts["migrations_version"].take(),
        "pending": health.pending_migrations(),
    });
    if let Some(facts) = facts.as_object_mut() {
        facts.retain(|name, _| !name.starts_with("migrations_"));
    }
    let body = json!({
        "status": if is_connected { "connected" } else { "disconnected" },
        "timestamp": now(),
        "database": facts,
        "migrations": migrations,
        "pools": call.service.database().stats().pools,
    });
    Ok(Reply::value(if is_connected { 200 } else { 503 }, &body))
}

/// Asks by every pool, because each may have its own trouble.
fn pools(_: &Health, call: &mut Call<'_, '_>) -> Result<Reply> {
    let database = call.service.database();
    let mut pools = Map::new();
    let mut is_well = true;
    let purpose = crate::db::Purpose { what: "health check", request: Some(call.request_id) };
    let ask = |which: Which| {
        let start = Instant::now();
        (which, database.ask(which, purpose), start.elapsed())
    };
    // All at once: one that does not answer takes its time.
    let answers = thread::scope(|scope| {
        let threads = Which::ALL.map(|which| scope.spawn(move || ask(which)));
        threads.map(|thread| thread.join().ok())
    });
    for (which, answer, took) in answers.into_iter().flatten() {
        is_well &= answer.is_ok();
        let mut pool = json!({ "status": word(answer.is_ok()), "response_time_ms": took.as_secs_f64() * 1000.0 });
        if let Err(error) = answer {
            pool["error"] = json!(error.to_string());
        }
        pools.insert(which.name().to_owned(), pool);
    }
    let body = json!({ "status": word(is_well), "timestamp": now(), "pools": pools });
    Ok(Reply::value(if is_well { 200 } else { 503 }, &body))
}

fn metrics(health: &Health, call: &mut Call<'_, '_>) -> Result<Reply> {
    let facts = facts(health, call);
    let status = if facts.is_ok() { 200 } else { 503 };
    let facts = facts.unwrap_or_else(|error| json!({ "error": error.to_string() }));
    let database = call.service.database();
    let statements: Vec<Value> = database
        .statements()
        .snapshot()
        .into_iter()
        .map(|(name, times)| {
            let mean = times.sum_seconds * 1000.0 / times.count.max(1) as f64;
            json!({ "statement": name, "count": times.count, "mean_ms": mean })
        })
        .collect();
    let body = json!({
        "timestamp": now(),
        "database": facts,
        "pools": database.stats().pools,
        "statements": statements,
    });
    Ok(Reply::value(status, &body))
}
