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

use super::connection::Connection;
use super::dialer::Dialer;
use super::pool_stats::{Counters, PoolStats, WaitHistogram};
use crate::config::show_duration;
use crate::error::{Error, Result};
use crate::request_id::RequestId;

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

/// What the manager must know of the pool that it serves, and the other way round.
#[derive(Debug)]
struct Shared {
    options: PoolOptions,
    counters: Counters,
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
    pub request: Option<RequestId>,
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
            &self.shared.counters.max_lifetime_closed
        } else if self.shared.counters.idle.load(Ordering::Relaxed) >= u64::from(self.shared.options.max_idle) {
            &self.shared.counters.max_idle_closed
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
            true => &self.shared.counters.max_lifetime_closed,
            false => &self.shared.counters.max_idle_time_closed,
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
            counters: Counters::default(),
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
            Some(connection) => {
                self.shared.counters.count_no_wait();
                connection
            }
            None => {
                let wait = || self.pool.get_timeout(self.shared.options.acquire_time);
                self.shared.counters.count_wait(wait).map_err(|_| self.why_in_vain())?
            }
        };
        let id = self.shared.next_holder.fetch_add(1, Ordering::Relaxed);
        lock(&self.shared.holders).insert(id, Holder { purpose, since: Instant::now() });
        self.count_idle();
        Ok(Held { connection: Some(connection), id, pool: self.clone() })
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
        self.shared.counters.show(self.shared.options.max, &self.pool.state())
    }

    /// How long callers have waited for a connection.
    pub fn waits(&self) -> WaitHistogram {
        self.shared.counters.waits()
    }

    /// Notes how many connections are idle, for the rule about too many of them.
    fn count_idle(&self) {
        if self.shared.options.max_idle >= self.shared.options.max {
            return;
        }
        self.shared.counters.idle.store(u64::from(self.pool.state().idle_connections), Ordering::Relaxed);
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
