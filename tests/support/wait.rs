//! Waiting for what happens elsewhere, with an end to it.

use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(10);

/// Asks again and again, until there is an answer or the time is over: then the test fails and says what it waited for.
pub fn wait_for<T>(what: &str, time: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + time;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {time:?} in vain: {what}");
        thread::sleep(POLL);
    }
}
