//! Which of the threads that call `recv()` wait for the sockets, and which wait for their turn.
//!
//! Too many threads on one epoll set cost a third of the throughput, because every request wakes another one; too few
//! leave the processor idle while they wait for a database. So a thread needs a place to go in. There are as many
//! places as keep, on average, one runnable thread for each core: as many as there are cores while requests need
//! nothing but to be read and answered, all of them while the handlers sleep, and the right number between (see
//! [`Gate::measure`]).
//!
//! A thread keeps its place while it works on a request, so that a quick handler costs one compare-and-swap, a lock that
//! it never waits for where connections are few, and no system call. If it is still at the same request at the keeper's
//! second look, a few milliseconds at most, it is stuck: it loses its place to one of those who wait, and queues again when
//! it is done.
//!
//! Nor is a place given where there is one for each connection and for the next to come: each has one request at a time, so
//! another thread would only be woken in place of one whose caches are warm. A connection that is alone has one thread, and
//! the next to come waits for it as for one that is stuck.
//!
//! Invariant: the gate never delays a request for longer than [`TICK`] twice while a thread is free to take it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often the keeper looks while threads wait for a place.
pub(crate) const TICK: Duration = Duration::from_millis(2);
/// Ticks from one measurement of the handlers to the next.
const MEASURE_TICKS: u32 = 8;
/// Threads looked at in one measurement; the others are like them.
const MEASURE_SEATS_MAX: usize = 8;
/// Working time below which a measurement says nothing.
const MEASURE_BUSY_MIN: Duration = Duration::from_millis(4);
/// From this part of the working time of all threads on, handlers are what the work consists of.
const HANDLERS_RULE: f64 = 0.8;
/// More places than any process has threads.
const PLACES_MAX: usize = 1 << 16;

/// A thread outside: in the queue, or not in `recv()` at all.
const OUT: u64 = 0;
/// A thread in its handler after it lost its place.
const AWAY: u64 = 1;
/// A thread with a place that is in `recv()`.
const WAITING: u64 = 2;
// Any other state: a thread with a place that works on its request of that number.

/// What one thread is doing, as far as the gate cares.
#[derive(Debug)]
pub(crate) struct Seat {
    thread: Thread,
    state: AtomicU64,
    /// Time in the program's hands, in nanoseconds.
    busy: AtomicU64,
    /// Where the kernel tells how long the thread ran and how long it waited for a core.
    schedstat: Option<PathBuf>,
    /// The keeper's notes: the state at its last look, and the figures at its last measurement.
    seen: AtomicU64,
    measured_busy: AtomicU64,
    measured_runnable: AtomicU64,
}

impl Seat {
    /// A seat for the thread that calls.
    pub(crate) fn new() -> Seat {
        let schedstat = fs::read_link("/proc/thread-self").ok();
        Seat {
            thread: thread::current(),
            state: AtomicU64::new(OUT),
            busy: AtomicU64::new(0),
            schedstat: schedstat.map(|task| PathBuf::from("/proc").join(task).join("schedstat")),
            seen: AtomicU64::new(OUT),
            measured_busy: AtomicU64::new(0),
            measured_runnable: AtomicU64::new(0),
        }
    }

