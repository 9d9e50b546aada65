//! Hearing what the database says of itself: a connection that listens, in a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;

use super::dialer::Dialer;
use crate::error::{Error, Result};

/// How long a stop may go unnoticed.
const POLL: Duration = Duration::from_millis(200);
/// How long the database may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// After so many quiet looks a connection is asked whether it lives. With the time for the answer, what is remembered because
/// the database would say that it has changed is remembered for no longer than five seconds without its word.
const CHECK_EVERY: u32 = 10;
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_millis(500);

/// What a listener hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// From here on nothing is missed. What was said before may have been.
    Listening,
    /// Nothing is heard until it is `Listening` again.
    Lost,
    Said {
        channel: &'a str,
        payload: &'a str,
    },
}

/// A listener, until it is dropped.
pub struct Listener {
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on channels, whose names are part of this program, and tells `hear` everything, from one thread.
    pub fn start(
        dialer: Dialer,
        channels: &'static [&'static str],
        mut hear: impl FnMut(Heard<'_>) + Send + 'static,
    ) -> Result<Listener> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stopping = is_stopping.clone();
        let listen = move || {
            let mut pause = RETRY_MIN;
            while !stopping.load(Ordering::Relaxed) {
                let result = listen(&dialer, channels, &stopping, &mut |heard| {
                    if heard == Heard::Listening {
                        pause = RETRY_MIN;
                    }
                    hear(heard);
                });
                hear(Heard::Lost);
                if let Err(error) = result {
                    log::debug!("not listening: {error}");
                    thread::sleep(pause);
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        };
        let thread = thread::Builder::new()
            .name("db-listen".to_owned())
            .spawn(listen)
            .map_err(|error| Error::internal("no thread can be started").because(error))?;
        Ok(Listener { is_stopping, thread: Some(thread) })
    }
}

fn listen(
    dialer: &Dialer,
    channels: &[&str],
    is_stopping: &AtomicBool,
    hear: &mut impl FnMut(Heard<'_>),
) -> Result<()> {
    let mut connection = dialer.dial()?;
    for channel in channels {
        connection.guard.allow(ANSWER_MAX);
        connection.client().batch_execute(&format!("LISTEN {channel}"))?;
    }
    connection.guard.lift();
    hear(Heard::Listening);
    let mut quiet = 0;
    while !is_stopping.load(Ordering::Relaxed) {
        let mut has_heard = false;
        let mut notifications = connection.client().notifications();
        let mut waiting = notifications.timeout_iter(POLL);
        while let Some(notification) = waiting.next()? {
            has_heard = true;
            hear(Heard::Said { channel: notification.channel(), payload: notification.payload() });
        }
        drop(waiting);
        drop(notifications);
        quiet = if has_heard { 0 } else { quiet + 1 };
        if quiet >= CHECK_EVERY {
            // One that hangs hears nothing any more.
            connection.check(ANSWER_MAX)?;
            connection.guard.lift();
            quiet = 0;
        }
    }
    Ok(())
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
