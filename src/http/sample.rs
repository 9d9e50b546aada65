//! Requests of strangers that were refused: a few in each minute are written down one by one, the others are counted.
//! Whoever sends more of them than anybody can read shall not fill the logs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::log::Exchange;

/// Refused requests of strangers that are written down in a minute.
const PER_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Sample {
    minute: Mutex<Option<(Instant, u32)>>,
    left_out: AtomicU64,
}

impl Sample {
    /// Whether a request is written down, which is counted here if it is not.
    pub fn has(&self, exchange: &Exchange) -> bool {
        let is_refused = exchange.caller.is_none() && (400..500).contains(&exchange.status) || exchange.status == 429;
        if !is_refused || self.is_one_of_few() {
            return true;
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Requests that were counted only.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    fn is_one_of_few(&self) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, count) = minute.take().filter(|(start, _)| start.elapsed() < MINUTE).unwrap_or((Instant::now(), 0));
        *minute = Some((start, count + 1));
        if count == PER_MINUTE {
            log::warn!(
                "more requests are refused than are worth a line each: the others of this minute are counted only \
                 (mainstay_http_requests_unlogged_total)"
            );
        }
        count < PER_MINUTE
    }
}
