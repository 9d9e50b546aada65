//! What a thread keeps between its visits: its seat at the gate, and numbers for its requests.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use crate::gate::{Gate, Seat};

/// Request numbers that a thread takes at a time.
const SERIALS: u64 = 1 << 10;

/// A thread's seat at one server.
struct MySeat {
    gate: Arc<Gate>,
    seat: Arc<Seat>,
    /// Since when the thread works on its request.
    since: Option<Instant>,
    serials: std::ops::Range<u64>,
}

impl MySeat {
    /// Notes that the thread goes to work on a request.
    fn work(&mut self) {
        let serial = match self.serials.next() {
            Some(serial) => serial,
            None => {
                self.serials = self.gate.serials(SERIALS);
                self.serials.start
            }
        };
        self.since = Some(Instant::now());
        self.gate.work(&self.seat, serial);
    }
}

impl Drop for MySeat {
    fn drop(&mut self) {
        // The thread ends; its place is for others.
        self.gate.leave(&self.seat);
    }
}

thread_local! {
    /// The seats of this thread, at as many servers as it serves: one.
    static SEATS: RefCell<Vec<MySeat>> = const { RefCell::new(Vec::new()) };
}

/// Notes that this thread has got a request.
pub(super) fn go_to_work(gate: &Arc<Gate>) {
    SEATS.with_borrow_mut(|seats| {
        if let Some(mine) = seats.iter_mut().find(|mine| Arc::ptr_eq(&mine.gate, gate)) {
            mine.work();
        }
    });
}

/// The seat of this thread, back from whatever it did.
pub(super) fn my_seat(gate: &Arc<Gate>) -> Arc<Seat> {
    SEATS.with_borrow_mut(|seats| {
        if let Some(mine) = seats.iter_mut().find(|mine| Arc::ptr_eq(&mine.gate, gate)) {
            if let Some(since) = mine.since.take() {
                mine.seat.add_busy(since.elapsed());
            }
            return mine.seat.clone();
        }
        seats.retain(|mine| !mine.gate.is_closed());
        let seat = Arc::new(Seat::new());
        seats.push(MySeat { gate: gate.clone(), seat: seat.clone(), since: None, serials: 0..0 });
        seat
    })
}
