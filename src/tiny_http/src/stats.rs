//! What a server counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) refused: Counter,
    pub(crate) requests: Counter,
    pub(crate) rejected: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) accept_pauses: Counter,
}

/// A server's figures at one moment, from [`Server::stats`](crate::Server::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open now.
    pub connections: usize,
    /// Bytes of requests and replies held for connections that no thread works on.
    pub memory_bytes: usize,
    /// Bodies kept in files.
    pub large_bodies: usize,
    /// Threads that wait for the sockets or work on a request.
    pub threads_active: usize,
    /// Threads in `recv()` that are not needed at present.
    pub threads_spare: usize,
    /// Connections accepted since the start.
    pub connections_total: u64,
    /// Connections refused with 503 because there were too many.
    pub connections_refused_total: u64,
    /// Requests handed to the program since the start.
    pub requests_total: u64,
    /// Requests answered by the server itself, because they were malformed, too large or too slow.
    pub requests_rejected_total: u64,
    /// Connections closed because they were idle or stuck for too long.
    pub timeouts_total: u64,
    /// Times the process ran out of descriptors and accepting had to pause.
    pub accept_pauses_total: u64,
}
