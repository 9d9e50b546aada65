//! The thread that watches the server: starts it again when it has died, and stops it in the end.
//!
//! Only the owner starts and stops. Who is not the owner watches too, and becomes it when the former has ended: it still
//! needs the server that the former has stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::home::{Home, Lock};
use super::log::trim;
use super::server::{Found, Server};
use crate::db::Binaries;
use crate::error::{Error, Result};

/// How often it is looked whether the server is there.
const WATCH: Duration = Duration::from_millis(100);
/// The pause after a start that failed, which doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A server that ran for this long did start well.
const STABLE: Duration = Duration::from_secs(1);
const TRIM_EVERY: Duration = Duration::from_secs(60);

const WATCHING: u8 = 0;
const STOPPING: u8 = 1;
const RELEASING: u8 = 2;

/// The hold on the server.
pub(super) struct Supervisor {
    order: Arc<AtomicU8>,
    is_owner: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Supervisor {
    /// Watches a server; `owner` is there if this is its owner.
    pub(super) fn new(home: Home, binaries: Binaries, server: Server, owner: Option<Lock>) -> Result<Supervisor> {
        let order = Arc::new(AtomicU8::new(WATCHING));
        let is_owner = Arc::new(AtomicBool::new(owner.is_some()));
        let watch = Watch {
            home,
            binaries,
            server,
            owner,
            order: order.clone(),
            is_owner: is_owner.clone(),
            since: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("db-supervisor".to_owned())
            .spawn(move || watch.run())
            .map_err(|error| Error::internal("no thread to watch PostgreSQL with").because(error))?;
        Ok(Supervisor { order, is_owner, thread: Some(thread) })
    }

    pub(super) fn is_owner(&self) -> bool {
        self.is_owner.load(Ordering::Acquire)
    }

    /// Stops the server and waits until it is gone, if this is its owner; else lets go of it.
    pub(super) fn stop(mut self) -> Result<()> {
        self.end(STOPPING)
    }

    fn end(&mut self, order: u8) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.order.store(order, Ordering::Release);
        thread.thread().unpark();
        thread.join().unwrap_or_else(|_| Err(Error::internal("the thread that watches PostgreSQL has panicked")))
    }
}

impl Drop for Supervisor {
    /// Leaves the server running, for the next mainstay to find.
    fn drop(&mut self) {
        if let Err(error) = self.end(RELEASING) {
            log::error!("{error}");
        }
    }
}

struct Watch {
    home: Home,
    binaries: Binaries,
    server: Server,
    /// Given back when this thread has ended.
    owner: Option<Lock>,
    order: Arc<AtomicU8>,
    is_owner: Arc<AtomicBool>,
    /// Since when the server runs.
    since: Instant,
}

impl Watch {
    fn run(mut self) -> Result<()> {
        let data = self.home.data();
        let mut trimmed = Instant::now();
        loop {
            match self.order.load(Ordering::Acquire) {
                STOPPING if self.owner.is_some() => {
                    self.server.stop(&data)?;
                    self.home.remove_far_socket_folder();
                    return Ok(());
                }
                STOPPING | RELEASING => {
                    self.server.release();
                    return Ok(());
                }
                _ => {}
            }
            if !self.server.is_alive(&data) {
                self.restart();
            } else {
                thread::park_timeout(WATCH);
            }
            if trimmed.elapsed() > TRIM_EVERY {
                trim(&self.home.log());
                trimmed = Instant::now();
            }
        }
    }

    /// Starts the server again, however often that takes; returns early when the owner has other plans.
    fn restart(&mut self) {
        let (process, log_file) = (self.server.process, self.home.log());
        log::error!("PostgreSQL (process {process}) has ended and is started again; see {}", log_file.display());
        let mut pause = if self.since.elapsed() > STABLE { Duration::ZERO } else { PAUSE_MIN };
        let mut is_failure_told = false;
        loop {
            self.wait(pause);
            if !self.goes_on() {
                return;
            }
            pause = (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            match self.try_restart() {
                Ok(true) => {
                    log::info!("PostgreSQL runs again (process {})", self.server.process);
                    self.since = Instant::now();
                    return;
                }
                // Somebody is at work on it, which says nothing against the server.
                Ok(false) => pause = PAUSE_MIN,
                Err(_) if !self.goes_on() => return,
                Err(error) if is_failure_told => log::debug!("{error}"),
                Err(error) => {
                    log::error!("{error}\nTrying again, at most every {} s", PAUSE_MAX.as_secs());
                    is_failure_told = true;
                }
            }
        }
    }

    /// Whether a server runs now. No, without an error, while another process works on the cluster or owns it.
    fn try_restart(&mut self) -> Result<bool> {
        let Some(_lock) = self.home.try_lock()? else { return Ok(false) };
        if let Some(found) = Found::on(&self.home.data()) {
            self.server = Server::adopt(&found);
            return Ok(true);
        }
        if self.owner.is_none() {
            self.owner = self.home.try_own()?;
        }
        if self.owner.is_none() {
            return Ok(false);
        }
        self.is_owner.store(true, Ordering::Release);
        let say = &mut |line: &str| log::info!("{line}");
        self.server = Server::start(&self.home, &self.binaries, say, &|| self.goes_on())?;
        Ok(true)
    }

    fn goes_on(&self) -> bool {
        self.order.load(Ordering::Acquire) == WATCHING
    }

    /// Waits, but not after an order has come.
    fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while self.goes_on() {
            match end.checked_duration_since(Instant::now()) {
                Some(rest) if !rest.is_zero() => thread::park_timeout(rest),
                _ => return,
            }
        }
    }
}
