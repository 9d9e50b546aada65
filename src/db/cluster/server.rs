//! One PostgreSQL server process: found, started, watched and stopped.
//!
//! Knows the data folder, and nothing of who owns the server.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::home::Home;
use super::log::Log;
use crate::db::Binaries;
use crate::error::{Error, Result};

/// How long a start may take. After a crash, PostgreSQL first writes again what its journal has.
pub(super) const START_MAX: Duration = Duration::from_secs(300);
/// How long processes of a server that was killed may hold on to its memory.
const LINGER_MAX: Duration = Duration::from_secs(10);
/// After this time without success it is said that the start takes long.
pub(super) const START_QUIET: Duration = Duration::from_secs(3);
/// How long an orderly stop may take: it ends all sessions and writes everything to the disk.
const STOP_MAX: Duration = Duration::from_secs(60);
/// How long the stop after that may take, which leaves the rest to the next start.
const ABORT_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// A server that runs on a data folder, as its `postmaster.pid` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) process: u32,
    /// When it was started, in seconds since 1970: with the process, this names it for good.
    pub(super) started: String,
    pub(super) socket: PathBuf,
    pub(super) is_ready: bool,
}

impl Found {
    pub(super) fn on(data: &Path) -> Option<Found> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let line = |index: usize| lines.get(index).copied().unwrap_or_default();
        let process = line(0).parse().ok().filter(|process| *process > 0)?;
        serves(process, data).then(|| Found {
            process,
            started: line(2).to_owned(),
            socket: PathBuf::from(line(4)),
            is_ready: line(7) == "ready",
        })
    }
}

/// A server that we look after.
pub(super) struct Server {
    pub(super) process: u32,
    /// There if this process has started it.
    child: Option<Child>,
}

impl Server {
    /// A server that somebody else has started.
    pub(super) fn adopt(found: &Found) -> Server {
        Server { process: found.process, child: None }
    }

    /// Starts a server and waits until it accepts connections, or until `goes_on` says no.
    pub(super) fn start(
        home: &Home,
        binaries: &Binaries,
        say: &mut dyn FnMut(&str),
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Server> {
        let socket = home.make_socket_folder(binaries)?;
        let data = home.data();
        let start = Instant::now();
        end_orphans(&data);
        loop {
            for file in [data.join("postmaster.pid"), socket.join(".s.PGSQL.5432.lock")] {
                remove_stale_file(&file, &data);
            }
            let log = Log::open(&home.log())?;
            let error = match Server::try_start(home, binaries, &socket, &log, say, goes_on) {
                Ok(server) => return Ok(server),
                Err(error) => error,
            };
            // Processes of a server that was killed end a moment after they were told to.
            let tail = log.tail();
            let lingers = tail.contains("pre-existing shared memory block") || tail.contains("FATAL:  lock file");
            if !lingers || !goes_on() || start.elapsed() > LINGER_MAX {
                return Err(error);
            }
            thread::sleep(POLL * 20);
        }
    }

    fn try_start(
        home: &Home,
        binaries: &Binaries,
        socket: &Path,
        log: &Log,
        say: &mut dyn FnMut(&str),
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Server> {
        let data = home.data();
        let mut command = binaries.command("postgres");
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "port=5432"]);
        command.arg("-c").arg(setting_of_folder("unix_socket_directories", socket));
        log.attach(&mut command)?;
        // Ctrl-C on the terminal is for mainstay, which stops the server in order.
        command.process_group(0);
        let child = command.spawn().map_err(|error| {
            let program = command.get_program().display();
            Error::database_unavailable(format!("cannot start {program}: {error}"))
        })?;
        let mut server = Server { process: child.id(), child: Some(child) };
        let start = Instant::now();
        let mut is_told = false;
        loop {
            if !server.is_alive(&data) {
                return Err(log.failure("PostgreSQL did not start", &data));
            }
            if Found::on(&data).is_some_and(|found| found.is_ready && found.process == server.process) {
                return Ok(server);
            }
            if !goes_on() || start.elapsed() > START_MAX {
                let error = log.failure(&format!("PostgreSQL did not start within {} s", START_MAX.as_secs()), &data);
                server.stop(&data)?;
                return Err(error);
            }
            if start.elapsed() > START_QUIET && !is_told {
                say("PostgreSQL is still starting; after a crash it first recovers what was written last");
                is_told = true;
            }
            thread::sleep(POLL);
        }
    }

