//! What waits, within limits: the program asked for what the client has not sent yet, or gave more than it has taken.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::{CONTINUE, Connection};
use crate::limits::{Limits, Reject};
use crate::pace::{Pace, later};

impl Connection {
    /// Whether the client has closed its side. What it sent before does not matter: nobody reads our reply to that.
    pub(crate) fn is_client_gone(&self) -> bool {
        let Ok(socket) = self.socket.fd() else { return false };
        let mut sockets = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(rustix::event::poll(&mut sockets, Some(&at_once)), Ok(1..))
    }

    /// Writes until no more than `rest` bytes are left, waiting for the client within the limits.
    pub(crate) fn flush_waiting(&mut self, rest: usize, pace: &mut Pace, limits: &Limits) -> io::Result<()> {
        loop {
            let before = self.unsent();
            if self.flush()? || self.unsent() <= rest {
                // What is sent needs no room any more.
                self.output.drain(..self.sent);
                self.sent = 0;
                return Ok(());
            }
            pace.add(before - self.unsent());
            self.wait_for(PollFlags::OUT, Some(limits.stall_time), pace, limits)?;
        }
    }

    /// Reads from the body of the request, waiting for the client within the limits. 0 is the end.
    pub(crate) fn read_waiting(&mut self, out: &mut [u8], pace: &mut Pace, limits: &Limits) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.reader.take_continue() {
            self.output.extend_from_slice(CONTINUE);
            self.flush_waiting(0, pace, limits)?;
        }
        loop {
            if let Some(reject) = self.broken {
                return Err(io::Error::other(reject.detail));
            }
            match self.reader.read_body(out, limits) {
                Ok(0) if self.reader.is_body_done() => return Ok(0),
                Ok(0) => self.broken = self.fill_waiting(pace, limits)?,
                Ok(count) => return Ok(count),
                Err(reject) => self.broken = Some(reject),
            }
        }
    }

    /// Reads once from the socket when there is something; answers why nothing will come.
    fn fill_waiting(&mut self, pace: &mut Pace, limits: &Limits) -> io::Result<Option<Reject>> {
        match self.fill() {
            Ok(0) => Ok(Some(Reject::bad("the connection ended before the body did"))),
            Ok(count) => {
                pace.add(count);
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match self.wait_for(PollFlags::IN, Some(limits.stall_time), pace, limits) {
                    Ok(()) => Ok(None),
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                        Ok(Some(Reject::new(408, "the body of the request took too long")))
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until the socket can be read or written.
    pub(crate) fn wait_for(
        &self,
        flags: PollFlags,
        time: Option<Duration>,
        pace: &mut Pace,
        limits: &Limits,
    ) -> io::Result<()> {
        let until = time.map(|time| later(Instant::now(), time));
        loop {
            let now = Instant::now();
            let left = until.map(|until| until.saturating_duration_since(now));
            if left.is_some_and(|left| left.is_zero() || pace.is_too_slow(now, limits)) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client took too long"));
            }
            let fd = self.socket.fd()?;
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            match rustix::event::poll(&mut [PollFd::new(&fd, flags)], timeout.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads bytes as they come, HTTP or not: what was read too early first. Waits as long as it takes.
    pub(crate) fn read_raw(&mut self, out: &mut [u8], pace: &mut Pace, limits: &Limits) -> io::Result<usize> {
        loop {
            let available = self.reader.input.data();
            let count = available.len().min(out.len());
            if count > 0 || out.is_empty() {
                out[..count].copy_from_slice(&available[..count]);
                self.reader.input.consume(count);
                return Ok(count);
            }
            match self.fill() {
                Ok(0) => return Ok(0),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_for(PollFlags::IN, None, pace, limits)?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
