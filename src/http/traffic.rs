//! What is counted of requests: how many, how they ended, and how long they took, by endpoint.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::endpoint::Endpoint;
use super::log::Exchange;
use super::sample::Sample;
use crate::metrics::{Family, Histogram, LATENCY_BOUNDS, Text};

/// Statuses by their first digit, from 1xx on.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Requests that met no endpoint.
const NOWHERE: &str = "none";

/// The counts of one endpoint.
#[derive(Debug)]
struct Counts {
    method: &'static str,
    path: String,
    by_class: [AtomicU64; CLASSES.len()],
    times: Histogram,
}

/// The counts of all endpoints.
#[derive(Debug)]
pub struct Traffic {
    by_endpoint: Vec<Counts>,
    running: AtomicU64,
    waiting: AtomicU64,
    sample: Sample,
}

impl Traffic {
    pub(super) fn new(endpoints: &[Endpoint]) -> Traffic {
        let counts = |method, path: &str| Counts {
            method,
            path: path.to_owned(),
            by_class: Default::default(),
            times: Histogram::new(LATENCY_BOUNDS),
        };
        let of = endpoints.iter().map(|endpoint| counts(endpoint.verb.name(), &endpoint.path));
        Traffic {
            by_endpoint: of.chain([counts(NOWHERE, NOWHERE)]).collect(),
            running: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            sample: Sample::default(),
        }
    }

    pub(super) fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A request waits, and has no thread.
    pub(super) fn pause(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn resume(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request to the endpoint of this place in the table; `None` met none.
    pub(super) fn end(&self, place: Option<usize>, status: u16, time: Duration) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        let counts = &self.by_endpoint[place.unwrap_or(self.by_endpoint.len() - 1)];
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        counts.by_class[class].fetch_add(1, Ordering::Relaxed);
        counts.times.observe(time);
    }

    /// Whether a request is worth a line in the logs.
    pub(super) fn is_noted(&self, exchange: &Exchange) -> bool {
        self.sample.has(exchange)
    }

    /// Writes what has been counted. Endpoints that nobody has called are left out.
    pub fn write(&self, text: &mut Text) {
        let called: Vec<_> = self
            .by_endpoint
            .iter()
            .map(|counts| (counts, counts.times.snapshot()))
            .filter(|(_, times)| times.count > 0)
            .collect();
        text.family("mainstay_http_requests_total", Family::Counter, "Requests, by endpoint and kind of status.");
        for (counts, _) in &called {
            for (class, count) in CLASSES.iter().zip(&counts.by_class) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("method", counts.method), ("path", &*counts.path), ("status", class)];
                    text.sample("mainstay_http_requests_total", &labels, count as f64);
                }
            }
        }
        let name = "mainstay_http_request_duration_seconds";
        text.family(name, Family::Histogram, "How long requests took, by endpoint.");
        for (counts, times) in &called {
            text.histogram(name, &[("method", counts.method), ("path", &counts.path)], times);
        }
        let running = self.running.load(Ordering::Relaxed);
        text.one("mainstay_http_requests_running", Family::Gauge, "Requests that are being answered.", running as f64);
        let waiting = self.waiting.load(Ordering::Relaxed);
        let help = "Requests that wait for a change, without a thread.";
        text.one("mainstay_http_requests_waiting", Family::Gauge, help, waiting as f64);
        let help =
            "Refused requests of strangers, and refused for their number, that are in no log: each minute has a few.";
        let unlogged = self.sample.left_out() as f64;
        text.one("mainstay_http_requests_unlogged_total", Family::Counter, help, unlogged);
    }
}
