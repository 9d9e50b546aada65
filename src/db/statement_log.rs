//! What statements cost: how long each takes, by the name of its file, and which were slow. Parameters are never in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use postgres::error::SqlState;

use super::pool::Purpose;
use crate::metrics::{Histogram, LATENCY_BOUNDS, Snapshot};

/// The times of all statements of a database.
#[derive(Debug)]
pub struct StatementLog {
    slow: Duration,
    times: RwLock<HashMap<Box<str>, Arc<Histogram>>>,
    /// When PostgreSQL said last that its disk is full.
    disk_full: Mutex<Option<Instant>>,
}

/// So long a disk counts as full after PostgreSQL has said so.
const DISK_FULL_FOR: Duration = Duration::from_secs(60);

impl StatementLog {
    /// Statements that take `slow` or longer are logged.
    pub fn new(slow: Duration) -> StatementLog {
        StatementLog { slow, times: RwLock::default(), disk_full: Mutex::default() }
    }

    pub(super) fn note(&self, name: &str, took: Duration, purpose: Purpose) {
        if took >= self.slow {
            log::warn!(target: "mainstay::slow", "{name} took {} ms for {purpose}", took.as_millis());
        }
        let known = self.times.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let times = known.unwrap_or_else(|| {
            let mut times = self.times.write().unwrap_or_else(PoisonError::into_inner);
            times.entry(name.into()).or_insert_with(|| Arc::new(Histogram::new(LATENCY_BOUNDS))).clone()
        });
        times.observe(took);
    }

    /// Notes what a statement failed of, as far as that is of interest to others.
    pub(super) fn note_failure(&self, error: &postgres::Error) {
        if error.code() == Some(&SqlState::DISK_FULL) {
            *self.disk_full.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Whether PostgreSQL has said just now that its disk is full.
    pub fn is_disk_full(&self) -> bool {
        let last = *self.disk_full.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|moment| moment.elapsed() < DISK_FULL_FOR)
    }

    /// How long statements took, by their names.
    pub fn snapshot(&self) -> Vec<(String, Snapshot)> {
        let times = self.times.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = times.iter().map(|(name, times)| (name.to_string(), times.snapshot())).collect();
        all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        all
    }
}
