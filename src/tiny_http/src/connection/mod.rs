//! One connection: its socket, what has been read of its requests and what is still to be written to it.
//!
//! A connection acts only when a thread holds it. `step` goes as far as it can without waiting.

mod waiting;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::epoll::EventFlags;

use crate::encode::{Exchange, Keep};
use crate::limits::{Limits, Reject};
use crate::listen::Socket;
use crate::pace::{Timer, Wait};
use crate::reader::{Phase, Reader, Step};
use crate::token::Token;
use crate::{Method, Response, StatusCode};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Reads of a closing connection before other connections get their turn.
const LINGER_READS: u32 = 8;

/// Bytes read from one connection before others get their turn.
const READ_AT_ONCE: usize = 256 << 10;

/// Whoever has sent nothing for so long was not about to send something.
const SILENCE_MS: u64 = 1_000;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The last reply is on its way.
    Closing,
    /// Our side is closed. The client's bytes are thrown away until it closes too, because a socket closed with
    /// unread bytes sends a reset, which may overtake our reply.
    Lingering,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is a request for the program.
    Request,
    /// Its body needs a place for large ones.
    Large,
    /// Nothing more can be done before the next event.
    Wait,
    /// There is more to do, but others should come first.
    Again,
    /// It is over.
    Close,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) token: Token,
    pub(crate) socket: Arc<Socket>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) reader: Reader,
    output: Vec<u8>,
    sent: usize,
    stage: Stage,
    /// The socket may have bytes to read of which no further event will tell.
    has_unread: bool,
    /// An event may have told of the client's end, so read until there is nothing rather than until there is less than
    /// was asked for.
    reads_to_end: bool,
    /// A request has been rejected and not counted yet.
    is_rejected: bool,
    /// There were too many connections, and it is here only to be told so.
    pub(crate) is_refused: bool,
    is_aborted: bool,
    /// It has brought a request.
    has_asked: bool,
    /// Why the body of the request could not be read.
    pub(crate) broken: Option<Reject>,
    /// Bytes read or written since the timer was set.
    progress: usize,
    timer: Timer,
    /// The memory that the server has been told of.
    pub(crate) charged: usize,
    /// The events that the server waits for.
    pub(crate) interest: EventFlags,
}

impl Connection {
    pub(crate) fn new(token: Token, socket: Arc<Socket>, peer: Option<SocketAddr>) -> Connection {
        Connection {
            token,
            socket,
            peer,
            reader: Reader::new(),
            output: Vec::new(),
            sent: 0,
            stage: Stage::Open,
            has_unread: false,
            reads_to_end: false,
            is_rejected: false,
            is_refused: false,
            is_aborted: false,
            has_asked: false,
            broken: None,
            progress: 0,
            timer: Timer::new(Instant::now()),
            charged: 0,
            interest: EventFlags::empty(),
        }
    }

    /// Notes an event of the socket. `flags` may be lost on the way; then it is all of them.
    pub(crate) fn note_event(&mut self, flags: EventFlags) {
        self.has_unread = true;
        self.reads_to_end |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
    }

    /// Goes as far as possible without waiting.
    pub(crate) fn step(&mut self, limits: &Limits) -> Verdict {
        let mut read = 0;
        loop {
            if self.has_output() {
                match self.flush() {
                    Ok(true) => self.output = Vec::new(),
                    Ok(false) => return Verdict::Wait,
                    Err(_) => return Verdict::Close,
                }
            }
            if self.stage != Stage::Open {
                return self.linger();
            }
            match self.reader.advance(limits) {
                Ok(Step::Request) => {
                    self.timer.stop();
                    self.has_asked = true;
                    return Verdict::Request;
                }
                Ok(Step::Large) => return Verdict::Large,
                Ok(Step::Drained) => continue,
                Ok(Step::MoreAfterContinue) => {
                    self.output.extend_from_slice(CONTINUE);
                    continue;
                }
                Ok(Step::More) => {}
                Err(_) if self.reader.phase() == Phase::Drain => self.stage = Stage::Closing,
                Err(reject) => self.reject(reject),
            }
            if self.stage != Stage::Open {
                continue;
            }
            if !self.has_unread {
                return Verdict::Wait;
            }
            if read >= READ_AT_ONCE {
                return Verdict::Again;
            }
            match self.fill() {
                Ok(0) if self.reader.is_idle() || self.reader.phase() == Phase::Drain => return Verdict::Close,
                Ok(0) => self.reject(Reject::bad("the connection ended before the request did")),
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Verdict::Wait,
                Err(_) => return Verdict::Close,
            }
        }
    }

    /// Reads once from the socket. To a request that was made for a test nobody sends anything.
    fn fill(&mut self) -> io::Result<usize> {
        let Ok(socket) = self.socket.fd() else { return Ok(0) };
        let result = self.reader.input.fill(socket, self.reader.room());
        match &result {
            Ok((count, has_more)) => {
                self.progress += count;
                self.has_unread = *has_more || self.reads_to_end;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.has_unread = false;
                self.reads_to_end = false;
            }
            Err(_) => {}
        }
        result.map(|(count, _)| count)
    }

    /// Answers a connection that cannot be served, and closes.
    pub(crate) fn refuse(&mut self, reject: Reject) {
        self.reject(reject);
        self.is_rejected = false;
        self.is_refused = true;
    }

