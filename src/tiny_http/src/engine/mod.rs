//! The heart of the server: one epoll set, and the threads that wait on it.
//!
//! Sockets are registered edge-triggered, once. An event is told to one thread, which takes the connection out of its
//! slot, goes as far as it can, and puts it back; so a request costs one wait, one read and one write.

mod accept;
mod memory;
mod peek;
mod seats;
mod shutdown;

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use crate::connection::{Connection, Verdict};
use crate::gate::Gate;
use crate::limits::{Limits, Reject};
use crate::listen::Listener;
use crate::pace::{Pace, Wait};
use crate::slots::Slots;
use crate::spool::Spools;
use crate::stats::Counters;
use crate::token::Token;

const LISTENER: u64 = u64::MAX;
const UNBLOCK: u64 = u64::MAX - 1;
const CLOSED: u64 = u64::MAX - 2;
const NOBODY: u64 = u64::MAX - 3;

const READS: EventFlags =
    EventFlags::from_bits_retain(EventFlags::IN.bits() | EventFlags::RDHUP.bits() | EventFlags::ET.bits());
const READS_AND_WRITES: EventFlags = EventFlags::from_bits_retain(READS.bits() | EventFlags::OUT.bits());
const LISTENS: EventFlags = EventFlags::from_bits_retain(EventFlags::IN.bits() | EventFlags::ONESHOT.bits());

/// More connections than any process has descriptors.
const CONNECTIONS_MAX: usize = 1 << 20;
/// Slots for connections over the limit, which are there only to be told so.
const SPARE_SLOTS: usize = 64;

const TOO_MUCH_MEMORY: Reject = Reject::new(503, "the server has too much to remember; try again");

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) gate: Arc<Gate>,
    epoll: OwnedFd,
    listener: Mutex<Option<Listener>>,
    unblock: OwnedFd,
    closed: OwnedFd,
    slots: Slots,
    /// The connection of a request that was looked at and left. It comes before all others, as it would have.
    passed: AtomicU64,
    /// Connections that are served, and those that are only told that there are too many.
    admitted: AtomicUsize,
    refused: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    memory: AtomicUsize,
    spools: Arc<Spools>,
    /// No more connections, and each is closed after its reply.
    is_closing: AtomicBool,
    /// No more requests.
    is_closed: AtomicBool,
    is_accept_paused: AtomicBool,
    /// Replies that are not written yet are not waited for.
    is_cutting: AtomicBool,
    /// Requests without a whole reply that came back to a server that cuts them off.
    late_cuts: AtomicUsize,
    /// Told whenever a connection ends.
    ended: (Mutex<()>, Condvar),
}

