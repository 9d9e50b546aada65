//! The way of the access log and of the server's own figures into the database: beside the way of the requests, in batches,
//! and never with more in memory than there is room for.
//!
//! A request leaves its entry and goes. One thread writes what has come; while the database is away it waits, entries
//! pile up, and those that find no room are dropped and counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use super::figures::{self, Work};
use super::partitions;
use crate::db::{Database, Purpose, Session, Statements, Which};
use crate::error::{Code, Error, Result};
use crate::http::{Caller, Exchange};
use crate::metrics::{Family, Text};
use crate::sql;
use crate::sql::Json;

/// Entries that may wait.
pub const ENTRIES_MAX: usize = 4096;
/// So many do not wait for more, and so many are written at once: a connection keeps the room of its largest statement.
const BATCH: usize = 500;
/// How long fewer wait for more, and for how long the database is left alone after it was away.
const PAUSE: Duration = Duration::from_secs(1);

/// What is recorded.
#[derive(Debug, Clone, Copy)]
pub struct RecorderOptions {
    /// Whether requests are.
    pub notes_requests: bool,
    /// How often figures are; zero is never.
    pub measures_every: Duration,
}

/// What has become of the requests so far, and how many figures were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    pub written: u64,
    pub dropped: u64,
    pub waiting: usize,
    pub figures_dropped: u64,
}

/// A request, and when it was answered.
struct Entry {
    exchange: Exchange,
    at: SystemTime,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    work: Work,
    is_stopping: bool,
}

struct Shared {
    database: Database,
    options: RecorderOptions,
    server: String,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    written: AtomicU64,
    dropped: AtomicU64,
    figures_dropped: AtomicU64,
}

/// Records, until it is dropped.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread that writes.
    pub fn start(database: Database, options: RecorderOptions) -> Result<Recorder> {
        let shared = Arc::new(Shared {
            database,
            options,
            server: figures::server(),
            waiting: Mutex::default(),
            changed: Condvar::new(),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            figures_dropped: AtomicU64::new(0),
        });
        let writer = shared.clone();
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| Error::internal("no thread can be started").because(error))?;
        Ok(Recorder { shared, thread: Some(thread) })
    }

    /// Notes a request to the API. What asks for the health of the server is none.
    pub fn note(&self, exchange: Exchange) {
        if !exchange.endpoint.is_empty() && !path(&exchange).starts_with("/api/") {
            return;
        }
        self.shared.add(exchange);
    }

    pub fn recorded(&self) -> Recorded {
        Recorded {
            written: self.shared.written.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            waiting: self.shared.lock().entries.len(),
            figures_dropped: self.shared.figures_dropped.load(Ordering::Relaxed),
        }
    }

    /// Writes what has been counted.
    pub fn write(&self, text: &mut Text) {
        let recorded = self.recorded();
        let name = "mainstay_access_log_rows_total";
        text.family(name, Family::Counter, "Requests for the table of the access log, and what became of them.");
        text.sample(name, &[("outcome", "written")], recorded.written as f64);
        text.sample(name, &[("outcome", "dropped")], recorded.dropped as f64);
        let waiting = recorded.waiting as f64;
        text.one("mainstay_access_log_rows_waiting", Family::Gauge, "Requests that wait to be written there.", waiting);
        let name = "mainstay_figures_dropped_total";
        text.one(name, Family::Counter, "Own figures that were lost.", recorded.figures_dropped as f64);
    }
}

