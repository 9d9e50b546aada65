//! Logins with addresses that nobody has. They are locked as accounts are, or the lock would tell which addresses have one.
//!
//! Each server counts for itself, and forgets when it stops: there is no row to count in. Whoever compares several servers
//! may see the difference; to keep rows for addresses that anybody makes up would cost more than that is worth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// As `identity/users/login_failed.sql` has it for accounts.
pub(super) const FAILURES_MAX: u32 = 5;
pub(super) const LOCK_TIME: Duration = Duration::from_secs(15 * 60);

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

#[derive(Debug)]
struct Attempts {
    failures: u32,
    last: Instant,
    locked_until: Option<Instant>,
}

/// The addresses that somebody tried, and nobody has.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<HashMap<String, Attempts>>);

impl Strangers {
    /// Counts a login that failed, and answers how much longer the address is locked, if it is.
    pub fn fail(&self, email: &str) -> Option<Duration> {
        let now = Instant::now();
        let mut by_email = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let email = email.to_lowercase();
        if by_email.len() >= ADDRESSES_MAX && !by_email.contains_key(&email) {
            by_email.retain(|_, attempts| now - attempts.last < LOCK_TIME);
            if by_email.len() >= ADDRESSES_MAX {
                by_email.clear();
            }
        }
        let attempts = by_email.entry(email).or_insert(Attempts { failures: 0, last: now, locked_until: None });
        attempts.last = now;
        match attempts.locked_until {
            Some(until) if until > now => return Some(until - now),
            Some(_) => (attempts.failures, attempts.locked_until) = (1, None),
            None => attempts.failures += 1,
        }
        if attempts.failures >= FAILURES_MAX {
            attempts.locked_until = Some(now + LOCK_TIME);
            return Some(LOCK_TIME);
        }
        None
    }
}
