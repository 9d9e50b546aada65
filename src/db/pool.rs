//! A pool of connections, and the truth about it.
//!
//! r2d2 keeps the connections; here is what callers see of them: who has one, for what, and who waits.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use r2d2::PooledConnection;

use super::connection::Connection;
use super::dialer::Dialer;
use super::guard::Guard;
use super::manager::{GRACE, LogOnce, Manager, PoolOptions, Shared};
use super::pool_stats::PoolStats;
use crate::config::show_duration;
use crate::error::{Error, Result};
use crate::metrics::Snapshot;
use crate::request_id::RequestId;

/// How long nothing is tried, at most, while the database cannot be reached.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(250);
/// Who holds a connection for longer than this is worth naming.
const LONG_HOLD: Duration = Duration::from_secs(10);

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
    guard: Guard,
}

/// Who has a connection now.
#[derive(Debug, Default)]
struct Holders {
    by_id: Mutex<HashMap<u64, Holder>>,
    next: AtomicU64,
}

/// A pool of connections.
#[derive(Clone)]
pub struct Pool {
    pool: r2d2::Pool<Manager>,
    shared: Arc<Shared>,
    holders: Arc<Holders>,
}

impl Pool {
    /// Makes a pool that opens its connections when it can: a database that is away is no reason not to start.
    pub fn new(options: PoolOptions, dialer: Dialer) -> Pool {
        let shared = Arc::new(Shared::new(options.clone()));
        let pool = r2d2::Pool::builder()
            .max_size(options.max)
            .min_idle(Some(options.min))
            .test_on_check_out(true)
            .max_lifetime(Some(options.max_lifetime + options.max_lifetime / 8))
            .idle_timeout(Some(options.max_idle_time))
            // Callers wait as long as `take` says. Here it is twice the longest pause between attempts to connect, which
            // grow for as long as the database is away: it is found within that when it is back.
            .connection_timeout(RECONNECT_PAUSE_MAX * 2)
            .error_handler(Box::new(LogOnce::default()))
            .build_unchecked(Manager { dialer, shared: shared.clone() });
        Pool { pool, shared, holders: Arc::default() }
    }

    /// Takes a connection, waiting for as long as the pool allows. Those who wait in vain are told who has the others.
    pub fn take(&self, purpose: Purpose) -> Result<Held> {
        self.take_within(purpose, self.shared.options.acquire_time)
    }

    /// The same, waiting no longer than this.
    pub fn take_within(&self, purpose: Purpose, time: Duration) -> Result<Held> {
        let connection = match self.pool.try_get() {
            Some(connection) => {
                self.shared.counters.count_no_wait();
                connection
            }
            None => {
                let start = Instant::now();
                let end = start + self.bounded(time);
                let take = |time| self.pool.get_timeout(time).ok();
                let wait = || self.shared.crowd.wait(end, || self.is_away(), take);
                let state = self.pool.state();
                let is_full = state.connections - state.idle_connections >= self.shared.options.max;
                self.shared.counters.count_wait(is_full, wait).ok_or_else(|| self.why_in_vain(start.elapsed()))?
            }
        };
        self.shared.crowd.moved();
        let id = self.holders.next.fetch_add(1, Ordering::Relaxed);
        let guard = connection.connection.guard.clone();
        lock(&self.holders.by_id).insert(id, Holder { purpose, since: Instant::now(), guard });
        self.count_idle();
        Ok(Held { connection: Some(connection), id, pool: self.clone() })
    }

    /// Whether there is no connection and none can be opened.
    fn is_away(&self) -> bool {
        self.shared.last_error().is_some() && self.pool.state().connections == 0
    }

    /// A time, or what is left of it when everything is about to end.
    fn bounded(&self, time: Duration) -> Duration {
        let left = |end: &Instant| end.saturating_duration_since(Instant::now());
        self.shared.end.get().map_or(time, |end| time.min(left(end)))
    }

    /// Lets nobody wait for the database after `end`.
    pub(super) fn end_by(&self, end: Instant) {
        // The first word counts.
        let _ = self.shared.end.set(end);
        self.allow_at_most(end.saturating_duration_since(Instant::now()));
    }

    /// Lets everybody who waits for an answer of the database fail now.
    pub(super) fn give_up(&self) {
        self.allow_at_most(Duration::ZERO);
    }

    fn allow_at_most(&self, time: Duration) {
        lock(&self.holders.by_id).values().for_each(|holder| holder.guard.allow_at_most(time));
    }

    /// Whether nobody gave a connection back, or there is none to be had.
    fn why_in_vain(&self, waited: Duration) -> Error {
        let state = self.pool.state();
        if let Some(problem) = self.shared.last_error()
            && state.connections < self.shared.options.max
        {
            // Where it should have been is for the log alone.
            return Error::database_unavailable("the database cannot be reached at present").because(problem);
        }
        let name = self.shared.options.name;
        let waited = show_duration(Duration::from_millis(waited.as_millis() as u64));
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
        let holders = lock(&self.holders.by_id);
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

    /// Closes every connection before it is used again: the database may say something else of new ones now.
    pub(super) fn renew(&self) {
        self.shared.renew();
    }

    pub fn name(&self) -> &'static str {
        self.shared.options.name
    }

    /// How long a statement may take, and then a moment for the server to say that it took too long.
    pub(super) fn query_time(&self) -> Duration {
        self.bounded(self.shared.options.query_time + GRACE)
    }

    pub fn stats(&self) -> PoolStats {
        self.shared.counters.show(self.shared.options.max, &self.pool.state())
    }

    /// How long callers have waited for a connection.
    pub fn waits(&self) -> Snapshot {
        self.shared.counters.waits.snapshot()
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
        lock(&self.pool.holders.by_id).remove(&self.id);
        self.pool.count_idle();
        drop(self.connection.take());
        self.pool.shared.crowd.moved();
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
