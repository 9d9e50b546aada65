//! Those who wait for a connection, each of whom keeps a thread busy. While connections come back that is well: they all have
//! one soon. When none does, or there is none at all, a few may wait for better times, and the others are told at once, so
//! that there are threads for what needs no database.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections that nobody gave back for so long will not come back soon.
const STUCK: Duration = Duration::from_millis(500);
/// How often those who wait look whether it is worth it.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// How long one waits for a database that refuses to be connected to: as long as it takes to start again.
const AWAY_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Crowd {
    start: Instant,
    /// When a connection was taken or given back last, in milliseconds from `start`.
    moved_ms: AtomicU64,
    waiting: AtomicU32,
    /// How many may wait when it does not go on.
    patient_max: u32,
}

impl Crowd {
    pub fn new(connections_max: u32) -> Crowd {
        let patient_max = (connections_max * 3 / 4).max(1);
        Crowd { start: Instant::now(), moved_ms: AtomicU64::new(0), waiting: AtomicU32::new(0), patient_max }
    }

    /// Notes that a connection was taken or given back.
    pub fn moved(&self) {
        self.moved_ms.store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Waits by way of `take`, a moment at a time, until `end` at the latest, and as long as that is worth it: `is_away` tells
    /// whether there is no connection and none can be opened.
    pub fn wait<T>(
        &self,
        end: Instant,
        is_away: impl Fn() -> bool,
        mut take: impl FnMut(Duration) -> Option<T>,
    ) -> Option<T> {
        let start = Instant::now();
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            // How long it has been quiet counts from when somebody minds.
            self.moved();
        }
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let is_away = is_away();
            let is_over = left.is_zero() || is_away && start.elapsed() >= AWAY_MAX;
            if !is_over && self.is_one_too_many(is_away) {
                return None;
            }
            let taken = if is_over { None } else { take(left.min(LOOK)) };
            if taken.is_some() || is_over {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return taken;
            }
        }
    }

    /// Whether somebody has to go, who then does not count any more.
    fn is_one_too_many(&self, is_away: bool) -> bool {
        let quiet = self.start.elapsed().saturating_sub(Duration::from_millis(self.moved_ms.load(Ordering::Relaxed)));
        let leave = |waiting: u32| (waiting > self.patient_max).then(|| waiting - 1);
        (is_away || quiet >= STUCK) && self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, leave).is_ok()
    }
}
