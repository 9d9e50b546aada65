//! The name of a request, in the reply, in the log and in the audit.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

const LENGTH_MAX: usize = 64;

/// The client's own name for the request when it is a sane one, else a new UUID.
#[derive(Clone, Copy)]
pub struct RequestId {
    bytes: [u8; LENGTH_MAX],
    length: usize,
}

impl RequestId {
    pub fn new(given: Option<&str>) -> RequestId {
        let mut id = RequestId { bytes: [0; LENGTH_MAX], length: 0 };
        match given.filter(|text| is_sane(text)) {
            Some(text) => {
                id.bytes[..text.len()].copy_from_slice(text.as_bytes());
                id.length = text.len();
            }
            None => id.length = new_uuid().hyphenated().encode_lower(&mut id.bytes).len(),
        }
        id
    }

    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// A UUID of version 7. Its random part comes from a keyed hash of a counter, which needs no system call: a request's name
/// has to be unique, not secret.
fn new_uuid() -> Uuid {
    thread_local! {
        static RANDOM: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    let random = RANDOM.with(|(hasher, count)| {
        count.set(count.get() + 2);
        let halves = [hasher.hash_one(count.get()).to_ne_bytes(), hasher.hash_one(count.get() + 1).to_ne_bytes()];
        let mut random = [0; 10];
        random[..8].copy_from_slice(&halves[0]);
        random[8..].copy_from_slice(&halves[1][..2]);
        random
    });
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

fn is_sane(text: &str) -> bool {
    (1..=LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
