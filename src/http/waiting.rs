//! Requests that wait until something has happened, and have no thread meanwhile.
//!
//! A handler with nothing new to say asks for its request to wait: at a [`Bell`], for so long. When the bell rings, and when
//! the time is over, the request is handled again from the beginning: who is calling is asked anew, the handler looks
//! again, and what it answers is sent. So a request that has waited is a request as any other.
//!
//! Invariant: a bell that rings after the handler has looked is never missed. The handler notes how often it has rung
//! before it looks, and a request that would wait for what has happened since does not wait at all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::visit::Visit;

/// Requests that wait at one bell; it is less than there may be connections.
const WAITING_MAX: usize = 5_000;
/// How often it is looked whether the clients of those who wait are still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long whoever found no room should stay away.
pub(super) const FULL_PAUSE: Duration = Duration::from_secs(5);

/// What requests wait at.
#[derive(Default)]
pub struct Bell {
    room: Mutex<Room>,
    woken: Condvar,
}

#[derive(Default)]
struct Room {
    rung: u64,
    is_closed: bool,
    /// By the time at which they are handled whatever happens; the number keeps apart those with the same.
    waiting: BTreeMap<(Instant, u64), Box<Visit>>,
    /// Those who have waited long enough.
    due: VecDeque<Box<Visit>>,
    number: u64,
    looked: Option<Instant>,
}

/// What a handler asks for instead of an answer.
pub(super) struct Wait {
    pub bell: Arc<Bell>,
    /// How often the bell had rung when the handler looked.
    pub seen: u64,
    pub until: Instant,
}

/// Why a request does not wait.
pub(super) enum NoWait {
    /// There is something new to look at.
    Rung,
    /// The server stops.
    Closed,
    Full,
}

/// A request that somebody must go on with.
pub(super) enum Due {
    /// Its bell has rung, or its time is over.
    Again(Box<Visit>),
    /// Its client has gone away.
    Gone(Box<Visit>),
}

impl Bell {
    /// How often it has rung.
    pub fn count(&self) -> u64 {
        self.lock().rung
    }

    /// Wakes all who wait.
    pub fn ring(&self) {
        let mut room = self.lock();
        room.rung += 1;
        room.wake_all();
        self.woken.notify_all();
    }

    /// Wakes all who wait, and lets nobody wait any more.
    pub fn close(&self) {
        let mut room = self.lock();
        room.is_closed = true;
        room.wake_all();
        self.woken.notify_all();
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Lets a request wait, or gives it back with the reason why not.
    pub(super) fn park(&self, visit: Box<Visit>, wait: &Wait) -> Result<(), (Box<Visit>, NoWait)> {
        let mut room = self.lock();
        let refusal = match () {
            () if room.is_closed => NoWait::Closed,
            () if room.rung != wait.seen => NoWait::Rung,
            () if room.waiting.len() >= WAITING_MAX => NoWait::Full,
            () => {
                room.number += 1;
                let place = (wait.until, room.number);
                let is_next = room.waiting.first_key_value().is_none_or(|(first, _)| place < *first);
                room.waiting.insert(place, visit);
                if is_next {
                    // Whoever waits for the next time-out has one to wait for that comes sooner.
                    self.woken.notify_one();
                }
                return Ok(());
            }
        };
        Err((visit, refusal))
    }

    /// The next request to go on with; none when the bell is closed and nobody is left.
    pub(super) fn next(&self) -> Option<Due> {
        let mut room = self.lock();
        loop {
            let now = Instant::now();
            if let Some(visit) = room.due.pop_front() {
                return Some(Due::Again(visit));
            }
            if room.is_closed {
                return None;
            }
            if room.waiting.first_key_value().is_some_and(|((until, _), _)| *until <= now) {
                return room.waiting.pop_first().map(|(_, visit)| Due::Again(visit));
            }
            if let Some(visit) = room.somebody_gone(now) {
                return Some(Due::Gone(visit));
            }
            let until = room.waiting.first_key_value().map_or(LOOK_EVERY, |((until, _), _)| *until - now);
            let wait = until.min(LOOK_EVERY);
            room = self.woken.wait_timeout(room, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn wake_all(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.due.extend(waiting.into_values());
    }

    /// Somebody who waits and whose client is gone. When all are there, they are not asked again for a while.
    fn somebody_gone(&mut self, now: Instant) -> Option<Box<Visit>> {
        if self.looked.is_some_and(|looked| now < looked + LOOK_EVERY) {
            return None;
        }
        let place = self.waiting.iter().find(|(_, visit)| visit.is_client_gone()).map(|(place, _)| *place);
        if place.is_none() {
            self.looked = Some(now);
        }
        self.waiting.remove(&place?)
    }
}
