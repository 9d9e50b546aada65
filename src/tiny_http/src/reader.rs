//! The reading side of a connection, without its socket: bytes in, requests out.
//!
//! Knows nothing of time, threads or descriptors, so that it can be tried on any bytes cut in any way.

use crate::Method;
use crate::buffer::Buffer;
use crate::chunked::Chunked;
use crate::head::{Framing, Head, Scanner};
use crate::limits::{Limits, Reject};
use crate::spool::Spool;

/// Memory that a connection keeps between two requests, for each of its buffers.
const KEEP_BYTES: usize = 2 << 10;
const EMPTY_LINE: &[u8] = b"\r\n";

/// What [`Reader::advance`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The bytes so far are not a whole request.
    More,
    /// As `More`, and the client waits for `100 Continue` before it sends the body.
    MoreAfterContinue,
    /// As `More`, and the body becomes too large for memory: it goes on when it has a [`Spool`].
    Large,
    /// A request is there for the program: with its whole body, or with the beginning of one that streams.
    Request,
    /// The unread rest of a body has been thrown away; the next request may come.
    Drained,
}

/// What the reader is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Head,
    Body,
    /// The program has the request.
    Request,
    /// The reply is written and the rest of the body is on its way to nowhere.
    Drain,
}

/// The body of the request at hand, as far as it is framing.
#[derive(Debug, Clone)]
enum Body {
    Length(u64),
    Chunked(Chunked),
}

impl Body {
    fn is_done(&self) -> bool {
        match self {
            Body::Length(remaining) => *remaining == 0,
            Body::Chunked(chunked) => chunked.is_done(),
        }
    }

    fn decode(&mut self, input: &mut Buffer, out: &mut Vec<u8>, room: usize) -> Result<(), Reject> {
        match self {
            Body::Length(remaining) => {
                let available = input.data().len().min(room);
                let count = usize::try_from(*remaining).map_or(available, |remaining| remaining.min(available));
                out.extend_from_slice(&input.data()[..count]);
                input.consume(count);
                *remaining -= count as u64;
                Ok(())
            }
            Body::Chunked(chunked) => chunked.decode(input, out, room),
        }
    }
}

/// Reads the requests of one connection, one at a time.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) input: Buffer,
    pub(crate) head: Head,
    scanner: Scanner,
    body: Body,
    /// Decoded bytes of the body, and how many of them the program has read.
    data: Vec<u8>,
    read: usize,
    /// Bytes of the body decoded so far, and how many are collected before the program sees the request.
    body_bytes: u64,
    collected_max: u64,
    /// Where they are when they are many.
    spool: Option<Spool>,
    phase: Phase,
    is_continue_due: bool,
    is_after_empty_line: bool,
}

impl Reader {
    pub(crate) fn new() -> Reader {
        Reader {
            input: Buffer::default(),
            head: Head::default(),
            scanner: Scanner::default(),
            body: Body::Length(0),
            data: Vec::new(),
            read: 0,
            body_bytes: 0,
            collected_max: 0,
            spool: None,
            phase: Phase::Head,
            is_continue_due: false,
            is_after_empty_line: false,
        }
    }

    /// Makes it look as if this request had been read, with as much of the body as the head says.
    pub(crate) fn set_request(&mut self, head: Head, body: &str) {
        let length = head.content_length().unwrap_or(0).min(body.len());
        self.head = head;
        self.data = body.as_bytes()[..length].to_vec();
        self.phase = Phase::Request;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// True between two requests, when not a byte of the next one is there.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Head && self.input.is_empty()
    }

    /// How much to read from the socket at a time: little for heads, more for bodies.
    pub(crate) fn room(&self) -> usize {
        match self.phase {
            Phase::Head => KEEP_BYTES,
            _ => 32 << 10,
        }
    }

    /// Bytes of memory that the request at hand holds.
    pub(crate) fn memory(&self) -> usize {
        self.input.capacity() + self.data.capacity()
    }

