//! The end of a server: what is answered still, and what is cut.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use super::{Engine, lock};
use crate::connection::Connection;
use crate::pace::{Wait, later};

/// How long a shutdown waits for connections that threads have only for a moment.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// How long a shutdown waits for requests of which only a part has come.
const HALF_SENT_TIME: Duration = Duration::from_secs(1);

impl Engine {
    /// Stops accepting, waits until every request is answered or the time is over, and answers how many were not.
    pub(crate) fn shutdown(&self, until: Instant) -> usize {
        self.is_closing.store(true, Ordering::Release);
        let listener = lock(&self.listener).take();
        if let Some(listener) = listener {
            // Their handshakes are done, so they count as accepted.
            while let Ok((socket, peer)) = listener.accept() {
                self.admit(socket, peer);
            }
        }
        for index in self.slots.indices() {
            // A request may have come in this moment, so idle connections are looked at once more.
            if let Some(mut connection) = self.slots.take_if(index, |connection| connection.wait() == Wait::Idle) {
                connection.note_event(EventFlags::all());
                self.drive_aside(connection);
            }
        }
        self.wait_for_end(until.min(later(Instant::now(), HALF_SENT_TIME)));
        let half_sent = self.free(usize::MAX, |connection| matches!(connection.wait(), Wait::Head | Wait::Body));
        self.wait_for_end(until);
        half_sent + self.close_all(true)
    }

    /// Waits until all connections have ended, or the time is over.
    fn wait_for_end(&self, until: Instant) {
        let mut guard = lock(&self.ended.0);
        while self.live() > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            guard = self.ended.1.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends everything. Replies that are not written yet are cut if `cuts_replies`, else they may be finished. Answers
    /// how many requests got no answer, or not all of it.
    pub(crate) fn close_all(&self, cuts_replies: bool) -> usize {
        self.is_closing.store(true, Ordering::Release);
        self.is_cutting.fetch_or(cuts_replies, Ordering::AcqRel);
        self.is_closed.store(true, Ordering::Release);
        drop(lock(&self.listener).take());
        let mut cut = 0;
        let until = Instant::now() + SETTLE_TIME;
        for index in self.slots.indices() {
            loop {
                let is_to_end = |connection: &Connection| cuts_replies || connection.wait() != Wait::Flush;
                if let Some(connection) = self.slots.take_if(index, is_to_end) {
                    cut += usize::from(connection.is_owed_a_reply());
                    self.close(connection);
                } else if cuts_replies && let Some(socket) = self.slots.socket_of_taken(index) {
                    let is_owed = socket.set_owed(false);
                    if !is_owed && !socket.is_cut() && Instant::now() < until {
                        // Some thread has it only for a moment, and then it will be known what it was.
                        std::thread::sleep(Duration::from_micros(100));
                        continue;
                    }
                    cut += usize::from(is_owed && !socket.is_cut());
                    socket.cut();
                }
                break;
            }
        }
        cut += self.late_cuts.swap(0, Ordering::AcqRel);
        let result = rustix::io::write(&self.closed, &1_u64.to_ne_bytes());
        debug_assert!(result.is_ok(), "the counter holds 2^64 - 2");
        self.gate.close();
        cut
    }

    /// The keeper's last round: writes the replies that were left to a server that is gone.
    pub(crate) fn flush_rest(&self) {
        let until = later(Instant::now(), self.limits.stall_time);
        for index in self.slots.indices() {
            let Some(connection) = self.slots.take_if(index, Connection::has_output) else { continue };
            match Instant::now() < until {
                true => self.flush_and_close(connection),
                false => self.close(connection),
            }
        }
    }
}
