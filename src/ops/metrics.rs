//! `GET /metrics`: everything that is counted, as Prometheus reads it. The database is not touched.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use super::Health;
use super::judge::Space;
use crate::db::{Database, PoolStats, Which};
use crate::http::{Access, Endpoint, Limit, Output, Reply, get};
use crate::jobs::Jobs;
use crate::metrics::{Family, Text};
use crate::telemetry::Recorder;

const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What Prometheus asks for first.
const OPEN: &str = "application/openmetrics-text";
const OPEN_KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes what a domain has counted.
pub type Writer = Box<dyn Fn(&mut Text) + Send + Sync>;

/// What others have counted, beside requests and the database.
pub struct Counts {
    pub jobs: Arc<Jobs>,
    pub recorder: Option<Arc<Recorder>>,
    /// What other domains write.
    pub others: Vec<Writer>,
}

pub(super) fn endpoint(health: &Arc<Health>, counts: Counts, access: Access) -> Endpoint {
    let health = health.clone();
    get("/metrics", access, move |call| {
        let is_open = call.header("Accept").is_some_and(|accepted| accepted.contains(OPEN));
        let mut text = Text::new(is_open);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        text.family("mainstay_info", Family::Gauge, "The version of the server.");
        text.sample("mainstay_info", &version, 1.0);
        let is_ready = f64::from(health.is_ready());
        text.one("mainstay_ready", Family::Gauge, "Whether the server may get traffic, as it was seen last.", is_ready);
        call.service.traffic().write(&mut text);
        pools(call.service.database(), &mut text);
        statements(call.service.database(), &mut text);
        counts.jobs.write(&mut text);
        if let Some(recorder) = &counts.recorder {
            recorder.write(&mut text);
        }
        for write in &counts.others {
            write(&mut text);
        }
        measured(&health, call.service.database().statements().is_disk_full(), &mut text);
        process(&mut text);
        let kind = if is_open { OPEN_KIND } else { KIND };
        Ok(Reply::text(kind, text.finish()).header("Vary", "Accept"))
    })
    .summary("What is counted, for Prometheus")
    .limit(Limit::None)
    .answers(200, Output::Text(KIND))
}

/// A figure of a pool.
type Figure = (&'static str, Family, &'static str, fn(&PoolStats) -> f64);

const FIGURES: [Figure; 8] = [
    ("mainstay_pool_connections_max", Family::Gauge, "Connections that a pool may open.", |pool| {
        f64::from(pool.max_open_connections)
    }),
    ("mainstay_pool_connections_open", Family::Gauge, "Connections that are open.", |pool| {
        f64::from(pool.open_connections)
    }),
    ("mainstay_pool_connections_in_use", Family::Gauge, "Connections that somebody has.", |pool| {
        f64::from(pool.in_use)
    }),
    ("mainstay_pool_connections_idle", Family::Gauge, "Connections that nobody has.", |pool| f64::from(pool.idle)),
    ("mainstay_pool_waiting", Family::Gauge, "Callers that wait for a connection.", |pool| pool.waiting as f64),
    (
        "mainstay_pool_max_idle_closed_total",
        Family::Counter,
        "Connections closed because too many were idle.",
        |pool| pool.max_idle_closed as f64,
    ),
    (
        "mainstay_pool_max_idle_time_closed_total",
        Family::Counter,
        "Connections closed after being idle for long.",
        |pool| pool.max_idle_time_closed as f64,
    ),
    ("mainstay_pool_max_lifetime_closed_total", Family::Counter, "Connections closed because of their age.", |pool| {
        pool.max_lifetime_closed as f64
    }),
];

fn pools(database: &Database, text: &mut Text) {
    let stats = database.stats();
    for (name, family, help, figure) in FIGURES {
        text.family(name, family, help);
        for (pool, stats) in &stats.pools {
            text.sample(name, &[("pool", pool)], figure(stats));
        }
    }
    let name = "mainstay_pool_wait_seconds";
    text.family(name, Family::Histogram, "How long callers waited for a connection.");
    for which in Which::ALL {
        text.histogram(name, &[("pool", which.name())], &database.pool(which).waits());
    }
}

fn statements(database: &Database, text: &mut Text) {
    let name = "mainstay_statement_duration_seconds";
    text.family(name, Family::Histogram, "How long statements took, by their files.");
    for (statement, times) in database.statements().snapshot() {
        text.histogram(name, &[("statement", &statement)], &times);
    }
}

/// What jobs have measured in the database.
fn measured(health: &Health, is_disk_full: bool, text: &mut Text) {
    if let Some(bytes) = health.database_bytes() {
        text.one("mainstay_database_size_bytes", Family::Gauge, "The size of the database.", bytes as f64);
    }
    let partitions = health.partitions();
    if !partitions.is_empty() {
        let name = "mainstay_partitions_end_timestamp_seconds";
        text.family(name, Family::Gauge, "When the last partition of a table ends; 0 if none is for now.");
        for table in partitions {
            let end = if table.has_today { table.ends_at as f64 } else { 0.0 };
            text.sample(name, &[("table", &table.table)], end);
        }
    }
    if let Some(space) = Space::of(health.data()) {
        text.one("mainstay_disk_free_bytes", Family::Gauge, "Free on the disk of MAINSTAY_DATA.", space.free as f64);
        text.one("mainstay_disk_size_bytes", Family::Gauge, "The disk of MAINSTAY_DATA.", space.total as f64);
    }
    let is_full = f64::from(is_disk_full);
    text.one(
        "mainstay_database_disk_full",
        Family::Gauge,
        "Whether PostgreSQL has said in the last minute that its disk is full.",
        is_full,
    );
    let pending = f64::from(health.pending_migrations());
    text.one("mainstay_migrations_pending", Family::Gauge, "Migrations that are not applied.", pending);
    let uptime = health.uptime().as_secs_f64();
    text.one("mainstay_uptime_seconds", Family::Gauge, "How long the server has run.", uptime);
}

/// The process, by the names that Prometheus' own libraries use.
fn process(text: &mut Text) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<f64>().ok()
    };
    if let Some(kib) = field("VmRSS") {
        text.one("process_resident_memory_bytes", Family::Gauge, "Memory in use.", kib * 1024.0);
    }
    if let Some(threads) = field("Threads") {
        text.one("process_threads", Family::Gauge, "Threads.", threads);
    }
    let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    text.one("process_open_fds", Family::Gauge, "Open files and connections.", files as f64);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    text.one("mainstay_cores", Family::Gauge, "Cores that the server may use.", cores as f64);
    if let Some(time) = cpu_time() {
        text.one("process_cpu_seconds_total", Family::Counter, "Time on the processor.", time.as_secs_f64());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    text.one("mainstay_time_seconds", Family::Gauge, "The clock, in seconds since 1970.", now);
}

/// The time that all threads have been on a core.
fn cpu_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name may have anything in it; behind its parenthesis are numbers.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // Linux tells it in hundredths of a second on all systems that Rust knows.
    Some(Duration::from_millis(ticks * 10))
}
