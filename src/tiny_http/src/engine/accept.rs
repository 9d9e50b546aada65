//! New connections: taken in, told why not, or left waiting while the process has no descriptors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use super::{CONNECTIONS_MAX, Engine, LISTENER, LISTENS, READS, SPARE_SLOTS, lock};
use crate::connection::{Connection, Verdict};
use crate::limits::Reject;
use crate::listen::{Listener, Socket, counted_address};
use crate::pace::Wait;

/// Connections accepted before other events get their turn.
const ACCEPT_MAX: usize = 64;
/// How long nothing is accepted after the process ran out of descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Idle connections closed when the process runs out of descriptors.
const FREED_AT_ONCE: usize = 16;

impl Engine {
    /// Accepts what waits to be accepted, and listens on.
    pub(super) fn accept(&self) {
        let listener = lock(&self.listener);
        let Some(listener) = listener.as_ref() else { return };
        for _ in 0..ACCEPT_MAX {
            match listener.accept() {
                Ok((socket, peer)) => self.admit(socket, peer),
                Err(Errno::AGAIN) => break,
                // Without a descriptor to spare the kernel says so before it looks whether anybody waits.
                Err(Errno::MFILE | Errno::NFILE) if !listener.has_waiting() => break,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => return self.pause_accept(),
                // The others are about a connection that is gone again.
                Err(_) => {}
            }
        }
        self.listen(listener);
    }

    pub(super) fn listen(&self, listener: &Listener) {
        if let Err(error) = epoll::modify(&self.epoll, listener, EventData::new_u64(LISTENER), LISTENS) {
            log::error!("cannot listen on: {error}");
        }
    }

    /// Out of descriptors: makes room at the cost of those who have waited longest, and tries again soon.
    fn pause_accept(&self) {
        if !self.is_accept_paused.swap(true, Ordering::AcqRel) {
            log::warn!("out of file descriptors: closing idle connections; raise the limit of open files");
        }
        self.counters.accept_pauses.add();
        let mut idle: Vec<(Instant, usize)> = Vec::new();
        for index in self.slots.indices() {
            self.slots.take_if(index, |connection| {
                if connection.wait() == Wait::Idle {
                    idle.push((connection.due(), index));
                }
                false
            });
        }
        idle.sort_unstable();
        let mut freed = 0;
        for (_, index) in idle {
            if freed == FREED_AT_ONCE {
                break;
            }
            let is_idle = |connection: &Connection| connection.wait() == Wait::Idle;
            let Some(mut connection) = self.slots.take_if(index, is_idle) else { continue };
            // A request may have come that no thread has seen yet.
            connection.note_event(EventFlags::all());
            match connection.step(&self.limits) {
                Verdict::Wait if !is_idle(&connection) => self.requeue(connection),
                Verdict::Request | Verdict::Again => self.requeue(connection),
                Verdict::Wait | Verdict::Close => {
                    self.close(connection);
                    freed += 1;
                }
            }
        }
        self.gate.wake_keeper();
    }

    /// Takes a new connection in, or tells it why not.
    pub(super) fn admit(&self, socket: Socket, peer: Option<SocketAddr>) {
        self.counters.connections.add();
        let limit = self.limits.connections.min(CONNECTIONS_MAX);
        let is_full = self.admitted.fetch_add(1, Ordering::SeqCst) >= limit;
        let is_refused = !self.count_address(peer) || is_full;
        if is_refused {
            self.counters.refused.add();
            self.discount(peer);
            if self.refused.fetch_add(1, Ordering::SeqCst) >= SPARE_SLOTS {
                // It cannot even be told that it is refused.
                self.refused.fetch_sub(1, Ordering::AcqRel);
                return;
            }
        }
        let socket = Arc::new(socket);
        self.gate.connect();
        let limits = &self.limits;
        let token = self.slots.insert(socket.clone(), |token| {
            let mut connection = Box::new(Connection::new(token, socket.clone(), peer));
            if is_refused {
                connection.refuse(Reject::new(503, "too many connections; try again"));
            }
            connection.interest = READS;
            connection.set_timer(Instant::now(), limits);
            connection
        });
        let token = token.expect("there are slots for all that are admitted, and the spare ones for the refused");
        let data = EventData::new_u64(token.as_u64());
        let is_added = socket.fd().and_then(|fd| Ok(epoll::add(&self.epoll, fd, data, READS)?)).is_ok();
        if !is_added || is_refused {
            let Some(connection) = self.slots.take(token) else { return };
            match is_added {
                true => drop(self.drive(connection)),
                false => self.close(connection),
            }
        }
        self.gate.wake_keeper_for_connections();
    }

    /// Counts a connection of an address, and answers whether it may have one more.
    fn count_address(&self, peer: Option<SocketAddr>) -> bool {
        let (Some(limit), Some(peer)) = (self.limits.connections_per_address, peer) else { return true };
        let mut addresses = lock(&self.addresses);
        let count = addresses.entry(counted_address(peer)).or_default();
        *count += 1;
        *count <= limit
    }

    /// Counts a connection that was served less.
    pub(super) fn discount(&self, peer: Option<SocketAddr>) {
        if let (Some(_), Some(peer)) = (self.limits.connections_per_address, peer) {
            let mut addresses = lock(&self.addresses);
            let address = counted_address(peer);
            if let Some(count) = addresses.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&address);
                }
            }
        }
        self.admitted.fetch_sub(1, Ordering::AcqRel);
    }
}
