//! The last of a reply's way: its headers, its body, perhaps compressed, and the socket.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tiny_http::{Header, Request, Response};

use super::call::Timing;
use super::compress;
use super::reply::{Body, Reply};
use crate::request_id::RequestId;

/// Sends a reply, and answers how many bytes its body had.
pub(super) fn send(
    request: Request,
    reply: Reply,
    request_id: &RequestId,
    timing: Option<&Timing>,
    start: Instant,
) -> io::Result<usize> {
    let (kind, body, is_compressed) = encode(reply.body, request.header("Accept-Encoding"));
    let length = body.len();
    let mut headers: Vec<Header> = Vec::with_capacity(8 + reply.headers.len());
    let mut add = |name: &str, value: &str| headers.extend(Header::from_bytes(name, value));
    if let Some(kind) = kind {
        add("Content-Type", kind);
        add("X-Content-Type-Options", "nosniff");
    }
    if is_compressed {
        add("Content-Encoding", "gzip");
    }
    if is_compressed || length >= compress::BYTES_MIN {
        add("Vary", "Accept-Encoding");
    }
    for (name, value) in &reply.headers {
        add(name, value);
    }
    if !reply.headers.iter().any(|(name, _)| *name == "Cache-Control") {
        add("Cache-Control", "no-store");
    }
    add("X-Request-Id", request_id.as_str());
    if let Some(timing) = timing {
        add("Server-Timing", &server_timing(timing, start.elapsed()));
    }
    let data_length = if kind.is_some() || reply.status >= 200 { Some(length) } else { None };
    let response = Response::new(reply.status.into(), headers, io::Cursor::new(body), data_length, None);
    // All of it is here already: whoever reads it may know how long it is.
    let response = response.with_chunked_threshold(usize::MAX);
    request.respond(response).map(|()| length)
}

/// The type of a body, the bytes to send, and whether they are compressed.
fn encode(body: Body, accepted: Option<&str>) -> (Option<&'static str>, Bytes, bool) {
    let (kind, text) = match body {
        Body::Empty => return (None, Bytes::new(), false),
        Body::Json(text) => ("application/json", text),
        Body::Text(kind, text) => (kind, text),
        Body::Shared(shared) => {
            let compressed = shared.gzip(accepted);
            let is_compressed = compressed.is_some();
            return (Some(shared.kind), compressed.unwrap_or_else(|| shared.bytes.clone()), is_compressed);
        }
    };
    let is_wanted = compress::is_wanted(accepted, text.len());
    match is_wanted.then(|| compress::gzip(text.as_bytes())).flatten() {
        Some(compressed) => (Some(kind), compressed.into(), true),
        None => (Some(kind), text.into(), false),
    }
}

fn server_timing(timing: &Timing, total: Duration) -> String {
    let [auth, pool, database, total] =
        [timing.auth.get(), timing.pool.get(), timing.database.get(), total].map(|time| time.as_micros() as u64);
    // The time in the pool is not time in the database, though it passes meanwhile.
    format!(
        "auth;dur={}.{:03}, pool;dur={}.{:03}, db;dur={}.{:03}, total;dur={}.{:03}",
        auth / 1000,
        auth % 1000,
        pool / 1000,
        pool % 1000,
        database / 1000,
        database % 1000,
        total / 1000,
        total % 1000
    )
}