impl Engine {
    pub(crate) fn new(listener: Listener, limits: Limits) -> io::Result<Engine> {
        listener.prepare()?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
        let (unblock, closed) = (eventfd(0, flags)?, eventfd(0, flags)?);
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), LISTENS)?;
        epoll::add(&epoll, &unblock, EventData::new_u64(UNBLOCK), EventFlags::IN)?;
        epoll::add(&epoll, &closed, EventData::new_u64(CLOSED), EventFlags::IN)?;
        Ok(Engine {
            counters: Counters::default(),
            gate: Arc::new(Gate::new()),
            epoll,
            listener: Mutex::new(Some(listener)),
            unblock,
            closed,
            slots: Slots::new(limits.connections.min(CONNECTIONS_MAX) + SPARE_SLOTS),
            passed: AtomicU64::new(NOBODY),
            admitted: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            is_cutting: AtomicBool::new(false),
            late_cuts: AtomicUsize::new(0),
            addresses: Mutex::default(),
            memory: AtomicUsize::new(0),
            spools: Spools::new(limits.large_bodies),
            is_closing: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_accept_paused: AtomicBool::new(false),
            ended: Default::default(),
            limits,
        })
    }

    /// Waits for a request until the given time. `None`: the time is over, or somebody called [`Engine::unblock`].
    pub(crate) fn receive(&self, until: Option<Instant>) -> io::Result<Option<Box<Connection>>> {
        let seat = seats::my_seat(&self.gate);
        if !self.gate.enter(&seat, until) {
            return self.check_open().map(|()| None);
        }
        let result = self.wait(until, || seats::go_to_work(&self.gate));
        match result {
            Ok(Some(_)) => self.gate.wake_keeper_for_queue(),
            _ => self.gate.leave(&seat),
        }
        result
    }

    /// Takes a request that is there already.
    pub(crate) fn try_receive(&self) -> io::Result<Option<Box<Connection>>> {
        self.wait(Some(Instant::now()), || {})
    }

    /// Notes that the program gets a request.
    pub(crate) fn hand_out(&self, connection: &Connection) {
        self.counters.requests.add();
        connection.socket.set_owed(true);
    }

    /// Handles events until one of them is a request.
    fn wait(&self, until: Option<Instant>, on_request: impl FnOnce()) -> io::Result<Option<Box<Connection>>> {
        loop {
            self.check_open()?;
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let event = self.passed_event();
            let Some((token, flags)) = event.map_or_else(|| self.next_event(left), |event| Ok(Some(event)))? else {
                if left.is_some_and(|left| left.is_zero()) {
                    return Ok(None);
                }
                continue;
            };
            match token {
                LISTENER => self.accept(),
                UNBLOCK => {
                    if rustix::io::read(&self.unblock, &mut [0; 8]).is_ok() {
                        return Ok(None);
                    }
                }
                CLOSED | NOBODY => {}
                token => {
                    if let Some(connection) = self.take_up(token, flags) {
                        self.hand_out(&connection);
                        on_request();
                        return Ok(Some(connection));
                    }
                }
            }
        }
    }

    /// Goes on with the connection that an event is about, until it has a request.
    fn take_up(&self, token: u64, flags: EventFlags) -> Option<Box<Connection>> {
        if self.passed.load(Ordering::Relaxed) == token {
            self.passed.store(NOBODY, Ordering::Relaxed);
        }
        let mut connection = self.slots.take(Token::from_u64(token))?;
        connection.note_event(flags);
        self.drive(connection)
    }

    fn next_event(&self, left: Option<Duration>) -> io::Result<Option<(u64, EventFlags)>> {
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut events = [MaybeUninit::uninit()];
        match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((events, _)) => Ok(events.first().map(|event| (event.data.u64(), event.flags))),
            Err(Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn check_open(&self) -> io::Result<()> {
        match self.is_closed.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(io::Error::other("the server is shut down")),
        }
    }

    /// Goes on with a connection until it has a request, or puts it back.
    fn drive(&self, mut connection: Box<Connection>) -> Option<Box<Connection>> {
        loop {
            let verdict = connection.step(&self.limits);
            if connection.take_rejected() {
                self.counters.rejected.add();
            }
            match verdict {
                Verdict::Request => return Some(connection),
                Verdict::Close => {
                    self.close(connection);
                    return None;
                }
                Verdict::Again => {
                    self.requeue(connection);
                    return None;
                }
                Verdict::Large => {
                    if let Err(reject) = self.give_spool(&mut connection) {
                        connection.reject(reject);
                    }
                    continue;
                }
                Verdict::Wait => {}
            }
            if self.is_closing() && connection.wait() == Wait::Idle {
                self.close(connection);
                return None;
            }
            if !self.charge(&mut connection) && !self.free_memory() {
                connection.reject(TOO_MUCH_MEMORY);
                continue;
            }
            connection.set_timer(Instant::now(), &self.limits);
            let interest = if connection.has_output() { READS_AND_WRITES } else { READS };
            if connection.interest != interest && self.watch(&mut connection, interest).is_err() {
                self.close(connection);
                return None;
            }
            match self.put(connection) {
                None => return None,
                Some(back) => connection = back,
            }
        }
    }

    /// Puts a connection into its slot. Comes back with it if there is more to do.
    fn put(&self, connection: Box<Connection>) -> Option<Box<Connection>> {
        let token = connection.token;
        if let Err(mut connection) = self.slots.put(connection) {
            connection.note_event(EventFlags::all());
            return Some(connection);
        }
        // A shutdown that began meanwhile has missed it.
        if self.is_closing()
            && let Some(mut connection) =
                self.slots.take_if(token.index(), |it| it.token == token && it.wait() == Wait::Idle)
        {
            connection.note_event(EventFlags::all());
            return Some(connection);
        }
        if self.is_closed.load(Ordering::Acquire)
            && let Some(connection) = self.slots.take(token)
        {
            match self.is_cutting.load(Ordering::Acquire) {
                true => {
                    self.late_cuts.fetch_add(usize::from(connection.is_owed_a_reply()), Ordering::AcqRel);
                    self.close(connection);
                }
                false => self.flush_and_close(connection),
            }
        }
        None
    }

    /// As [`Engine::drive`], but leaves a request to a thread that asks for one.
    fn drive_aside(&self, connection: Box<Connection>) {
        if let Some(connection) = self.drive(connection) {
            self.put_aside(connection);
        }
    }

    /// Leaves a request to a thread that asks for one.
    fn put_aside(&self, mut connection: Box<Connection>) {
        while !self.charge(&mut connection) && !self.free_memory() {
            connection.reject(TOO_MUCH_MEMORY);
            match self.drive(connection) {
                Some(back) => connection = back,
                None => return,
            }
        }
        self.requeue(connection);
    }

    /// Ends a connection after what it has to say.
    fn flush_and_close(&self, mut connection: Box<Connection>) {
        // Whether it works or not, there is nobody to be told.
        let _ = connection.flush_waiting(0, &mut Pace::default(), &self.limits);
        self.close(connection);
    }

    /// Puts a connection back that has something to do at once: changing its events makes one come.
    fn requeue(&self, mut connection: Box<Connection>) {
        connection.set_timer(Instant::now(), &self.limits);
        connection.interest = READS_AND_WRITES;
        let (token, socket) = (connection.token, connection.socket.clone());
        while let Some(back) = self.put(connection) {
            connection = back;
        }
        let data = EventData::new_u64(token.as_u64());
        if socket.fd().and_then(|fd| Ok(epoll::modify(&self.epoll, fd, data, READS_AND_WRITES)?)).is_err()
            && let Some(connection) = self.slots.take(token)
        {
            self.close(connection);
        }
    }

    fn watch(&self, connection: &mut Connection, interest: EventFlags) -> io::Result<()> {
        let data = EventData::new_u64(connection.token.as_u64());
        epoll::modify(&self.epoll, connection.socket.fd()?, data, interest)?;
        connection.interest = interest;
        Ok(())
    }

    /// Takes a connection back from the program after its reply, or the part of it that the socket took.
    pub(crate) fn release(&self, mut connection: Box<Connection>, is_kept: bool) {
        if connection.finish(is_kept && !self.is_closing()) {
            return self.close(connection);
        }
        connection.socket.set_owed(false);
        // If the next request has come already, it is for another: this thread has its own way to go.
        self.drive_aside(connection);
    }

    /// Ends a connection that the caller holds.
    pub(crate) fn close(&self, connection: Box<Connection>) {
        self.slots.remove(connection.token);
        self.gate.disconnect();
        self.memory.fetch_sub(connection.charged, Ordering::Relaxed);
        let (peer, is_refused) = (connection.peer, connection.is_refused);
        drop(connection);
        match is_refused {
            true => drop(self.refused.fetch_sub(1, Ordering::AcqRel)),
            false => self.discount(peer),
        }
        if self.is_closing() {
            drop(lock(&self.ended.0));
            self.ended.1.notify_all();
        }
    }

    /// The keeper's round: closes what has waited too long, and listens again after a pause.
    pub(crate) fn sweep(&self, now: Instant) {
        if self.is_accept_paused.swap(false, Ordering::AcqRel)
            && let Some(listener) = lock(&self.listener).as_ref()
        {
            self.listen(listener);
        }
        for index in self.slots.indices() {
            // Replies are helped on here too: the program may not ask for requests any more.
            let is_wanted = |connection: &Connection| connection.is_due(now) || connection.wait() == Wait::Flush;
            let Some(mut connection) = self.slots.take_if(index, is_wanted) else { continue };
            if connection.is_over(now, &self.limits) {
                self.counters.timeouts.add();
                self.close(connection);
            } else {
                self.drive_aside(connection);
            }
        }
    }

    /// When the keeper should look at the connections again.
    pub(crate) fn sweep_interval(&self) -> Duration {
        if self.is_accept_paused.load(Ordering::Acquire) {
            return accept::ACCEPT_PAUSE;
        }
        let limits = &self.limits;
        let times = [
            limits.body_time,
            limits.head_time,
            limits.idle_time,
            limits.stall_time,
            limits.rate_window,
            limits.linger_time,
        ];
        let shortest = times.into_iter().min().unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(500))
    }

    /// Connections that are open now.
    pub(crate) fn live(&self) -> usize {
        self.admitted.load(Ordering::SeqCst) + self.refused.load(Ordering::SeqCst)
    }

    pub(crate) fn is_accept_paused(&self) -> bool {
        self.is_accept_paused.load(Ordering::Acquire)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Lets one thread out of `receive`, now or when the next one comes.
    pub(crate) fn unblock(&self) {
        let result = rustix::io::write(&self.unblock, &1_u64.to_ne_bytes());
        debug_assert!(result.is_ok(), "the counter holds 2^64 - 2");
        self.gate.wake_keeper_for_queue();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
