//! The figures of a pool: counted as it goes, and shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::show_duration;
use crate::metrics::Histogram;

/// A pool's figures, named as Collex names them and counted as Go's `sql.DBStats`.
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

/// Up to how many seconds the waits of a bucket took.
const WAIT_BOUNDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What a pool counts.
#[derive(Debug)]
pub(super) struct Counters {
    /// Connections that were idle when somebody looked last.
    pub(super) idle: AtomicU64,
    pub(super) max_idle_closed: AtomicU64,
    pub(super) max_idle_time_closed: AtomicU64,
    pub(super) max_lifetime_closed: AtomicU64,
    waiting: AtomicU64,
    wait_count: AtomicU64,
    wait_us: AtomicU64,
    /// How long callers have waited for a connection. Whoever found one at once is in it, too.
    pub(super) waits: Histogram,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            idle: AtomicU64::new(0),
            max_idle_closed: AtomicU64::new(0),
            max_idle_time_closed: AtomicU64::new(0),
            max_lifetime_closed: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            wait_count: AtomicU64::new(0),
            wait_us: AtomicU64::new(0),
            waits: Histogram::new(WAIT_BOUNDS),
        }
    }
}

impl Counters {
    /// Counts somebody who found a connection at once.
    pub(super) fn count_no_wait(&self) {
        self.waits.observe(Duration::ZERO);
    }

    /// Waits by way of `wait`, and counts it; who waits still is counted already. In a pool that `is_full` that is a wait;
    /// else it is the time that a new connection takes, which only the histogram has.
    pub(super) fn count_wait<T>(&self, is_full: bool, wait: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        self.wait_count.fetch_add(is_full.into(), Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let result = wait();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let waited = start.elapsed();
        if is_full {
            self.wait_us.fetch_add(waited.as_micros() as u64, Ordering::Relaxed);
        }
        self.waits.observe(waited);
        result
    }

    /// The figures, of which the pool itself knows how many connections there are.
    pub(super) fn show(&self, max: u32, state: &r2d2::State) -> PoolStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStats {
            max_open_connections: max,
            open_connections: state.connections,
            in_use: state.connections.saturating_sub(state.idle_connections),
            idle: state.idle_connections,
            wait_count: count(&self.wait_count),
            wait_duration: Duration::from_micros(count(&self.wait_us)),
            max_idle_closed: count(&self.max_idle_closed),
            max_idle_time_closed: count(&self.max_idle_time_closed),
            max_lifetime_closed: count(&self.max_lifetime_closed),
            waiting: count(&self.waiting),
        }
    }
}
