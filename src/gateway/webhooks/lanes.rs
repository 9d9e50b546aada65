//! Who gets how much of what a server can send at the same time. Nobody else's slow endpoint delays a quick one: there is a
//! lane for those that were quick the last time, and another for all the rest, and who stands still in the quick one is
//! counted in the other.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// An endpoint that takes longer is no quick one.
const QUICK_MAX: Duration = Duration::from_secs(1);
/// How long it is remembered that one was quick, and of how many.
const REMEMBERED: Duration = Duration::from_secs(600);
const ENDPOINTS_MAX: usize = 10_000;

/// What is on its way, and who was quick the last time.
#[derive(Debug)]
pub struct Lanes {
    /// Deliveries at the same time.
    room: usize,
    in_flight: HashMap<Uuid, (Uuid, Instant)>,
    quick: HashMap<Uuid, Instant>,
}

/// What may be claimed now.
#[derive(Debug, PartialEq, Eq)]
pub struct Free {
    pub quick: usize,
    pub others: usize,
    /// How much of that is for those who have nothing on its way yet.
    pub others_first: usize,
    pub quick_webhooks: Vec<Uuid>,
}

impl Lanes {
    pub fn new(room: usize) -> Lanes {
        Lanes { room, in_flight: HashMap::new(), quick: HashMap::new() }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub fn begin(&mut self, delivery: Uuid, webhook: Uuid) {
        self.in_flight.insert(delivery, (webhook, Instant::now()));
    }

    pub fn end(&mut self, delivery: Uuid, webhook: Uuid, took: Duration) {
        self.in_flight.remove(&delivery);
        if took > QUICK_MAX {
            self.quick.remove(&webhook);
            return;
        }
        if self.quick.len() >= ENDPOINTS_MAX {
            self.quick.clear();
        }
        self.quick.insert(webhook, Instant::now());
    }

    pub fn free(&mut self) -> Free {
        let now = Instant::now();
        self.quick.retain(|_, since| now.duration_since(*since) < REMEMBERED);
        for (webhook, since) in self.in_flight.values() {
            if now.duration_since(*since) > QUICK_MAX {
                self.quick.remove(webhook);
            }
        }
        let is_quick = |webhook: &Uuid| self.quick.contains_key(webhook);
        let quick = self.in_flight.values().filter(|(webhook, _)| is_quick(webhook)).count();
        let others = self.in_flight.len() - quick;
        let left = self.room.saturating_sub(self.in_flight.len());
        let quick_free = (self.room / 2).saturating_sub(quick).min(left);
        let others_free = (self.room - self.room / 2).saturating_sub(others).min(left - quick_free);
        Free {
            quick: quick_free,
            others: others_free,
            others_first: self.room / 4,
            quick_webhooks: self.quick.keys().copied().collect(),
        }
    }
}
