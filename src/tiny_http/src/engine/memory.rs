//! What bodies and replies may hold while no thread works on them.

use std::sync::atomic::Ordering;

use super::{Engine, accept};
use crate::connection::Connection;
use crate::limits::Reject;
use crate::pace::Wait;

/// Memory of a connection that is too little to count.
const UNCOUNTED_BYTES: usize = 8 << 10;

impl Engine {
    /// Lets a body that is too large for memory go on.
    pub(super) fn give_spool(&self, connection: &mut Connection) -> Result<(), Reject> {
        let spool = self.spools.open(self.single_client(connection.peer))?;
        connection.reader.use_spool(spool)
    }

    /// Counts the memory that a connection holds while it waits. Answers no if a body would make it too much.
    pub(super) fn charge(&self, connection: &mut Connection) -> bool {
        let memory = connection.memory();
        let memory = if memory > UNCOUNTED_BYTES { memory } else { 0 };
        if memory == connection.charged {
            return true;
        }
        self.memory.fetch_add(memory, Ordering::Relaxed);
        let total = self.memory.fetch_sub(connection.charged, Ordering::Relaxed) - connection.charged;
        let has_grown = memory > connection.charged;
        connection.charged = memory;
        !(has_grown && total > self.limits.memory_bytes && matches!(connection.wait(), Wait::Body | Wait::Thread))
    }

    /// Gives up bodies that come slowest, if there are any.
    pub(super) fn free_memory(&self) -> bool {
        self.free(accept::FREED_AT_ONCE, |connection| connection.charged > 0 && connection.wait() == Wait::Body) > 0
    }

    /// Whether so many bytes of a reply may be kept for a client that is slow to take them.
    pub(crate) fn has_memory_for(&self, bytes: usize) -> bool {
        self.memory.load(Ordering::Relaxed).saturating_add(bytes) <= self.limits.memory_bytes
    }

    /// Bytes held by connections that no thread works on.
    pub(crate) fn memory(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// Bodies that are kept in files.
    pub(crate) fn large_bodies(&self) -> usize {
        self.spools.count()
    }
}
