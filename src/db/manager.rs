//! What r2d2 asks of connections, answered.
//!
//! It asks whether a connection lives each time before it is used. That is answered without a round trip where it is
//! safe: a connection that was used a moment ago is not asked.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use r2d2::ManageConnection;

use super::connection::Connection;
use super::crowd::Crowd;
use super::dialer::Dialer;
use super::pool_stats::Counters;
use crate::error::{Error, Result};

/// A connection that was used more recently than this is believed to live.
const BELIEVED: Duration = Duration::from_millis(500);
/// How much longer than the server we wait for a statement, so that it is the server who ends it.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// How long a connection may take to say that it lives.
const CHECK_TIME: Duration = Duration::from_millis(400);
/// A server that said nothing to one connection says nothing to the others, for so long.
const SILENCE: Duration = Duration::from_secs(1);

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
pub(super) struct Shared {
    pub(super) options: PoolOptions,
    pub(super) counters: Counters,
    /// Connections used before this moment may be dead: another as old was.
    suspect_before: Mutex<Option<Instant>>,
    /// Connections opened before this moment do not have what the database says of its connections now.
    stale_before: Mutex<Option<Instant>>,
    /// Why the last connection could not be opened, if so.
    last_error: Mutex<Option<String>>,
    /// When a connection said nothing, where it should have said that it lives.
    silent_since: Mutex<Option<Instant>>,
    pub(super) crowd: Crowd,
    /// When nobody waits for the database any more, once that is known.
    pub(super) end: OnceLock<Instant>,
}

pub(super) struct Manager {
    pub(super) dialer: Dialer,
    pub(super) shared: Arc<Shared>,
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
        *lock(&self.shared.silent_since) = None;
        let lifetime = jittered(self.shared.options.max_lifetime);
        Ok(Pooled { connection, lifetime, is_counted: false, shared: self.shared.clone() })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<()> {
        let used = pooled.connection.used;
        let is_suspect = lock(&self.shared.suspect_before).is_some_and(|moment| used < moment);
        if pooled.connection.is_closed() {
            return Err(Error::database_unavailable("the connection was lost"));
        }
        if self.shared.is_stale(&pooled.connection) {
            return Err(Error::database_unavailable("the connection is older than the database's settings"));
        }
        if !is_suspect && used.elapsed() < BELIEVED {
            return Ok(());
        }
        if lock(&self.shared.silent_since).is_some_and(|since| since.elapsed() < SILENCE) {
            return Err(Error::database_unavailable("the database does not answer"));
        }
        pooled.connection.check(CHECK_TIME).map_err(|error| {
            self.shared.suspect();
            if !error.is_closed() {
                *lock(&self.shared.silent_since) = Some(Instant::now());
            }
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
        if pooled.connection.is_spent || self.shared.is_stale(&pooled.connection) {
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
    pub(super) fn new(options: PoolOptions) -> Shared {
        Shared {
            crowd: Crowd::new(options.max),
            silent_since: Mutex::new(None),
            end: OnceLock::new(),
            options,
            counters: Counters::default(),
            suspect_before: Mutex::new(None),
            stale_before: Mutex::new(None),
            last_error: Mutex::new(None),
        }
    }

    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    /// Lets no connection that is open now be used by whoever comes next.
    pub(super) fn renew(&self) {
        *lock(&self.stale_before) = Some(Instant::now());
    }

    fn is_stale(&self, connection: &Connection) -> bool {
        lock(&self.stale_before).is_some_and(|moment| connection.opened < moment)
    }

    /// Makes every connection that is as old as a dead one prove that it lives.
    pub(super) fn suspect(&self) {
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

/// r2d2 tries again and again; a problem is logged when it begins and when it changes, not each time.
#[derive(Debug, Default)]
pub(super) struct LogOnce(Mutex<String>);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_were_opened_together_end_at_different_times_but_none_late() {
        const HOUR: Duration = Duration::from_secs(3600);
        let mut times: Vec<Duration> = (0..100).map(|_| jittered(HOUR)).collect();
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 30, "{times:?}");
        assert!(times[0] >= HOUR - HOUR / 10 && times[times.len() - 1] <= HOUR, "{times:?}");
    }
}
