//! A request on its way: what is kept of it from its arrival to its reply, also while it waits and has no thread.

use std::time::{Duration, Instant};

use tiny_http::Request;

use super::afterwards::Afterwards;
use super::call::Timing;
use super::log::Exchange;

/// A request on its way through the service.
pub(super) struct Visit {
    pub(super) request: Request,
    pub(super) exchange: Exchange,
    pub(super) timing: Timing,
    pub(super) afterwards: Afterwards,
    pub(super) start: Instant,
    /// Whether it may be put aside until something has happened.
    pub(super) may_wait: bool,
    /// Since when it waits, or waited last.
    pub(super) parked: Option<Instant>,
    /// How long it has waited in all.
    pub(super) waited: Duration,
}

impl Visit {
    /// It does not wait any more.
    pub(super) fn has_waited(&mut self) {
        self.waited += self.parked.map_or(Duration::ZERO, |since| since.elapsed());
    }

    pub(super) fn is_client_gone(&self) -> bool {
        self.request.is_client_gone()
    }
}
