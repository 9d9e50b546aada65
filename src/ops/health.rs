//! `/live`, `/ready`, `/health` and `/health/database`: what tells an operator, and a load balancer, how it goes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::figures::{database_fields, health_fields, reason, status};
use super::judge::{self, Judgement, State};
use crate::config::show_duration;
use crate::db::{Database, Purpose, Which};
use crate::error::Result;
use crate::http::{Access, Endpoint, Limit, Output, Reply, get};
use crate::migrate::Partitioned;

/// How long an answer of the database is good for.
const FRESH: Duration = Duration::from_secs(1);
/// Asking ends before this, one way or the other; who has not come back by then never will.
const ASKING_MAX: Duration = Duration::from_secs(60);

/// How far the server has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Waiting {
        reason: String,
        /// Whether it names nothing that only some may know: where the database is, and who logs in there.
        is_harmless: bool,
    },
    Migrating,
    Ready,
    Stopping,
}

/// What is known of the health of the server.
pub struct Health {
    database: Database,
    asks_database: bool,
    /// Whether everybody may know what is wrong, and where.
    tells_all: bool,
    start: Instant,
    progress: Mutex<Progress>,
    stopped: Condvar,
    check: Mutex<Check>,
    pending_migrations: AtomicU32,
    /// 0 as long as nobody has measured it.
    database_bytes: AtomicU64,
    /// As they were measured last.
    partitions: Mutex<Vec<Partitioned>>,
    /// The folder of our own files.
    data: PathBuf,
}

/// What is known of the database.
#[derive(Default)]
struct Check {
    /// Since when somebody is asking it.
    asking: Option<Instant>,
    /// When it answered last, and what was wrong.
    last: Option<(Instant, Result<(), String>)>,
}

/// The endpoints. What tells more than that the server is well is open where `is_open`.
pub(super) fn endpoints(health: &Arc<Health>, metrics: Access) -> Vec<Endpoint> {
    let on = |path: &str, access, summary: &str, act: fn(&Health) -> (u16, Value)| {
        let health = health.clone();
        get(path, access, move |_| {
            let (status, body) = act(&health);
            let reply = Reply::value(status, &body);
            Ok(if status == 503 { reply.header("Retry-After", "2") } else { reply })
        })
        .summary(summary)
        .pool(Which::Priority)
        .limit(Limit::None)
        .without_database()
    };
    let live = vec![status(&["alive"])];
    let not_ready = vec![status(&["not ready"]), reason().never_null()];
    vec![
        on("/live", Access::Public, "Whether the process serves", |_| (200, json!({ "status": "alive" })))
            .answers(200, Output::Object(live)),
        on("/ready", Access::Public, "Whether it may get traffic", Health::ready)
            .answers(200, Output::Object(vec![status(&["ready"])]))
            .also(503, Output::Object(not_ready)),
        on("/health", Access::Public, "How it goes, in short", Health::health)
            .answers(200, Output::Object(health_fields()))
            .named("", "Health")
            .also(503, Output::Object(health_fields())),
        on("/health/database", metrics, "How the database and its pools are", Health::database)
            .answers(200, Output::Object(database_fields()))
            .named("", "DatabaseHealth")
            .also(503, Output::Object(database_fields())),
    ]
}

impl Health {
    pub fn new(database: Database, asks_database: bool, tells_all: bool, data: &Path) -> Health {
        Health {
            database,
            asks_database,
            tells_all,
            start: Instant::now(),
            progress: Mutex::new(Progress::Waiting { reason: "starting".to_owned(), is_harmless: true }),
            stopped: Condvar::new(),
            check: Mutex::default(),
            pending_migrations: AtomicU32::new(0),
            database_bytes: AtomicU64::new(0),
            partitions: Mutex::default(),
            data: data.to_owned(),
        }
    }

    pub fn set(&self, progress: Progress) {
        let mut current = lock(&self.progress);
        if *current != Progress::Stopping {
            *current = progress;
        }
    }

    pub fn stop(&self) {
        *lock(&self.progress) = Progress::Stopping;
        self.stopped.notify_all();
    }

    pub fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn uptime_in_words(&self) -> String {
        show_duration(Duration::from_secs(self.uptime().as_secs()))
    }

    /// Whether the server may get traffic, as far as is known without asking.
    pub fn is_ready(&self) -> bool {
        let is_prepared = *lock(&self.progress) == Progress::Ready;
        let is_there = !matches!(lock(&self.check).last, Some((_, Err(_))));
        is_prepared && is_there
    }

    pub fn set_pending_migrations(&self, count: u32) {
        self.pending_migrations.store(count, Ordering::Relaxed);
    }

    pub fn pending_migrations(&self) -> u32 {
        self.pending_migrations.load(Ordering::Relaxed)
    }

    pub fn set_database_bytes(&self, bytes: u64) {
        self.database_bytes.store(bytes, Ordering::Relaxed);
    }

