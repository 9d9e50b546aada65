//! What JSON weighs in memory when it has been read. `[[],[],…]` of 32 MiB is eleven million values.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::{Code, Error};

/// The first place of a list: it is made for four.
pub(super) const LIST_BYTES: usize = 144;
/// An item of a list, and the place that the list keeps free for the next ones.
pub(super) const ITEM_BYTES: usize = 64;
/// The first node of an object.
pub(super) const OBJECT_BYTES: usize = 640;
/// An entry of an object beside the bytes of its key: a part of the nodes.
pub(super) const ENTRY_BYTES: usize = 80;

/// What one value may weigh.
const ONE_MAX: usize = 128 << 20;
/// What all may weigh that are there at the same time.
const ALL_MAX: usize = 256 << 20;
/// What is taken from what all may weigh, at a time.
const STEP: usize = 256 << 10;

/// What all values weigh that are there now, in steps.
static ALL: AtomicUsize = AtomicUsize::new(0);

/// What a value weighs, counted for as long as this is there.
#[derive(Debug)]
pub struct Weight(usize);

impl Drop for Weight {
    fn drop(&mut self) {
        ALL.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Weighs a value while it is read.
#[derive(Default)]
pub(super) struct Scale {
    bytes: Cell<usize>,
    /// How much of it counts for all.
    counted: Cell<usize>,
    is_full: Cell<bool>,
}

impl Scale {
    /// Whether there is room for more. What is small is not counted for all.
    pub fn add(&self, bytes: usize) -> bool {
        let bytes = self.bytes.get() + bytes;
        self.bytes.set(bytes);
        let counted = self.counted.get();
        if bytes < counted + STEP {
            return true;
        }
        let more = bytes - counted;
        let has_room = bytes <= ONE_MAX && ALL.fetch_add(more, Ordering::Relaxed) + more <= ALL_MAX;
        if bytes <= ONE_MAX {
            self.counted.set(counted + more);
        }
        self.is_full.set(!has_room);
        has_room
    }

    pub fn is_full(&self) -> bool {
        self.is_full.get()
    }

    pub fn refusal(&self) -> Error {
        if self.bytes.get() > ONE_MAX {
            let message = format!("the body has too many values: they would take more than {} MiB", ONE_MAX >> 20);
            return Error::new(Code::PayloadTooLarge, message);
        }
        let message = "as many large bodies are being read as may at the same time; send it again soon";
        Error::pool_exhausted(message).retry_after(Duration::from_secs(1))
    }

    pub fn weight(self) -> Weight {
        Weight(self.counted.take())
    }
}

impl Drop for Scale {
    fn drop(&mut self) {
        ALL.fetch_sub(self.counted.get(), Ordering::Relaxed);
    }
}
