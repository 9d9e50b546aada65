//! Waiting for what happens elsewhere, with an end to it.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How long all tests together may take, on a slow machine under load.
const RUN_MAX: Duration = Duration::from_secs(30 * 60);

/// Ends a run of tests that does not end, and says which are at work still: the harness waits for ever, and says nothing.
/// A run that is to take long (`FAULTS`) is left alone.
pub fn limit_the_run() {
    if std::env::var_os("FAULTS").is_some() {
        return;
    }
    thread::spawn(|| {
        thread::sleep(RUN_MAX);
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        // Not by the macro, whose output the harness keeps for the end.
        let names = names.collect::<Vec<_>>();
        let _ = writeln!(std::io::stderr(), "the tests have not ended in {RUN_MAX:?}; their threads: {names:?}");
        std::process::exit(1);
    });
}

/// Says that it is over, also when what comes before that panics: threads that go on until then would otherwise never end,
/// and with them their scope.
pub struct AtEnd<'a>(pub &'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
