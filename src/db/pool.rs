//! A pool of connections, and the truth about it.
//!
//! r2d2 keeps the connections. What it asks of them is answered here without a round trip where that is safe: a
//! connection that was used a moment ago is not asked whether it lives.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use r2d2::{ManageConnection, PooledConnection};
use serde::Serialize;
use uuid::Uuid;

use super::connection::Connection;
use super::dialer::Dialer;
use crate::config::show_duration;
use crate::error::{Error, Result};

/// A connection that was used more recently than this is believed to live.
const BELIEVED: Duration = Duration::from_millis(500);
/// How long a connection may take to say that it lives.
const CHECK_TIME: Duration = Duration::from_secs(1);
/// Who holds a connection for longer than this is worth naming.
const LONG_HOLD: Duration = Duration::from_secs(10);

/// How a pool is made.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    pub name: &'static str,
    pub min: u32,
    pub max: u32,
    pub max_idle: u32,
    pub max_lifetime: Duration,
    pub max_idle_time: Duration,
    pub acquire_time: Duration,
    /// How long a statement may run; the server is told too, and this much later we stop waiting for it.
    pub query_time: Duration,
}

/// A pool's figures, named as Collex names them.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct PoolStats {
    pub max_open_connections: u32,
    pub open_connections: u32,
    pub in_use: u32,
    pub idle: u32,
    pub wait_count: u64,
    #[serde(serialize_with = "as_words")]
    pub wait_duration: Duration,
    pub max_idle_closed: u64,
    pub max_idle_time_closed: u64,
    pub max_lifetime_closed: u64,
    pub waiting: u64,
}

fn as_words<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show_duration(*duration))
}

impl<'a> std::iter::Sum<&'a PoolStats> for PoolStats {
    fn sum<I: Iterator<Item = &'a PoolStats>>(stats: I) -> PoolStats {
        stats.fold(PoolStats::default(), |sum, one| PoolStats {
            max_open_connections: sum.max_open_connections + one.max_open_connections,
            open_connections: sum.open_connections + one.open_connections,
            in_use: sum.in_use + one.in_use,
            idle: sum.idle + one.idle,
            wait_count: sum.wait_count + one.wait_count,
            wait_duration: sum.wait_duration + one.wait_duration,
            max_idle_closed: sum.max_idle_closed + one.max_idle_closed,
            max_idle_time_closed: sum.max_idle_time_closed + one.max_idle_time_closed,
            max_lifetime_closed: sum.max_lifetime_closed + one.max_lifetime_closed,
            waiting: sum.waiting + one.waiting,
        })
    }
}

/// Counters, and what the manager must know of the pool that it serves.
#[derive(Debug)]
struct Shared {
    options: PoolOptions,
    idle: AtomicU64,
    wait_count: AtomicU64,
    wait_us: AtomicU64,
    waiting: AtomicU64,
    max_idle_closed: AtomicU64,
    max_idle_time_closed: AtomicU64,
    max_lifetime_closed: AtomicU64,
    /// Connections used before this moment may be dead: another as old was.
    suspect_before: Mutex<Option<Instant>>,
    last_error: Mutex<Option<String>>,
    holders: Mutex<HashMap<u64, Holder>>,
    next_holder: AtomicU64,
}

/// What a connection is taken for.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// The endpoint, job or command.
    pub what: &'static str,
    /// The request, where there is one.
    pub request: Option<Uuid>,
}

#[derive(Debug)]
struct Holder {
    purpose: Purpose,
    since: Instant,
}

struct Manager {
    dialer: Dialer,
    shared: Arc<Shared>,
}

/// A connection in the pool. It knows why it is closed, if the pool decided so.
pub struct Pooled {
    pub(super) connection: Connection,
    lifetime: Duration,
    is_counted: bool,
    shared: Arc<Shared>,
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = Error;