    /// Answers a request that cannot be served, and closes.
    pub(crate) fn reject(&mut self, reject: Reject) {
        let mut response = Response::from_string(format!("{}\n", reject.detail)).with_status_code(reject.status);
        if reject.status == 503 {
            response.add_header(crate::Header::from_bytes("Retry-After", "1").expect("a token and a digit"));
        }
        let exchange = Exchange {
            version: &crate::HTTPVersion(1, 1),
            te: None,
            is_head: self.reader.head.method == Method::Head,
            upgrade: None,
            connection: Some(Keep { is_kept: false, is_kept_by_default: true }),
        };
        let encoded = response
            .encode_head(&exchange, &mut self.output)
            .and_then(|mut body| body.encode(response.reader_mut(), &mut self.output));
        debug_assert!(encoded.is_ok(), "a text in memory is a good response");
        self.stage = Stage::Closing;
        self.is_rejected = true;
    }

    /// Whether a request has been rejected since this was last asked.
    pub(crate) fn take_rejected(&mut self) -> bool {
        std::mem::take(&mut self.is_rejected)
    }

    /// Closes our side, and reads what the client still sends.
    fn linger(&mut self) -> Verdict {
        if self.stage == Stage::Closing {
            self.stage = Stage::Lingering;
            self.socket.shutdown(Shutdown::Write);
            self.has_unread = true;
        }
        for _ in 0..LINGER_READS {
            match self.fill() {
                Ok(0) => return Verdict::Close,
                Ok(_) => self.reader.input.consume(self.reader.input.data().len()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.reader.forget();
                    return Verdict::Wait;
                }
                Err(_) => return Verdict::Close,
            }
        }
        Verdict::Again
    }

    /// After the program's reply: on to the next request, or to the end. Answers true if it can be closed at once.
    pub(crate) fn finish(&mut self, is_kept: bool) -> bool {
        self.broken = None;
        self.timer.stop();
        if !self.has_output() {
            self.output = Vec::new();
        }
        if is_kept {
            self.reader.finish();
            return false;
        }
        if self.is_aborted {
            return true;
        }
        self.stage = Stage::Closing;
        // A client that asked for the end of the connection and has sent no more will not be hit by a reset.
        let is_clean = self.reader.is_body_done() && self.reader.input.is_empty() && !self.has_unread;
        is_clean
            && !self.reader.head.keep_alive
            && !self.has_output()
            // Whether more has come during the request, only the socket knows.
            && matches!(self.fill(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Makes the connection end with a failure that the client sees.
    pub(crate) fn abort(&mut self) {
        self.socket.reset_on_close();
        self.is_aborted = true;
    }

    /// Writes no more, and gives the memory back.
    pub(crate) fn abandon_output(&mut self) {
        self.output = Vec::new();
        self.sent = 0;
    }

    /// Gives the connection back in the state in which it waits, with the time that it has.
    pub(crate) fn set_timer(&mut self, now: Instant, limits: &Limits) {
        let wait = self.wait();
        self.timer.set(wait, std::mem::take(&mut self.progress), now, limits);
    }

    /// What the connection waits for.
    pub(crate) fn wait(&self) -> Wait {
        if self.has_output() {
            return Wait::Flush;
        }
        match (self.stage, self.reader.phase()) {
            (Stage::Open, Phase::Head) if self.reader.is_idle() => Wait::Idle,
            (Stage::Open, Phase::Head) => Wait::Head,
            (Stage::Open, Phase::Body) => Wait::Body,
            (Stage::Open, Phase::Drain) => Wait::Drain,
            (Stage::Open, Phase::Request) => Wait::Thread,
            (Stage::Closing | Stage::Lingering, _) => Wait::Linger,
        }
    }

    /// Whether a request has come, or begun to come, and its reply is not on the way to the last byte.
    pub(crate) fn is_owed_a_reply(&self) -> bool {
        !matches!(self.wait(), Wait::Idle | Wait::Linger | Wait::Drain)
    }

    /// How dear it is while it waits for its client, less if it should be closed sooner: by what it waits for, then by how
    /// recently that began, or by the rate at which its body comes. `None`: its client waits for the program.
    pub(crate) fn worth(&self, now: Instant) -> Option<(u8, u64)> {
        let milliseconds = now.saturating_duration_since(self.timer.since()).as_millis() as u64;
        let recent = u64::MAX - milliseconds;
        match self.wait() {
            Wait::Idle => Some((u8::from(self.has_asked || milliseconds < SILENCE_MS), recent)),
            Wait::Linger | Wait::Drain => Some((2, recent)),
            Wait::Head => Some((3, recent)),
            Wait::Body => Some((4, self.reader.body_bytes() / (milliseconds + 1))),
            Wait::Flush => Some((5, recent)),
            Wait::Thread => None,
        }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.timer.is_due(now)
    }

    /// Looks at the time. Answers true if the connection is to be closed without a word.
    pub(crate) fn is_over(&mut self, now: Instant, limits: &Limits) -> bool {
        match self.timer.expired(now, limits) {
            None | Some(Wait::Thread) => false,
            Some(Wait::Head) => {
                self.reject(Reject::new(408, "the head of the request took too long"));
                false
            }
            Some(Wait::Body) => {
                self.reject(Reject::new(408, "the body of the request took too long"));
                false
            }
            Some(Wait::Idle | Wait::Drain | Wait::Flush | Wait::Linger) => true,
        }
    }

    /// Bytes of memory worth counting.
    pub(crate) fn memory(&self) -> usize {
        self.reader.memory() + self.output.capacity()
    }

    /// Where the reply is encoded. It is sent with one of the `flush` methods.
    pub(crate) fn output_mut(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.output.len()
    }

    /// Bytes of the reply that the socket has not taken.
    pub(crate) fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Writes what the socket takes, and answers whether it took all.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        while self.has_output() {
            match self.socket.send(&self.output[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.progress += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => {
                    self.abandon_output();
                    return Err(error);
                }
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(true)
    }

    /// The status for a request that the program dropped without an answer.
    pub(crate) fn status_of_drop(&self) -> StatusCode {
        StatusCode(self.broken.map_or(500, |reject| reject.status))
    }
}
