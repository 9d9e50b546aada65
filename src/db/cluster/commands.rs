//! What `mainstay db start|stop|status|reset` do.

use std::fs;
use std::path::{Path, PathBuf};

use super::home::{Home, Lock, explain};
use super::run;
use super::server::{Found, Server};
use crate::error::{Error, Result};

/// Whether a data folder has a cluster, and what that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is none yet.
    Missing,
    Stopped,
    /// Being made, started or stopped.
    Changing,
    Running,
}

/// A cluster as it is now.
#[derive(Debug, Clone)]
pub struct Status {
    pub state: State,
    /// PostgreSQL's major version.
    pub version: Option<u32>,
    /// The server's process.
    pub process: Option<u32>,
    /// The folder of its Unix socket.
    pub socket: Option<PathBuf>,
    /// What the cluster takes on the disk.
    pub size_bytes: u64,
}

/// Starts the cluster, to go on when this process has ended and until [`stop`]; makes it if there is none.
pub fn start(data: &Path, say: &mut dyn FnMut(&str)) -> Result<Status> {
    let home = Home::make(data)?;
    let (running, _lock, _) = run(&home, say)?;
    // A server that runs already is left to whoever owns it; one without an owner becomes this kind.
    if running.owner.is_some() {
        // Written while nobody else can become the owner.
        home.write_private(&home.background(), &name_of(&running.found))?;
    }
    running.server.release();
    status(data)
}

/// Stops the cluster; answers whether it was running.
pub fn stop(data: &Path, say: &mut dyn FnMut(&str)) -> Result<bool> {
    let Some(home) = Home::find(data) else { return Ok(false) };
    let _lock = home.lock(say)?;
    let _owner = without_owner(&home)?;
    stop_server(&home)
}

/// Whether there is one, or one is being made.
pub fn exists(data: &Path) -> Result<bool> {
    let Some(home) = Home::find(data) else { return Ok(false) };
    Ok(home.version()?.is_some())
}

/// What there is, and what it does.
pub fn status(data: &Path) -> Result<Status> {
    let mut status = Status { state: State::Missing, version: None, process: None, socket: None, size_bytes: 0 };
    let Some(home) = Home::find(data) else { return Ok(status) };
    let found = Found::on(&home.data());
    status.version = home.version()?;
    status.state = match &found {
        Some(found) if found.is_ready => State::Running,
        Some(_) => State::Changing,
        None if status.version.is_some() => State::Stopped,
        None => State::Missing,
    };
    status.size_bytes = size_of(&home.data());
    if let Some(found) = found {
        status.process = Some(found.process);
        status.socket = Some(found.socket);
    }
    Ok(status)
}

/// Stops the cluster and removes it with all its data. Whoever calls this has asked first.
pub fn reset(data: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    let Some(home) = Home::find(data) else { return Ok(()) };
    let _lock = home.lock(say)?;
    let _owner = without_owner(&home)?;
    if home.version()?.is_none() {
        home.remove_leftovers();
        return Ok(());
    }
    stop_server(&home)?;
    // Under another name first, so that what is left after a crash is no cluster any more.
    let removed = home.removed_data();
    let failed = |path: PathBuf| move |error| explain("remove", &path, error);
    fs::rename(home.data(), &removed).map_err(failed(home.data()))?;
    fs::remove_dir_all(&removed).map_err(failed(removed))?;
    home.remove_password()
}

/// Whether a server was started to go on without an owner.
pub(super) fn is_background(home: &Home, found: &Found) -> bool {
    fs::read_to_string(home.background()).is_ok_and(|name| name == name_of(found))
}

fn name_of(found: &Found) -> String {
    format!("{} {}", found.process, found.started)
}

/// Makes sure that no mainstay would start the server again, or miss it.
fn without_owner(home: &Home) -> Result<Lock> {
    home.try_own()?.ok_or_else(|| {
        Error::database_unavailable(format!(
            "a mainstay{} is running with the cluster in {}: stop that, and the cluster stops with it",
            home.holder("owner"),
            home.root().display()
        ))
    })
}

fn stop_server(home: &Home) -> Result<bool> {
    let data = home.data();
    let Some(found) = Found::on(&data) else { return Ok(false) };
    Server::adopt(&found).stop(&data)?;
    home.remove_far_socket_folder();
    // The next server has another name, so a file that stays does no harm.
    let _ = fs::remove_file(home.background());
    Ok(true)
}

/// The size of all files in a folder. Files come and go while a server runs.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