    fn connect(&self) -> Result<Pooled> {
        let connection = self.dialer.dial().inspect_err(|error| {
            *lock(&self.shared.last_error) = Some(error.to_string());
        })?;
        *lock(&self.shared.last_error) = None;
        let lifetime = jittered(self.shared.options.max_lifetime);
        Ok(Pooled { connection, lifetime, is_counted: false, shared: self.shared.clone() })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<()> {
        let used = pooled.connection.used;
        let is_suspect = lock(&self.shared.suspect_before).is_some_and(|moment| used < moment);
        if pooled.connection.is_closed() {
            return Err(Error::database_unavailable("the connection was lost"));
        }
        if !is_suspect && used.elapsed() < BELIEVED {
            return Ok(());
        }
        pooled.connection.check(CHECK_TIME).map_err(|error| {
            self.shared.suspect();
            Error::from(error)
        })
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.connection.used = Instant::now();
        if pooled.connection.is_closed() {
            self.shared.suspect();
            pooled.is_counted = true;
            return true;
        }
        let counter = if pooled.connection.opened.elapsed() >= pooled.lifetime {
            &self.shared.max_lifetime_closed
        } else if self.shared.idle.load(Ordering::Relaxed) >= u64::from(self.shared.options.max_idle) {
            &self.shared.max_idle_closed
        } else {
            return false;
        };
        counter.fetch_add(1, Ordering::Relaxed);
        pooled.is_counted = true;
        true
    }
}

impl Shared {
    /// Makes every connection that is as old as a dead one prove that it lives.
    fn suspect(&self) {
        *lock(&self.suspect_before) = Some(Instant::now());
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        // What the pool's own rules closed is counted already; the rest was too old or idle for too long.
        if self.is_counted || self.connection.is_closed() {
            return;
        }
        let counter = match self.connection.opened.elapsed() >= self.lifetime {
            true => &self.shared.max_lifetime_closed,
            false => &self.shared.max_idle_time_closed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A pool of connections.
#[derive(Clone)]
pub struct Pool {
    pool: r2d2::Pool<Manager>,
    shared: Arc<Shared>,
}

impl Pool {
    /// Makes a pool that opens its connections when it can: a database that is away is no reason not to start.
    pub fn new(options: PoolOptions, dialer: Dialer) -> Pool {
        let shared = Arc::new(Shared {
            idle: AtomicU64::new(0),
            wait_count: AtomicU64::new(0),
            wait_us: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            max_idle_closed: AtomicU64::new(0),
            max_idle_time_closed: AtomicU64::new(0),
            max_lifetime_closed: AtomicU64::new(0),
            suspect_before: Mutex::new(None),
            last_error: Mutex::new(None),
            holders: Mutex::default(),
            next_holder: AtomicU64::new(0),
            options: options.clone(),
        });
        let pool = r2d2::Pool::builder()
            .max_size(options.max)
            .min_idle(Some(options.min))
            .test_on_check_out(true)
            .max_lifetime(Some(options.max_lifetime + options.max_lifetime / 8))
            .idle_timeout(Some(options.max_idle_time))
            .connection_timeout(options.acquire_time)
            .error_handler(Box::new(LogOnce::default()))
            .build_unchecked(Manager { dialer, shared: shared.clone() });
        Pool { pool, shared }
    }

    /// Takes a connection, waiting for as long as the pool allows. Those who wait in vain are told who has the others.
    pub fn take(&self, purpose: Purpose) -> Result<Held> {
        let connection = match self.pool.try_get() {
            Some(connection) => connection,
            None => self.wait()?,
        };
        let id = self.shared.next_holder.fetch_add(1, Ordering::Relaxed);
        lock(&self.shared.holders).insert(id, Holder { purpose, since: Instant::now() });
        self.count_idle();
        Ok(Held { connection: Some(connection), id, pool: self.clone() })
    }

    fn wait(&self) -> Result<PooledConnection<Manager>> {
        let shared = &self.shared;
        let start = Instant::now();
        shared.wait_count.fetch_add(1, Ordering::Relaxed);
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        let result = self.pool.get_timeout(shared.options.acquire_time);
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        shared.wait_us.fetch_add(start.elapsed().as_micros() as u64, Ordering::Relaxed);
        result.map_err(|_| self.why_in_vain())
    }

    /// Whether nobody gave a connection back, or there is none to be had.
    fn why_in_vain(&self) -> Error {
        let state = self.pool.state();
        if let Some(problem) = lock(&self.shared.last_error).clone()
            && state.connections < self.shared.options.max
        {
            return Error::database_unavailable(problem);
        }
        let name = self.shared.options.name;
        let waited = show_duration(self.shared.options.acquire_time);
        let holders = self.holders(Duration::ZERO).join("; ");
        if holders.is_empty() {
            return Error::database_unavailable(format!("the database did not accept a connection within {waited}"));
        }
        Error::pool_exhausted(format!(
            "no connection of the {name} pool was free within {waited}; they are held by {holders}"
        ))
    }

    /// Who has held a connection for longer than `time`, and for how long.
    pub fn holders(&self, time: Duration) -> Vec<String> {
        let holders = lock(&self.shared.holders);
        let mut held: Vec<(Duration, Purpose)> =
            holders.values().map(|holder| (holder.since.elapsed(), holder.purpose)).collect();
        held.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
        let long = held.into_iter().filter(|(held, _)| *held >= time);
        long.map(|(held, purpose)| format!("{purpose} for {}", show_duration(held))).collect()
    }

    /// Who holds a connection for longer than anybody should.
    pub fn long_holders(&self) -> Vec<String> {
        self.holders(LONG_HOLD)
    }

    /// Makes every connection prove that it lives before it is used again: one has been found dead.
    pub(super) fn suspect(&self) {
        self.shared.suspect();
    }

    pub fn name(&self) -> &'static str {
        self.shared.options.name
    }

    /// How long a statement may take, and then a moment for the server to say that it took too long.
    pub(super) fn query_time(&self) -> Duration {
        self.shared.options.query_time + CHECK_TIME
    }

    pub fn stats(&self) -> PoolStats {
        let state = self.pool.state();
        let shared = &self.shared;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStats {
            max_open_connections: shared.options.max,
            open_connections: state.connections,
            in_use: state.connections - state.idle_connections.min(state.connections),
            idle: state.idle_connections,
            wait_count: count(&shared.wait_count),
            wait_duration: Duration::from_micros(count(&shared.wait_us)),
            max_idle_closed: count(&shared.max_idle_closed),
            max_idle_time_closed: count(&shared.max_idle_time_closed),
            max_lifetime_closed: count(&shared.max_lifetime_closed),
            waiting: count(&shared.waiting),
        }
    }

    /// Notes how many connections are idle, for the rule about too many of them.
    fn count_idle(&self) {
        if self.shared.options.max_idle >= self.shared.options.max {
            return;
        }
        self.shared.idle.store(u64::from(self.pool.state().idle_connections), Ordering::Relaxed);
    }
}

/// A connection in somebody's hands, until it is dropped.
pub struct Held {
    connection: Option<PooledConnection<Manager>>,
    id: u64,
    pool: Pool,
}

impl Held {
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection.as_mut().expect("only drop takes it").connection
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.pool.shared.holders).remove(&self.id);
        self.pool.count_idle();
        drop(self.connection.take());
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.request {
            Some(request) => write!(formatter, "{} (request {request})", self.what),
            None => formatter.write_str(self.what),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pool({}, {:?})", self.name(), self.stats())
    }
}

/// r2d2 tries again and again; a problem is logged when it begins and when it changes, not each time.
#[derive(Debug, Default)]
struct LogOnce(Mutex<String>);

impl r2d2::HandleError<Error> for LogOnce {
    fn handle_error(&self, error: Error) {
        let message = error.to_string();
        let mut last = lock(&self.0);
        if *last != message {
            log::warn!("{message}");
            *last = message;
        }
    }
}

/// A time a little shorter than `time`, a different one for each, so that connections of one hour do not end together.
fn jittered(time: Duration) -> Duration {
    let random = uuid::Uuid::now_v7().as_bytes()[15];
    time - time / 10 * u32::from(random) / 255
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
