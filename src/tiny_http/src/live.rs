//! A request in the program's hands: its connection, the reply to it, and the way back to the server.

use std::cell::RefCell;
use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use crate::connection::Connection;
use crate::encode::{Body, Exchange, Keep};
use crate::engine::Engine;
use crate::limits::Limits;
use crate::pace::Pace;
use crate::{HTTPVersion, Method, Response};

/// Memory for encoding replies that a thread keeps from one to the next.
const SCRATCH_BYTES: usize = 128 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A request's connection while the program has it, and the way back.
pub(crate) struct Live {
    pub(crate) connection: Box<Connection>,
    /// The server that the connection belongs to. A request made for a test has none.
    engine: Option<Arc<Engine>>,
    pace: Pace,
    /// The client may have got a part of the reply.
    is_begun: bool,
    /// The end of the reply is the end of the connection.
    ends_with_close: bool,
}

impl Live {
    pub(crate) fn new(connection: Box<Connection>, engine: Option<Arc<Engine>>) -> Live {
        Live { connection, engine, pace: Pace::default(), is_begun: false, ends_with_close: false }
    }

    pub(crate) fn hand_out(&self) {
        if let Some(engine) = &self.engine {
            engine.hand_out(&self.connection);
        }
    }

    /// Gives the connection back to its server with the request that it has.
    pub(crate) fn pass(self) {
        if let Some(engine) = self.engine {
            engine.pass(self.connection);
        }
    }

    /// Gives the connection back to its server.
    pub(crate) fn release(self, is_kept: bool) {
        if let Some(engine) = self.engine {
            engine.release(self.connection, is_kept);
        }
    }

    /// Whether the connection can be used for another request after this one.
    pub(crate) fn is_kept(&self) -> bool {
        let Some(engine) = &self.engine else { return true };
        let connection = &self.connection;
        connection.reader.head.keep_alive
            && connection.broken.is_none()
            && connection.reader.can_drain(&engine.limits)
            && !engine.is_closing()
    }

    /// Calls `act` with the limits of the server.
    pub(crate) fn with_limits<T>(&mut self, act: impl FnOnce(&mut Connection, &mut Pace, &Limits) -> T) -> T {
        match &self.engine {
            Some(engine) => act(&mut self.connection, &mut self.pace, &engine.limits),
            None => act(&mut self.connection, &mut self.pace, &Limits::default()),
        }
    }

    /// Writes a response, all of it or all but what can be left to the server, and answers whether the connection is
    /// kept after it. An error means that the client got nothing, or not all.
    fn write<R: Read>(&mut self, mut response: Response<R>, is_kept: bool) -> io::Result<bool> {
        let connection = &mut *self.connection;
        let head = &connection.reader.head;
        let is_kept_by_default = head.version == HTTPVersion(1, 1);
        let mut output = SCRATCH.take();
        let exchange = Exchange {
            version: &head.version,
            te: head.header("TE"),
            is_head: head.method == Method::Head,
            upgrade: None,
            connection: self.engine.is_some().then_some(Keep { is_kept, is_kept_by_default }),
        };
        let mut body = response.encode_head(&exchange, &mut output)?;
        self.ends_with_close = body == Body::UntilClose;
        *connection.output_mut() = output;
        loop {
            let is_end = body.encode(response.reader_mut(), self.connection.output_mut())?;
            self.write_some(is_end)?;
            if is_end {
                return Ok(is_kept && !self.ends_with_close);
            }
        }
    }

    /// Writes what has been encoded. What the client does not take at once is left to the server if it is the end of
    /// the reply and not too much; otherwise this thread waits.
    fn write_some(&mut self, is_end: bool) -> io::Result<()> {
        self.is_begun = true;
        // A thread that does not wait for the client is as good as done.
        self.connection.socket.set_owed(!is_end);
        if self.connection.flush()? {
            if is_end && self.connection.output_mut().capacity() <= SCRATCH_BYTES {
                SCRATCH.set(std::mem::take(self.connection.output_mut()));
            }
            return Ok(());
        }
        let Some(engine) = &self.engine else { return Ok(()) };
        let limits = &engine.limits;
        let rest = match engine.has_memory_for(self.connection.unsent()) && !engine.is_closed() {
            true => limits.reply_buffer_bytes,
            false => 0,
        };
        self.connection.socket.set_owed(self.connection.unsent() > rest || !is_end);
        // The next piece will be encoded behind what is left, so what is left is kept within the limit.
        self.connection.flush_waiting(rest, &mut self.pace, limits)
    }

    /// Answers with what the program gave, and gives the connection back.
    pub(crate) fn respond<R: Read>(mut self, response: Response<R>) -> io::Result<()> {
        let is_kept = self.is_kept() && !response.closes();
        // The response reads from the program's own reader, which may panic as any handler.
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.write(response, is_kept)));
        if !matches!(result, Ok(Ok(_))) {
            self.connection.abandon_output();
            if !self.is_begun {
                // Nothing has been sent, so the client can still be told that something went wrong here.
                let _ = self.write(Response::empty(500), false);
            } else if self.ends_with_close {
                // An orderly end would say that this was all.
                self.connection.abort();
            }
        }
        self.release(matches!(result, Ok(Ok(true))));
        match result {
            Ok(result) => result.map(|_| ()),
            Err(panic) => panic::resume_unwind(panic),
        }
    }
}

impl Read for Live {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.with_limits(|connection, pace, limits| connection.read_waiting(out, pace, limits))
    }
}
