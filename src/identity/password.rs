//! Passwords: bcrypt, at most so many at a time.
//!
//! To hash a password is meant to be slow, so it is what a server is most easily kept busy with. Therefore only as many
//! are hashed at once as there are cores to spare, few may wait, and whoever comes then is told to come back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Code, Error, Result};

/// The shortest password, in characters.
pub const LENGTH_MIN: usize = 8;

/// The longest password, in bytes: bcrypt looks at 72, one of which ends the text.
pub const BYTES_MAX: usize = 71;

/// How many may wait for each that is being hashed. With 12 rounds that is about a second.
const WAITING_PER_PLACE: usize = 4;

/// When to come back.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Salt and hash of no password. Whoever found one for it would still not be let in.
const NOBODY: &str = "C6UzMDM.H6dfI/f2IKxGhuXq9uFkiH5lTzsM8HKZ4dRPpcE0Hw4yK";

/// What is wrong with a new password, in words for a field's error; `None` if it will do.
pub fn fault(password: &str) -> Option<&'static str> {
    if password.chars().count() < LENGTH_MIN {
        return Some("must have at least 8 characters");
    }
    if password.len() > BYTES_MAX {
        return Some("must have at most 71 bytes");
    }
    // bcrypt repeats what is short, with a NUL between: "a" and "a\0a" would be the same.
    password.contains('\0').then_some("must not contain the character NUL")
}

/// Hashes and checks passwords.
pub struct Passwords {
    rounds: u32,
    nobody: String,
    places: usize,
    queue: Mutex<Queue>,
    left: Condvar,
}

#[derive(Default)]
struct Queue {
    working: usize,
    waiting: usize,
}

impl Passwords {
    /// Hashes with 2 to the power of `rounds` (4 to 31) rounds, and `places` passwords at a time.
    pub fn new(rounds: u32, places: usize) -> Passwords {
        Passwords {
            rounds,
            nobody: format!("$2b${rounds:02}${NOBODY}"),
            places: places.max(1),
            queue: Mutex::default(),
            left: Condvar::new(),
        }
    }

    /// The hash of a new password, which has been looked at for faults.
    pub fn hash(&self, password: &str) -> Result<String> {
        if let Some(fault) = fault(password) {
            return Err(Error::new(Code::ValidationError, format!("the password {fault}")));
        }
        let _place = self.enter()?;
        bcrypt::hash(password, self.rounds)
            .map_err(|error| Error::internal("a password could not be hashed").because(error))
    }

    /// Whether the password is the one of this hash. Without a hash, for a user that is unknown or has no password, it
    /// is not, and to find that out takes as long.
    pub fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let possible = password.len() <= BYTES_MAX && !password.contains('\0');
        let hash = hash.filter(|_| possible);
        let _place = self.enter()?;
        let is_right = bcrypt::verify(password, hash.unwrap_or(&self.nobody))
            .map_err(|error| Error::internal("a password could not be checked").because(error))?;
        Ok(is_right && hash.is_some())
    }

    /// Whether a hash was made with another number of rounds than is wanted now. A login that has just seen the password
    /// should make a new one; until then, the time it takes tells that the user exists.
    pub fn is_outdated(&self, hash: &str) -> bool {
        hash.split('$').nth(2).and_then(|rounds| rounds.parse().ok()) != Some(self.rounds)
    }

    /// Waits for a place, if not too many do so already.
    fn enter(&self) -> Result<Place<'_>> {
        let mut queue = lock(&self.queue);
        if queue.working >= self.places {
            if queue.waiting >= self.places * WAITING_PER_PLACE {
                let error = Error::new(Code::RateLimitExceeded, "too many passwords are being checked; try again soon");
                return Err(error.retry_after(RETRY_AFTER));
            }
            queue.waiting += 1;
            let is_full = |queue: &mut Queue| queue.working >= self.places;
            queue = self.left.wait_while(queue, is_full).unwrap_or_else(PoisonError::into_inner);
            queue.waiting -= 1;
        }
        queue.working += 1;
        Ok(Place(self))
    }
}

/// The right to keep a core busy, given back when it is dropped.
struct Place<'a>(&'a Passwords);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).working -= 1;
        self.0.left.notify_one();
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