    /// Notes that the thread spent `time` away from `recv()`.
    pub(crate) fn add_busy(&self, time: Duration) {
        // Only the thread itself writes here.
        self.busy.store(self.busy.load(Ordering::Relaxed) + time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Nanoseconds that the thread has been on a core or ready to be.
    fn runnable(&self) -> Option<u64> {
        let text = fs::read_to_string(self.schedstat.as_ref()?).ok()?;
        let mut figures = text.split_ascii_whitespace().map_while(|figure| figure.parse::<u64>().ok());
        Some(figures.next()? + figures.next()?)
    }
}

#[derive(Debug, Default)]
struct Places {
    taken: Vec<Arc<Seat>>,
    queue: Vec<Arc<Seat>>,
    /// Threads in their handlers that lost their places.
    away: usize,
    ticks: u32,
}

/// The places and who has them.
#[derive(Debug)]
pub(crate) struct Gate {
    cores: usize,
    places: Mutex<Places>,
    count: AtomicUsize,
    connections: AtomicUsize,
    queued: AtomicUsize,
    serial: AtomicU64,
    is_closed: AtomicBool,
    keeper: OnceLock<Thread>,
    /// How deep the keeper sleeps: one of the constants below.
    sleep: AtomicU8,
}

/// The keeper looks every [`TICK`].
pub(crate) const AWAKE: u8 = 0;
/// The keeper looks often enough for the connections, but not for a queue at the gate.
pub(crate) const DOZING: u8 = 1;
/// The keeper has nothing to do.
pub(crate) const ASLEEP: u8 = 2;

impl Gate {
    pub(crate) fn new() -> Gate {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Gate {
            cores,
            places: Mutex::default(),
            count: AtomicUsize::new(cores),
            connections: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            serial: AtomicU64::new(WAITING + 1),
            is_closed: AtomicBool::new(false),
            keeper: OnceLock::new(),
            sleep: AtomicU8::new(AWAKE),
        }
    }

    /// Waits until the thread may go in, and answers whether it may: not if the gate is closed or the time is over.
    pub(crate) fn enter(&self, seat: &Arc<Seat>, until: Option<Instant>) -> bool {
        if self.is_crowded() {
            self.make_room(seat);
        }
        let state = seat.state.load(Ordering::Relaxed);
        if state > WAITING && seat.state.compare_exchange(state, WAITING, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return true;
        }
        let mut places = self.lock();
        if seat.state.load(Ordering::Acquire) == AWAY {
            seat.state.store(OUT, Ordering::Release);
            places.away -= 1;
        }
        if self.is_closed.load(Ordering::Acquire) {
            return false;
        }
        if places.taken.len() < self.places() {
            places.seat(seat);
            return true;
        }
        places.queue.push(seat.clone());
        self.queued.store(places.queue.len(), Ordering::Release);
        drop(places);
        self.wake_keeper_for_queue();
        self.wait_in_queue(seat, until)
    }

    /// How many threads may be in.
    fn places(&self) -> usize {
        self.count.load(Ordering::Relaxed).min(self.useful())
    }

    /// How many threads the connections can keep busy.
    fn useful(&self) -> usize {
        match self.connections.load(Ordering::SeqCst) {
            0 | 1 => 1,
            connections => connections + 1,
        }
    }

    /// Whether there may be more threads in than the connections can keep busy.
    fn is_crowded(&self) -> bool {
        self.useful() < self.count.load(Ordering::Relaxed)
    }

    /// Takes the place of a thread that comes back from its request if there are too many; if others are at the gate, after
    /// another request.
    fn make_room(&self, seat: &Arc<Seat>) {
        let Ok(mut places) = self.places.try_lock() else { return };
        let state = seat.state.load(Ordering::Acquire);
        if state > WAITING && places.taken.len() > self.places() {
            seat.state.store(OUT, Ordering::Release);
            places.taken.retain(|taken| !Arc::ptr_eq(taken, seat));
        }
    }

    /// Notes that there is a connection more.
    pub(crate) fn connect(&self) {
        let connections = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        if connections <= self.count.load(Ordering::Relaxed) && self.has_queue() {
            self.fill(&mut self.lock());
        }
    }

    /// Notes that there is a connection less.
    pub(crate) fn disconnect(&self) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
    }

    fn wait_in_queue(&self, seat: &Arc<Seat>, until: Option<Instant>) -> bool {
        loop {
            if seat.state.load(Ordering::Acquire) == WAITING {
                return true;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if self.is_closed.load(Ordering::Acquire) || left.is_some_and(|left| left.is_zero()) {
                let mut places = self.lock();
                places.queue.retain(|queued| !Arc::ptr_eq(queued, seat));
                self.queued.store(places.queue.len(), Ordering::Release);
                return seat.state.load(Ordering::Acquire) == WAITING;
            }
            match left {
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
    }

    /// Notes that the thread has a request to work on and keeps its place meanwhile.
    pub(crate) fn work(&self, seat: &Seat, serial: u64) {
        debug_assert!(serial > WAITING);
        seat.state.store(serial, Ordering::SeqCst);
    }

    /// A range of numbers for requests, that no other thread has.
    pub(crate) fn serials(&self, count: u64) -> std::ops::Range<u64> {
        let start = self.serial.fetch_add(count, Ordering::Relaxed);
        start..start + count
    }

    /// Gives the place up to the next in the queue.
    pub(crate) fn leave(&self, seat: &Arc<Seat>) {
        let mut places = self.lock();
        match seat.state.swap(OUT, Ordering::AcqRel) {
            OUT => {}
            AWAY => places.away -= 1,
            _ => places.taken.retain(|taken| !Arc::ptr_eq(taken, seat)),
        }
        self.fill(&mut places);
    }

    /// Lets everybody out, for good.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        for seat in self.lock().queue.drain(..) {
            seat.thread.unpark();
        }
        self.wake_keeper();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Names the thread that calls as the keeper.
    pub(crate) fn set_keeper(&self) {
        self.keeper.get_or_init(thread::current);
    }

    /// Lets the keeper sleep, as deep as it says, until there is something for it to do.
    pub(crate) fn sleep(&self, depth: u8, time: Duration, has_work: impl FnOnce() -> bool) {
        self.sleep.store(depth, Ordering::SeqCst);
        // Whoever came or began to work before he could see that the keeper sleeps did not wake it.
        let is_needed = has_work() || depth != AWAKE && self.has_queue() && self.is_busy(&self.lock());
        if !is_needed && !self.is_closed() {
            thread::park_timeout(time);
        }
        self.sleep.store(AWAKE, Ordering::SeqCst);
    }

    pub(crate) fn wake_keeper(&self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.unpark();
        }
    }

    /// Wakes the keeper if threads wait at the gate and it does not look often enough for them.
    pub(crate) fn wake_keeper_for_queue(&self) {
        if self.has_queue() && self.sleep.load(Ordering::SeqCst) != AWAKE {
            self.wake_keeper();
        }
    }

    /// Wakes the keeper if it does not expect any connections.
    pub(crate) fn wake_keeper_for_connections(&self) {
        if self.sleep.load(Ordering::SeqCst) == ASLEEP {
            self.wake_keeper();
        }
    }

    /// Whether [`Gate::tick`] may have something to do: threads wait for a place.
    pub(crate) fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Acquire) > 0
    }

