//! The embedded cluster: a PostgreSQL of mainstay's own, made once under `MAINSTAY_DATA` and run as its child.
//!
//! The first mainstay on a data folder owns the server: it starts it again when it dies, and stops it in the end. Others
//! find it and use it; when the owner has stopped it, one of them starts it again and is the owner. A server that
//! outlived its owner, because that was killed, gets a new one with the next mainstay. Only a server that [`start`] has
//! started is nobody's, and goes on until [`stop`].
//!
//! Knows nothing of pools, migrations, or what is in the database.
//!
//! Invariant: a data folder is only ever removed by [`reset`], and by nobody who has not got the lock.

mod place;
mod home;
mod log;
mod server;
mod make;
mod supervisor;
mod create;
mod commands;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use self::home::{Home, Lock};
use self::server::{Found, START_MAX, START_QUIET, Server};
use self::supervisor::Supervisor;
use super::Binaries;
use crate::config::Address;
use crate::error::{Error, Result};

pub use commands::{State, Status, exists, reset, start, status, stop};
pub use create::create;
pub use place::data_folder;

/// The database, and the user who owns it.
const NAME: &str = "mainstay";
const SUPERUSER: &str = "postgres";
/// How often it is looked whether a server that somebody else starts or stops is there, or gone.
const POLL: Duration = Duration::from_millis(20);

/// The embedded cluster, running. Dropping it leaves the server running; [`Cluster::stop`] stops it.
pub struct Cluster {
    address: Address,
    version: u32,
    /// There unless the server is nobody's.
    supervisor: Option<Supervisor>,
}

impl Cluster {
    /// Finds the running cluster of a data folder, or starts it, or makes it first.
    pub fn open(data: &Path, say: &mut dyn FnMut(&str)) -> Result<Cluster> {
        let home = Home::make(data)?;
        let (running, _lock, address) = run(&home, say)?;
        let Running { found, server, binaries, version, owner } = running;
        let supervisor = match commands::is_background(&home, &found) {
            true => None,
            false => Some(Supervisor::new(home, binaries, server, owner)?),
        };
        Ok(Cluster { address, version, supervisor })
    }

    /// The database, for its owner.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// PostgreSQL's major version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Whether this is who restarts the server and stops it.
    pub fn is_owner(&self) -> bool {
        self.supervisor.as_ref().is_some_and(Supervisor::is_owner)
    }

    /// Stops the server and waits until it is gone; who is not the owner only lets go of it.
    pub fn stop(mut self) -> Result<()> {
        self.supervisor.take().map_or(Ok(()), Supervisor::stop)
    }
}

/// A server that accepts connections.
struct Running {
    found: Found,
    server: Server,
    binaries: Binaries,
    version: u32,
    /// There if it has no other owner, and is not meant to be without one.
    owner: Option<Lock>,
}

/// Finds or starts the server, and makes the database in it. Nobody else starts one, or becomes the owner of this, while
/// the lock is kept.
fn run(home: &Home, say: &mut dyn FnMut(&str)) -> Result<(Running, Lock, Address)> {
    let start = Instant::now();
    let mut is_told = false;
    loop {
        let lock = home.lock(say)?;
        if let Some(mut running) = try_run(home, say)? {
            let address = address(&running.found, &home.password()?);
            let Err(error) = create::prepare(&address) else { return Ok((running, lock, address)) };
            let is_here = Found::on(&home.data()).as_ref() == Some(&running.found);
            if running.server.is_child() {
                running.server.stop(&home.data())?;
            }
            // A server that is being stopped was found a moment too early.
            if is_here {
                return Err(error);
            }
        }
        // Somebody's server is starting or stopping, or is about to be started again by its owner.
        drop(lock);
        if start.elapsed() > START_MAX {
            return Err(Error::database_unavailable(format!(
                "the server of {} belongs to another mainstay{} and does not come up: see {}",
                home.root().display(),
                home.holder("owner"),
                home.log().display()
            )));
        }
        if start.elapsed() > START_QUIET && !is_told {
            say("Waiting for PostgreSQL, which somebody else is starting or stopping, or which recovers from a crash");
            is_told = true;
        }
        thread::sleep(POLL);
    }
}

/// `None` if somebody else has to do something first.
fn try_run(home: &Home, say: &mut dyn FnMut(&str)) -> Result<Option<Running>> {
    let found = Found::on(&home.data());
    if let Some(found) = found {
        if !found.is_ready {
            return Ok(None);
        }
        let version = home.version()?.unwrap_or_default();
        let binaries = Binaries::find_for(&home.data(), version)?;
        let owner = if commands::is_background(home, &found) { None } else { home.try_own()? };
        // Where it has another owner, that is nothing to speak of.
        if owner.is_some() {
            say(&format!("PostgreSQL {version} is running already (process {})", found.process));
        }
        let server = Server::adopt(&found);
        return Ok(Some(Running { found, server, binaries, version, owner }));
    }
    let Some(owner) = home.try_own()? else { return Ok(None) };
    let binaries = match home.version()? {
        Some(version) => {
            // Without it the server would be of no use, and better not be started.
            home.password()?;
            Binaries::find_for(&home.data(), version)?
        }
        None => {
            let binaries = Binaries::find()?;
            say(&format!("Making a PostgreSQL {} cluster in {}", binaries.version, home.root().display()));
            make::make(home, &binaries)?;
            binaries
        }
    };
    let version = binaries.version;
    say(&format!("Starting PostgreSQL {version} in {}", home.root().display()));
    let server = Server::start(home, &binaries, say, &|| true)?;
    let found = Found::on(&home.data()).ok_or_else(|| Error::database_unavailable("PostgreSQL started and died"))?;
    Ok(Some(Running { found, server, binaries, version, owner: Some(owner) }))
}

/// The database as its owner sees it.
fn address(found: &Found, password: &str) -> Address {
    let mut address = Address::unix(&found.socket, NAME, NAME);
    address.config.password(password);
    address
}