    /// Whether this process has started it.
    pub(super) fn is_child(&self) -> bool {
        self.child.is_some()
    }

    pub(super) fn is_alive(&mut self, data: &Path) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => serves(self.process, data),
        }
    }

    /// Ends all sessions and stops the server: in order if that works within its time, else at once.
    pub(super) fn stop(&mut self, data: &Path) -> Result<()> {
        for (signal, time) in [(Signal::INT, STOP_MAX), (Signal::QUIT, ABORT_MAX)] {
            if !self.is_alive(data) {
                return Ok(());
            }
            send(self.process, signal);
            let start = Instant::now();
            while start.elapsed() < time {
                if !self.is_alive(data) {
                    return Ok(());
                }
                thread::sleep(POLL);
            }
        }
        Err(Error::database_unavailable(format!(
            "PostgreSQL (process {}) does not stop; its data is safe, and `kill -9 {}` ends it",
            self.process, self.process
        )))
    }

    /// Leaves the server to itself.
    pub(super) fn release(self) {
        if let Some(mut child) = self.child {
            // Somebody must take note of its end, or its number stays taken. Without a thread that is when we end.
            let _ = thread::Builder::new().name("db-release".to_owned()).spawn(move || child.wait());
        }
    }
}

/// Whether a process is a server on a data folder, and not another to which the system has given the number since.
fn serves(process: u32, data: &Path) -> bool {
    let folder = fs::read_link(format!("/proc/{process}/cwd"));
    match folder {
        // The server, and each of its processes, works in its data folder.
        Ok(folder) => fs::canonicalize(data).is_ok_and(|data| data == folder),
        Err(error) if error.kind() == ErrorKind::NotFound && Path::new("/proc/self/cwd").exists() => false,
        Err(_) => pid(process).is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH)),
    }
}

/// Removes a file with a server's process if PostgreSQL would believe it although no process works in the data folder:
/// the number has been given to another process, or nobody has taken note yet that the server is dead, or the file is
/// empty after a full disk or a power cut. Of all others PostgreSQL judges better, because it knows whose memory it shares.
fn remove_stale_file(file: &Path, data: &Path) {
    let (Ok(text), Ok(data)) = (fs::read_to_string(file), fs::canonicalize(data)) else { return };
    let process = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(pid);
    let is_believed = process.is_none_or(|process| test_kill_process(process).is_ok());
    if is_believed && processes_in(&data).is_some_and(|processes| processes.is_empty()) {
        // If this fails, PostgreSQL says what it thinks of the file.
        let _ = fs::remove_file(file);
    }
}

/// Tells the processes of a server that was killed to end, as the server itself does when one of them has crashed: they
/// notice by themselves only when they next wait for something, and PostgreSQL does not start before the last is gone.
fn end_orphans(data: &Path) {
    let Ok(folder) = fs::canonicalize(data) else { return };
    if Found::on(data).is_some() {
        return;
    }
    for process in processes_in(&folder).unwrap_or_default() {
        // What a server's own processes call themselves: others, as a shell in this folder, are left alone.
        if fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.starts_with(b"postgres: ")) {
            send(process, Signal::QUIT);
        }
    }
}

/// The processes that work in a folder, where the system says what each process does.
fn processes_in(folder: &Path) -> Option<Vec<u32>> {
    let is_in = |process: &str| fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|cwd| cwd == folder);
    fs::read_link("/proc/self/cwd").ok()?;
    let names = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Some(names.filter(|name| is_in(name)).filter_map(|name| name.parse().ok()).collect())
}

fn send(process: u32, signal: Signal) {
    if let Some(pid) = pid(process) {
        // A process that has just ended needs no signal; one that is not ours shows in that it does not end.
        let _ = kill_process(pid, signal);
    }
}

fn pid(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}

/// A setting whose value is a list of one folder.
fn setting_of_folder(name: &str, folder: &Path) -> OsString {
    let folder = folder.as_os_str().as_bytes();
    let mut bytes = format!("{name}=\"").into_bytes();
    for byte in folder {
        // In quotes, so that commas and spaces are letters; a quote itself is doubled.
        bytes.extend(std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    }
    bytes.push(b'"');
    OsString::from_vec(bytes)
}