    /// The keeper's look. Answers whether any thread with a place is at work, so that another look is due soon.
    pub(crate) fn tick(&self) -> bool {
        let mut places = self.lock();
        places.ticks += 1;
        if places.ticks.is_multiple_of(MEASURE_TICKS) {
            // Before those that are stuck are gone: it is they who tell that more places are needed.
            self.measure(&mut places);
        }
        let before = places.taken.len();
        places.taken.retain(|seat| {
            let state = seat.state.load(Ordering::Acquire);
            let is_stuck = state > WAITING && seat.seen.swap(state, Ordering::Relaxed) == state;
            !(is_stuck && seat.state.compare_exchange(state, AWAY, Ordering::AcqRel, Ordering::Relaxed).is_ok())
        });
        places.away += before - places.taken.len();
        let mut is_busy = places.taken.len() < before;
        self.fill(&mut places);
        is_busy |= self.is_busy(&places);
        is_busy
    }

    /// Looks whether there are more places than needed while nobody waits for one, when [`Gate::tick`] is not called.
    pub(crate) fn settle(&self) {
        if self.count.load(Ordering::Relaxed) > self.cores && !self.has_queue() {
            let mut places = self.lock();
            // Places that nobody has taken need not be given up one by one.
            self.count.fetch_min((places.taken.len() + places.away).max(self.cores), Ordering::Relaxed);
            self.measure(&mut places);
            self.fill(&mut places);
        }
    }

    /// Whether a thread with a place works on a request.
    fn is_busy(&self, places: &Places) -> bool {
        places.taken.iter().any(|seat| seat.state.load(Ordering::SeqCst) > WAITING)
    }

    /// Sets the number of places. Of the time that threads with a place spend at work they are runnable for a part, and
    /// wait for something else (a database, a lock, a timer) for the rest. With `cores × work / runnable` places there
    /// is, on average, a runnable thread for each core. Time spent ready but without a core counts as runnable: where
    /// others use the cores, more threads would only queue for them.
    ///
    /// An average is not every moment. Where handlers are what the work consists of, there is a place more for each core:
    /// without those the cores are idle for a sixth of the time when each request asks a database on the same machine.
    fn measure(&self, places: &mut Places) {
        let (mut busy, mut runnable) = (0, 0);
        for seat in places.taken.iter().take(MEASURE_SEATS_MAX) {
            let Some(runnable_now) = seat.runnable() else { continue };
            let busy_now = seat.busy.load(Ordering::Relaxed);
            busy += busy_now - seat.measured_busy.swap(busy_now, Ordering::Relaxed);
            runnable += runnable_now.saturating_sub(seat.measured_runnable.swap(runnable_now, Ordering::Relaxed));
        }
        if busy < MEASURE_BUSY_MIN.as_nanos() as u64 {
            return;
        }
        let share = busy as f64 / runnable.max(1) as f64;
        let spare = if share >= HANDLERS_RULE { self.cores } else { 0 };
        let wanted = (self.cores as f64 * share).min(PLACES_MAX as f64).round() as usize;
        let wanted = (wanted + spare).max(self.cores);
        // Up at once, because somebody waits; down by and by.
        let old = self.count.load(Ordering::Relaxed);
        let count = if wanted > old { wanted } else { old - (old - wanted).div_ceil(4) };
        self.count.store(count, Ordering::Relaxed);

        let before = places.taken.len();
        let mut surplus = before.saturating_sub(count);
        places.taken.retain(|seat| {
            let state = seat.state.load(Ordering::Acquire);
            let is_surplus = surplus > 0
                && state > WAITING
                && seat.state.compare_exchange(state, AWAY, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            surplus -= usize::from(is_surplus);
            !is_surplus
        });
        places.away += before - places.taken.len();
    }

    /// Lets threads in from the queue while there are places.
    fn fill(&self, places: &mut Places) {
        while places.taken.len() < self.places() {
            // The last to come is the one whose caches are warm.
            let Some(seat) = places.queue.pop() else { break };
            places.seat(&seat);
            seat.thread.unpark();
        }
        self.queued.store(places.queue.len(), Ordering::Release);
    }

    /// Threads with a place or at work, and threads that wait for a place.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let places = self.lock();
        (places.taken.len() + places.away, places.queue.len())
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn seat(&mut self, seat: &Arc<Seat>) {
        seat.state.store(WAITING, Ordering::Release);
        self.taken.push(seat.clone());
    }
}
