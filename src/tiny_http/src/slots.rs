//! Where connections are while no thread works on them.
//!
//! A connection is owned by one place at a time: its slot, or the thread that took it out for an event. So nobody
//! locks anything while he works on one. An event for a connection that is out is noted in the slot, and whoever
//! brings it back finds the note.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::Connection;
use crate::listen::Socket;
use crate::token::Token;

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// An event came while the connection was out.
    has_event: bool,
    connection: Option<Box<Connection>>,
    /// The socket of the connection, in its slot or out.
    socket: Option<Arc<Socket>>,
}

/// All slots. Their number is the limit of connections.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Box<[Mutex<Slot>]>,
    free: Mutex<Vec<u32>>,
    /// Slots from here on have never been used.
    used: AtomicUsize,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Slots {
        let count = count.min(u32::MAX as usize);
        Slots {
            slots: (0..count).map(|_| Mutex::default()).collect(),
            free: Mutex::new((0..count as u32).rev().collect()),
            used: AtomicUsize::new(0),
        }
    }

    /// Puts a new connection, made from its token, into a free slot.
    pub(crate) fn insert(
        &self,
        socket: Arc<Socket>,
        connection: impl FnOnce(Token) -> Box<Connection>,
    ) -> Option<Token> {
        let index = lock(&self.free).pop()? as usize;
        self.used.fetch_max(index + 1, Ordering::Relaxed);
        let mut slot = lock(&self.slots[index]);
        let token = Token::new(index, slot.generation);
        slot.connection = Some(connection(token));
        slot.socket = Some(socket);
        Some(token)
    }

    /// Takes a connection out because of an event. If it is out already, the event is noted.
    pub(crate) fn take(&self, token: Token) -> Option<Box<Connection>> {
        let mut slot = lock(self.slots.get(token.index())?);
        if slot.generation != token.generation() {
            return None;
        }
        let connection = slot.connection.take();
        slot.has_event = connection.is_none();
        connection
    }

    /// Takes out the connection in slot `index` if it `is_wanted`.
    pub(crate) fn take_if(&self, index: usize, is_wanted: impl FnOnce(&Connection) -> bool) -> Option<Box<Connection>> {
        lock(self.slots.get(index)?).connection.take_if(|connection| is_wanted(connection))
    }

    /// Brings a connection back; it is returned if an event has come meanwhile.
    pub(crate) fn put(&self, connection: Box<Connection>) -> Result<(), Box<Connection>> {
        let mut slot = lock(&self.slots[connection.token.index()]);
        debug_assert_eq!(slot.generation, connection.token.generation());
        if std::mem::take(&mut slot.has_event) {
            return Err(connection);
        }
        slot.connection = Some(connection);
        Ok(())
    }

    /// Frees the slot of a connection that is out.
    pub(crate) fn remove(&self, token: Token) {
        let mut slot = lock(&self.slots[token.index()]);
        slot.generation = slot.generation.wrapping_add(1);
        slot.has_event = false;
        slot.socket = None;
        drop(slot);
        lock(&self.free).push(token.index() as u32);
    }

    /// The indices that have ever been used.
    pub(crate) fn indices(&self) -> std::ops::Range<usize> {
        0..self.used.load(Ordering::Relaxed)
    }

    /// The socket in slot `index` if its connection is out, in some thread's hands.
    pub(crate) fn socket_of_taken(&self, index: usize) -> Option<Arc<Socket>> {
        let slot = lock(self.slots.get(index)?);
        if slot.connection.is_some() { None } else { slot.socket.clone() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
