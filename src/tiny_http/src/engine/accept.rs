//! New connections: taken in, told why not, or left waiting while the process has no descriptors.

use std::net::{IpAddr, SocketAddr};
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
/// Connections closed at once when there are too many, so that not each that comes looks at all.
pub(super) const FREED_AT_ONCE: usize = 16;
const BUSY: Reject = Reject::new(503, "the server has no room for this connection now; try again");

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
        self.free(FREED_AT_ONCE, |connection| connection.wait() == Wait::Idle);
        self.gate.wake_keeper();
    }

    /// Closes some of so many connections, and answers whether there was any to be closed.
    fn make_place(&self, limit: usize) -> bool {
        self.free(FREED_AT_ONCE.min(limit / 8).max(1), |connection| !connection.is_refused) > 0
    }

    /// Closes up to `count` connections that are `wanted`, those that are worth least, and answers how many.
    pub(super) fn free(&self, count: usize, wanted: impl Fn(&Connection) -> bool) -> usize {
        let now = Instant::now();
        let mut found: Vec<((u8, u64), usize)> = Vec::new();
        for index in self.slots.indices() {
            self.slots.take_if(index, |connection| {
                let worth = connection.worth(now).filter(|_| wanted(connection));
                found.extend(worth.map(|worth| (worth, index)));
                false
            });
        }
        found.sort_unstable();
        let mut freed = 0;
        for ((kind, _), index) in found {
            if freed == count {
                break;
            }
            let is_same = |connection: &Connection| connection.worth(now).is_some_and(|worth| worth.0 == kind);
            let Some(connection) = self.slots.take_if(index, is_same) else { continue };
            freed += usize::from(self.give_up(connection));
        }
        freed
    }

    /// Closes a connection, unless more has come than any thread has seen yet.
    fn give_up(&self, mut connection: Box<Connection>) -> bool {
        let wait = connection.wait();
        connection.note_event(EventFlags::all());
        match connection.step(&self.limits) {
            Verdict::Wait if connection.wait() != wait => self.requeue(connection),
            Verdict::Request | Verdict::Again | Verdict::Large => self.requeue(connection),
            Verdict::Wait | Verdict::Close => {
                if matches!(wait, Wait::Head | Wait::Body) {
                    // It may hear of it, but nobody waits for that.
                    connection.reject(BUSY);
                    self.counters.rejected.add();
                    let _ = connection.flush();
                }
                self.close(connection);
                return true;
            }
        }
        false
    }

    /// Takes a new connection in, or tells it why not.
    pub(super) fn admit(&self, socket: Socket, peer: Option<SocketAddr>) {
        self.counters.connections.add();
        let limit = self.limits.connections.min(CONNECTIONS_MAX);
        let has_share = self.count_address(peer);
        let has_place = self.admitted.fetch_add(1, Ordering::SeqCst) < limit;
        let is_refused = !has_share || !has_place && !self.make_place(limit);
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
                connection.refuse(BUSY);
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

    /// The address of a client, if it is no proxy's.
    pub(super) fn single_client(&self, peer: Option<SocketAddr>) -> Option<IpAddr> {
        let is_proxy = |peer: &SocketAddr| self.limits.policy.as_ref().is_some_and(|policy| policy.is_proxy(peer.ip()));
        peer.filter(|peer| !is_proxy(peer)).map(counted_address)
    }

    /// Counts a connection of an address, and answers whether it may have one more.
    fn count_address(&self, peer: Option<SocketAddr>) -> bool {
        let limit = self.limits.connections_per_address;
        let (Some(limit), Some(client)) = (limit, self.single_client(peer)) else { return true };
        let mut addresses = lock(&self.addresses);
        let count = addresses.entry(client).or_default();
        *count += 1;
        *count <= limit
    }

    /// Counts a connection that was served less.
    pub(super) fn discount(&self, peer: Option<SocketAddr>) {
        if let (Some(_), Some(client)) = (self.limits.connections_per_address, self.single_client(peer)) {
            let mut addresses = lock(&self.addresses);
            if let Some(count) = addresses.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&client);
                }
            }
        }
        self.admitted.fetch_sub(1, Ordering::AcqRel);
    }
}
