//! Bytes that have come from a socket and are not used yet.

use std::io;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::net::RecvFlags;

/// A buffer that is filled at its end and used up from its front.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Gives memory back when more than `bytes` of it are held for nothing.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        if self.is_empty() && self.bytes.capacity() > bytes {
            *self = Buffer::default();
        }
    }

    /// Adds bytes by hand, where there is no socket.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Reads once from a socket that does not block, `room` bytes or more. Answers how many bytes came (0 at the end)
    /// and whether there may be more to read at once.
    pub(crate) fn fill(&mut self, socket: impl AsFd, room: usize) -> io::Result<(usize, bool)> {
        if self.bytes.capacity() - self.bytes.len() < room {
            self.bytes.drain(..self.start);
            self.start = 0;
            self.bytes.reserve(room);
        }
        let offered = self.bytes.capacity() - self.bytes.len();
        let count = rustix::io::retry_on_intr(|| {
            rustix::net::recv(&socket, spare_capacity(&mut self.bytes), RecvFlags::DONTWAIT)
        })?;
        Ok((count.0, count.0 == offered))
    }
}