    /// Goes as far as the bytes go.
    pub(crate) fn advance(&mut self, limits: &Limits) -> Result<Step, Reject> {
        match self.phase {
            Phase::Head => self.advance_head(limits),
            Phase::Body => self.advance_body(limits),
            Phase::Request => Ok(Step::Request),
            Phase::Drain => self.advance_drain(limits),
        }
    }

    fn advance_head(&mut self, limits: &Limits) -> Result<Step, Reject> {
        while let Some(length) = self.scanner.scan(self.input.data(), limits)? {
            self.scanner = Scanner::default();
            if length == EMPTY_LINE.len() {
                // Some clients end a body with one line break too many (RFC 9112, 2.2).
                if std::mem::replace(&mut self.is_after_empty_line, true) {
                    return Err(Reject::bad("the request line is empty"));
                }
                self.input.consume(length);
                continue;
            }
            self.head.read(&self.input.data()[..length], limits)?;
            self.input.consume(length);
            self.is_after_empty_line = false;
            return self.begin_body(limits);
        }
        Ok(Step::More)
    }

    fn begin_body(&mut self, limits: &Limits) -> Result<Step, Reject> {
        self.data.clear();
        (self.read, self.body_bytes) = (0, 0);
        self.is_continue_due = self.head.expects_continue;
        self.body = match self.head.framing {
            Framing::Length(length) if length > limits.body_bytes => return Err(BODY_TOO_LARGE),
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::new()),
        };
        self.collected_max = if self.body.is_done() { 0 } else { self.most_to_collect(limits) };
        let is_stream = matches!(self.body, Body::Length(length) if length > self.collected_max);
        if self.body.is_done() || is_stream || (self.is_continue_due && !limits.continue_early) {
            self.phase = Phase::Request;
            return Ok(Step::Request);
        }
        self.phase = Phase::Body;
        match self.advance_body(limits)? {
            Step::More if self.take_continue() => Ok(Step::MoreAfterContinue),
            step => Ok(step),
        }
    }

    fn advance_body(&mut self, limits: &Limits) -> Result<Step, Reject> {
        let left = usize::try_from(self.collected_max - self.body_bytes).unwrap_or(usize::MAX);
        let room = match self.spool {
            Some(_) => left,
            None => left.min(limits.body_buffer_bytes.saturating_sub(self.data.len())),
        };
        self.decode(room, limits)?;
        if let Some(spool) = &mut self.spool {
            spool.write(&self.data)?;
            self.data.clear();
        }
        let is_full = self.body_bytes >= self.collected_max && self.has_more_data();
        if self.body.is_done() || is_full {
            // Whoever has sent it does not wait to be told.
            self.is_continue_due = false;
            self.phase = Phase::Request;
            return Ok(Step::Request);
        }
        let is_large = self.spool.is_none() && self.data.len() >= limits.body_buffer_bytes && self.has_more_data();
        Ok(if is_large { Step::Large } else { Step::More })
    }

    /// Bytes of the body that are collected: of one whose length is not known one more than the program wants.
    fn most_to_collect(&self, limits: &Limits) -> u64 {
        let wanted = limits.policy.as_ref().map(|policy| policy.body_bytes(&self.head.method, &self.head.target));
        let wanted = wanted.map_or(u64::MAX, |wanted| match self.head.framing {
            Framing::Length(_) => wanted,
            Framing::Chunked => wanted.saturating_add(1),
        });
        wanted.min(if limits.large_bodies == 0 { limits.body_buffer_bytes as u64 } else { limits.body_bytes })
    }

    /// Moves what has been collected out of memory.
    pub(crate) fn use_spool(&mut self, mut spool: Spool) -> Result<(), Reject> {
        spool.write(&self.data)?;
        self.data = Vec::new();
        self.spool = Some(spool);
        Ok(())
    }

    /// Decodes up to `room` bytes of the body to the end of `data`.
    fn decode(&mut self, room: usize, limits: &Limits) -> Result<(), Reject> {
        let before = self.data.len();
        let allowed = usize::try_from(limits.body_bytes - self.body_bytes).unwrap_or(usize::MAX);
        self.body.decode(&mut self.input, &mut self.data, room.min(allowed))?;
        self.body_bytes += (self.data.len() - before) as u64;
        let is_over = self.body_bytes == limits.body_bytes && self.has_more_data();
        if is_over { Err(BODY_TOO_LARGE) } else { Ok(()) }
    }

    /// Whether bytes have been announced that are missing.
    fn has_more_data(&self) -> bool {
        match &self.body {
            Body::Length(remaining) => *remaining > 0,
            Body::Chunked(chunked) => chunked.is_in_data(),
        }
    }

    /// Copies bytes of the body to the program; 0 when there are none left here. Whether the body is at its end is
    /// [`Reader::is_body_done`]'s to say.
    pub(crate) fn read_body(&mut self, out: &mut [u8], limits: &Limits) -> Result<usize, Reject> {
        if let Some(spool) = &mut self.spool {
            match spool.read(out) {
                Ok(0) => {}
                Ok(count) => return Ok(count),
                Err(error) => {
                    log::error!("a body that was kept cannot be read: {error}");
                    return Err(BODY_LOST);
                }
            }
        }
        if self.read == self.data.len() && !self.body.is_done() {
            self.data.clear();
            self.read = 0;
            self.decode(out.len().max(KEEP_BYTES), limits)?;
        }
        let count = out.len().min(self.data.len() - self.read);
        out[..count].copy_from_slice(&self.data[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }

    /// Bytes of the body that have come.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether every byte of the body has come.
    pub(crate) fn is_body_done(&self) -> bool {
        self.body.is_done()
    }

    /// Whether the client waits for `100 Continue`; asking twice answers no.
    pub(crate) fn take_continue(&mut self) -> bool {
        std::mem::take(&mut self.is_continue_due) && self.input.is_empty()
    }

    /// Whether what is left of the body is little enough to be read and thrown away after the reply.
    pub(crate) fn can_drain(&self, limits: &Limits) -> bool {
        match &self.body {
            // Whoever was never told to continue may send the body or not: the next bytes mean nothing.
            _ if self.is_continue_due => false,
            Body::Length(remaining) => *remaining <= limits.drain_bytes as u64,
            Body::Chunked(_) => true,
        }
    }

    /// After the reply: on to the next request, by way of what the program left of this one.
    pub(crate) fn finish(&mut self) {
        self.phase = if self.body.is_done() { Phase::Head } else { Phase::Drain };
        self.is_continue_due = false;
        self.head.method = Method::Get;
        self.body_bytes = 0;
        self.data.clear();
        self.read = 0;
        self.spool = None;
        self.data.shrink_to(KEEP_BYTES);
        self.input.shrink(KEEP_BYTES);
        self.head.shrink(KEEP_BYTES);
    }

    /// Gives all memory back: nobody wants what has been read.
    pub(crate) fn forget(&mut self) {
        self.input = Buffer::default();
        self.data = Vec::new();
        self.spool = None;
    }

    fn advance_drain(&mut self, limits: &Limits) -> Result<Step, Reject> {
        let before = self.input.data().len();
        self.body.decode(&mut self.input, &mut self.data, usize::MAX)?;
        self.body_bytes += (before - self.input.data().len()) as u64;
        self.data.clear();
        if self.body.is_done() {
            self.finish();
            return Ok(Step::Drained);
        }
        if self.body_bytes > limits.drain_bytes as u64 {
            return Err(BODY_TOO_LARGE);
        }
        Ok(Step::More)
    }
}

const BODY_LOST: Reject = Reject::new(503, "the body is lost; try again");
pub(crate) const BODY_TOO_LARGE: Reject = Reject::new(413, "the body is too large");
