//! The limits of a server, each with its default and what happens beyond it.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::Policy;

/// What a server allows its clients. Every buffer, queue and wait of the server has its bound here.
///
/// ```
/// use std::time::Duration;
/// let limits = tiny_http::Limits { head_time: Duration::from_secs(5), ..Default::default() };
/// assert_eq!(limits.connections, 10_000);
/// ```
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once: 10,000, and never more than 1,048,576. For one more, one that has been waiting for its client for
    /// the longest is closed, first of all one that has never sent a byte in a second or more; if all have a request in the program's hands, it is
    /// answered 503 with `Retry-After` and closed.
    pub connections: usize,
    /// Connections at once from one address: no limit, because behind a proxy everybody is one address.
    /// One more is answered 503 with `Retry-After` and closed. Addresses of proxies ([`Policy::is_proxy`]) have no limit.
    pub connections_per_address: Option<usize>,
    /// Bytes of a request's head, all lines together: 32 KiB. More is answered 431.
    pub head_bytes: usize,
    /// Bytes of one line of a head: 8 KiB. A longer request line is answered 414, a longer header 431.
    pub line_bytes: usize,
    /// Headers of a request: 100. More are answered 431.
    pub headers: usize,
    /// Time for a head, from its first byte: 10 s. Then it is answered 408.
    pub head_time: Duration,
    /// Time a connection may wait without a byte of a request: 60 s. Then it is closed silently.
    pub idle_time: Duration,
    /// Time without a byte of progress in a body (answered 408) or in a reply (closed): 10 s.
    pub stall_time: Duration,
    /// The least average rate of a body, and of a reply that the client is slow to take, in bytes a second over
    /// [`rate_window`](Limits::rate_window): 1 KiB. Less is answered 408, or closed.
    pub rate_bytes: u64,
    /// The time over which [`rate_bytes`](Limits::rate_bytes) is measured: 60 s.
    pub rate_window: Duration,
    /// Bytes of a body that are collected in memory before the program sees the request: 1 MiB. A longer body, if
    /// [`body_bytes`](Limits::body_bytes) allows it at all, is collected in a file if there may be
    /// [`large_bodies`](Limits::large_bodies), and else a stream: the thread that reads it waits for the client.
    pub body_buffer_bytes: usize,
    /// Bodies at once that are longer than [`body_buffer_bytes`](Limits::body_buffer_bytes) and collected, each in an unlinked
    /// file in the folder for temporary files, until their requests are answered: none. A quarter of them may be of one
    /// address. One more is answered 503 with `Retry-After`.
    pub large_bodies: usize,
    /// Time for a body that is collected, from its first byte to its last: 5 minutes. Then it is answered 408.
    pub body_time: Duration,
    /// Bytes of a body: 1 MiB. More is answered 413.
    pub body_bytes: u64,
    /// Bytes of a reply that are kept for a client that reads slowly, after its thread has gone on: 1 MiB.
    /// Of a longer reply the thread itself writes all but the last of them.
    pub reply_buffer_bytes: usize,
    /// Bytes of an unread body that are read and thrown away to keep the connection: 64 KiB. With more to
    /// come, the connection is closed after the reply.
    pub drain_bytes: usize,
    /// Bytes of bodies and replies that all connections together may hold while no thread works on them: 256 MiB.
    /// A body beyond it is answered 503; a reply beyond it is written by its thread to the end.
    pub memory_bytes: usize,
    /// Time a closing connection is read on for, so that the client sees the answer and not a reset: 2 s.
    pub linger_time: Duration,
    /// Send `100 Continue` as soon as the head is there, and collect the body as any other: off. The documented
    /// behaviour of tiny_http is to send it when the program first reads the body, whose thread then waits for the client.
    pub continue_early: bool,
    /// The program's own say: none.
    pub policy: Option<Arc<dyn Policy>>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 10_000,
            connections_per_address: None,
            head_bytes: 32 << 10,
            line_bytes: 8 << 10,
            headers: 100,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            stall_time: Duration::from_secs(10),
            rate_bytes: 1 << 10,
            rate_window: Duration::from_secs(60),
            body_buffer_bytes: 1 << 20,
            large_bodies: 0,
            body_time: Duration::from_secs(300),
            body_bytes: 1 << 20,
            reply_buffer_bytes: 1 << 20,
            drain_bytes: 64 << 10,
            memory_bytes: 256 << 20,
            linger_time: Duration::from_secs(2),
            continue_early: false,
            policy: None,
        }
    }
}

/// Headers that fit in the parser's array, whatever `Limits` says.
pub(crate) const HEADERS_MAX: usize = 256;

/// A request that cannot be served, in the words that the client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) status: u16,
    pub(crate) detail: &'static str,
}

impl Reject {
    pub(crate) const fn new(status: u16, detail: &'static str) -> Reject {
        Reject { status, detail }
    }

    pub(crate) const fn bad(detail: &'static str) -> Reject {
        Reject::new(400, detail)
    }
}
