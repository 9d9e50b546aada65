//! Time limits: how long a connection may stay as it is, and how slowly bytes may come and go.

use std::time::{Duration, Instant};

use crate::limits::Limits;

/// Measures a rate over windows of [`Limits::rate_window`], the first of which begins when it is first asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    end: Option<Instant>,
    bytes: u64,
}

impl Pace {
    pub(crate) fn start(now: Instant, limits: &Limits) -> Pace {
        Pace { end: Some(later(now, limits.rate_window)), bytes: 0 }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Whether a window is over.
    fn is_due(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }

    /// Whether the last window, if it is over, had fewer bytes than it should.
    pub(crate) fn is_too_slow(&mut self, now: Instant, limits: &Limits) -> bool {
        if self.end.is_some() && !self.is_due(now) {
            return false;
        }
        let wanted = limits.rate_bytes as f64 * limits.rate_window.as_secs_f64();
        let is_too_slow = self.end.is_some() && (self.bytes as f64) < wanted;
        *self = Pace::start(now, limits);
        is_too_slow
    }
}

/// What a connection is waiting for while no thread works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body that the program will get.
    Body,
    /// The rest of a body that nobody wants.
    Drain,
    /// The client, to read its reply.
    Flush,
    /// The client, to close.
    Linger,
    /// A thread, to take the request that is there.
    Thread,
}

/// When a wait has lasted too long.
#[derive(Debug)]
pub(crate) struct Timer {
    wait: Wait,
    since: Instant,
    due: Instant,
    /// When the whole of what is waited for should be there, however steadily it comes.
    end: Option<Instant>,
    pace: Pace,
}

impl Timer {
    pub(crate) fn new(now: Instant) -> Timer {
        Timer { wait: Wait::Thread, since: now, due: now, end: None, pace: Pace::default() }
    }

    /// Sets the time for a wait that begins, or goes on after `progress` bytes.
    pub(crate) fn set(&mut self, wait: Wait, progress: usize, now: Instant, limits: &Limits) {
        if wait != self.wait {
            (self.wait, self.since) = (wait, now);
            self.due = later(now, time_for(wait, limits));
            self.end = (wait == Wait::Body).then(|| later(now, limits.body_time));
            if has_rate(wait) {
                self.pace = Pace::start(now, limits);
            }
        } else if progress > 0 && has_rate(wait) {
            self.due = later(now, limits.stall_time);
            self.pace.add(progress);
        }
    }

    /// Notes that the wait is over, so that the next one has its own time, be it of the same kind.
    pub(crate) fn stop(&mut self) {
        self.wait = Wait::Thread;
    }

    /// The wait that has lasted too long, if it has.
    pub(crate) fn expired(&mut self, now: Instant, limits: &Limits) -> Option<Wait> {
        let is_slow = has_rate(self.wait) && self.pace.is_too_slow(now, limits);
        let is_over = self.wait != Wait::Thread && (now >= self.due || self.is_at_end(now));
        (is_slow || is_over).then_some(self.wait)
    }

    /// Whether [`Timer::expired`] has anything to look at.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match self.wait {
            Wait::Thread => false,
            wait if has_rate(wait) => now >= self.due || self.is_at_end(now) || self.pace.is_due(now),
            _ => now >= self.due,
        }
    }

    fn is_at_end(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }

    /// When the wait began.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }
}

/// Whether a wait is for bytes that should come, or go, at the least rate.
fn has_rate(wait: Wait) -> bool {
    matches!(wait, Wait::Body | Wait::Drain | Wait::Flush)
}

fn time_for(wait: Wait, limits: &Limits) -> Duration {
    match wait {
        Wait::Idle => limits.idle_time,
        Wait::Head => limits.head_time,
        Wait::Body | Wait::Drain | Wait::Flush => limits.stall_time,
        Wait::Linger => limits.linger_time,
        Wait::Thread => Duration::ZERO,
    }
}

/// `now + time`, or as good as never for times like `Duration::MAX`.
pub(crate) fn later(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(1 << 32))
}