/// Writes what is still there, if the database takes it at once.
impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, exchange: Exchange) {
        let mut waiting = self.lock();
        waiting.work.add(&exchange);
        if !self.options.notes_requests || !exchange.is_noted {
            return;
        }
        if waiting.entries.len() >= ENTRIES_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.entries.push(Entry { exchange, at: SystemTime::now() });
        if waiting.entries.len() == BATCH {
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        let mut told = 0;
        let mut measured = Instant::now();
        let mut entries = Vec::new();
        loop {
            let is_last = self.next(&mut entries);
            let unwritten: usize =
                entries.chunks(BATCH).skip_while(|batch| self.write(batch)).map(<[Entry]>::len).sum();
            self.dropped.fetch_add(unwritten as u64, Ordering::Relaxed);
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > told {
                let count = dropped - told;
                log::warn!(
                    "{count} requests are missing in the table of the access log: the database did not take them in time"
                );
                told = dropped;
            }
            if is_last {
                return;
            }
            let every = self.options.measures_every;
            if !every.is_zero() && measured.elapsed() >= every {
                measured = Instant::now();
                self.measure();
            }
        }
    }

    /// Writes the figures of now, and of the work since the last time. They are not worth waiting for.
    fn measure(&self) {
        let work = std::mem::take(&mut self.lock().work).figures(&self.server);
        let system = figures::system(&self.database, &self.server);
        let count = work.len() + system.len();
        let write = |session: &mut Session| {
            session.exec(&sql!("telemetry/system_metrics/write"), &[&Json(&Value::Array(system).to_string())])?;
            session.exec(&sql!("telemetry/performance_metrics/write"), &[&Json(&Value::Array(work).to_string())])
        };
        let purpose = Purpose { what: "own figures", request: None };
        let session = self.database.session(Which::Background, purpose);
        if let Err(error) = session.and_then(|mut session| write(&mut session)) {
            log::warn!("{count} figures were not written: {error}");
            self.figures_dropped.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Puts the next entries in the place of those before, when there are many or the first has waited long, and answers
    /// whether they are the last.
    fn next(&self, entries: &mut Vec<Entry>) -> bool {
        entries.clear();
        let mut waiting = self.lock();
        let deadline = Instant::now() + PAUSE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if waiting.is_stopping || waiting.entries.len() >= BATCH || left.is_zero() {
                std::mem::swap(&mut waiting.entries, entries);
                return waiting.is_stopping;
            }
            waiting = self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes entries, as soon as the database can be reached; they are dropped if they can never be written. Answers false,
    /// and has not written them, when everything ends first.
    fn write(&self, entries: &[Entry]) -> bool {
        let count = entries.len() as u64;
        let rows = Value::Array(entries.iter().map(row).collect()).to_string();
        loop {
            let Err(error) = self.insert(&rows) else {
                self.written.fetch_add(count, Ordering::Relaxed);
                return true;
            };
            if !matches!(error.code, Code::DatabaseUnavailable | Code::PoolExhausted | Code::QueryTimeout) {
                log::error!("the access log cannot be written: {error}");
                self.dropped.fetch_add(count, Ordering::Relaxed);
                return true;
            }
            if self.is_stopped_within(PAUSE) {
                return false;
            }
        }
    }

    fn insert(&self, rows: &str) -> Result<u64> {
        let purpose = Purpose { what: "access log", request: None };
        let mut session = self.database.session(Which::Background, purpose)?;
        let write = |session: &mut Session| session.exec(&sql!("telemetry/api_access_logs/write"), &[&Json(rows)]);
        match write(&mut session) {
            Err(error) if error.is_missing_partition() => {
                partitions::make(&mut session)?;
                write(&mut session)
            }
            result => result,
        }
    }

    /// Waits, and answers whether there is no time left.
    fn is_stopped_within(&self, time: Duration) -> bool {
        let is_running = |waiting: &mut Waiting| !waiting.is_stopping;
        let result = self.changed.wait_timeout_while(self.lock(), time, is_running);
        result.unwrap_or_else(PoisonError::into_inner).0.is_stopping
    }
}

/// The path of the endpoint, if there is one.
fn path(exchange: &Exchange) -> &'static str {
    exchange.endpoint.split_once(' ').map_or("", |(_, path)| path)
}

fn row(entry: &Entry) -> Value {
    let Entry { exchange, at } = entry;
    let caller = exchange.caller.as_deref();
    json!({
        "id": Uuid::now_v7(),
        "user_id": caller.map(|caller| caller.user_id),
        "api_key_id": caller.and_then(Caller::api_key_id),
        "request_id": exchange.request_id.as_str(),
        "method": exchange.method,
        "path": path(exchange),
        "status": exchange.status,
        "duration_ms": exchange.duration.as_secs_f64() * 1000.0,
        "bytes": exchange.bytes,
        "ip_address": exchange.address,
        "user_agent": exchange.user_agent,
        "seconds": at.duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64()),
    })
}