    pub fn database_bytes(&self) -> Option<u64> {
        Some(self.database_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    pub(super) fn set_partitions(&self, partitions: Vec<Partitioned>) {
        *lock(&self.partitions) = partitions;
    }

    pub(super) fn partitions(&self) -> Vec<Partitioned> {
        lock(&self.partitions).clone()
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// What may run out, how it is, and what was seen of it.
    pub(super) fn judge(&self) -> [(&'static str, Judgement); 3] {
        [
            ("disk", judge::disk(&self.data, self.database.statements().is_disk_full())),
            ("memory", judge::memory()),
            ("partitions", judge::partitions(&lock(&self.partitions))),
        ]
    }

    /// Waits for a while, and answers whether the server is to stop.
    pub fn wait_for_stop(&self, time: Duration) -> bool {
        let is_going_on = |progress: &mut Progress| *progress != Progress::Stopping;
        let (progress, _) = self
            .stopped
            .wait_timeout_while(lock(&self.progress), time, is_going_on)
            .unwrap_or_else(PoisonError::into_inner);
        *progress == Progress::Stopping
    }

    fn ready(&self) -> (u16, Value) {
        let progress = lock(&self.progress).clone();
        let (reason, is_harmless) = match progress {
            Progress::Ready => match self.check() {
                Ok(()) => return (200, json!({ "status": "ready" })),
                Err(reason) => (reason, false),
            },
            Progress::Waiting { reason, is_harmless } => (reason, is_harmless),
            Progress::Migrating => ("migrating".to_owned(), true),
            Progress::Stopping => ("stopping".to_owned(), true),
        };
        let reason = match self.tells_all || is_harmless {
            true => reason,
            false => "the log and /health/database say why".to_owned(),
        };
        (503, json!({ "status": "not ready", "reason": reason }))
    }

    fn health(&self) -> (u16, Value) {
        let database = State::of(self.check().is_ok(), State::Failure);
        let [disk, memory, partitions] = self.judge().map(|(name, judgement)| (name, judgement.state));
        // A balancer that asks here must not take servers away for partitions, which whoever writes makes as well.
        let services = [("database", database), disk, memory, (partitions.0, partitions.1.min(State::Warning))];
        let worst = worst(&services);
        let body = json!({
            "status": worst.word(),
            "timestamp": now(),
            "uptime": self.uptime_in_words(),
            "version": env!("CARGO_PKG_VERSION"),
            "services": words(&services),
        });
        (if worst == State::Failure { 503 } else { 200 }, body)
    }

    fn database(&self) -> (u16, Value) {
        let check = self.check();
        let stats = self.database.stats();
        let mut database = json!({
            "connectivity": word(check.is_ok()),
            "pool_stats": stats.primary,
            "pools": stats.pools,
        });
        let held: Vec<String> = Which::ALL.iter().flat_map(|which| self.database.pool(*which).long_holders()).collect();
        if !held.is_empty() {
            database["held_for_long"] = json!(held);
        }
        if let Err(reason) = &check {
            database["reason"] = json!(reason);
        }
        let body = json!({ "status": word(check.is_ok()), "timestamp": now(), "database": database });
        (if check.is_ok() { 200 } else { 503 }, body)
    }

    /// Asks the database whether it is there, at most once in [`FRESH`].
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.asks_database {
            return Ok(());
        }
        if let Some(result) = self.known() {
            return result;
        }
        let purpose = Purpose { what: "health check", request: None };
        let result = self.database.ask(Which::Priority, purpose).map_err(|error| error.to_string());
        *lock(&self.check) = Check { asking: None, last: Some((Instant::now(), result.clone())) };
        result
    }

    /// What is known without asking; `None` makes the caller the one who asks. Nobody else waits for the answer: while the
    /// database is away that takes seconds, and probes would hold all threads, those for `/live` too.
    fn known(&self) -> Option<Result<(), String>> {
        let mut check = lock(&self.check);
        match (&check.last, check.asking) {
            (Some((when, result)), _) if when.elapsed() < FRESH => Some(result.clone()),
            (Some((_, result)), Some(since)) if since.elapsed() < FRESH => Some(result.clone()),
            (_, Some(since)) if since.elapsed() < ASKING_MAX => Some(Err("the database does not answer".to_owned())),
            _ => {
                check.asking = Some(Instant::now());
                None
            }
        }
    }
}

/// The worst of what was seen.
pub(super) fn worst(services: &[(&str, State)]) -> State {
    services.iter().map(|(_, state)| *state).max().unwrap_or(State::Good)
}

/// Each in a word.
pub(super) fn words(services: &[(&str, State)]) -> Value {
    services.iter().map(|(name, state)| ((*name).to_owned(), json!(state.word()))).collect::<Map<_, _>>().into()
}

pub(super) fn word(is_healthy: bool) -> &'static str {
    if is_healthy { "healthy" } else { "unhealthy" }
}

/// The time as RFC 3339 in UTC.
pub(super) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    crate::config::show_time(seconds)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
