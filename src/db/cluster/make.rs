//! Making the cluster, once: all or nothing.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::home::{Home, explain};
use super::log::Log;
use crate::db::Binaries;
use crate::error::{Error, Result};

/// How long `initdb` may take: it writes some 40 MB, and waits until the disk has them.
const INITDB_MAX: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(10);
/// Sorted by code point, which no update of the system changes, and with the letters of all languages. Not every
/// system has it.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Makes the cluster beside its place, and puts it there when it is whole. Needs the lock.
pub(super) fn make(home: &Home, binaries: &Binaries) -> Result<()> {
    home.remove_leftovers();
    let password = home.password()?;
    let password_file = home.root().join("password.initdb");
    home.write_private(&password_file, &password)?;
    binaries.hand_over(&password_file).map_err(|error| explain("write to", &password_file, error))?;
    let folder = home.new_data();
    let made = binaries.make_folder(&folder).and_then(|()| run_initdb(home, binaries, &folder, &password_file));
    // In a private folder, and of no use to anybody who is in it already.
    let _ = fs::remove_file(&password_file);
    if let Err(error) = made {
        home.remove_leftovers();
        return Err(error);
    }
    let publish = || {
        fs::rename(&folder, home.data())?;
        File::open(home.root())?.sync_all()
    };
    publish().map_err(|error| explain("write to", &home.data(), error))
}

fn run_initdb(home: &Home, binaries: &Binaries, folder: &Path, password_file: &Path) -> Result<()> {
    for locale in LOCALES {
        let log = Log::open(&home.log())?;
        let mut command = binaries.command("initdb");
        command.arg("--pgdata").arg(folder).arg("--pwfile").arg(password_file);
        command.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums"]);
        command.arg(format!("--locale={locale}"));
        log.attach(&mut command)?;
        // Ctrl-C on the terminal is for mainstay alone.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| {
            let program = command.get_program().display();
            Error::database_unavailable(format!("cannot start {program}: {error}"))
        })?;
        let start = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if start.elapsed() < INITDB_MAX => thread::sleep(POLL),
                Ok(None) | Err(_) => break None,
            }
        };
        match status {
            Some(status) if status.success() => return Ok(()),
            Some(_) if log.tail().contains("invalid locale name") => {}
            Some(_) => return Err(log.failure("PostgreSQL's initdb could not make a cluster", &home.data())),
            None => {
                // It is over either way.
                let _ = child.kill().and_then(|()| child.wait());
                let what = format!("PostgreSQL's initdb did not make a cluster within {} s", INITDB_MAX.as_secs());
                return Err(log.failure(&what, &home.data()));
            }
        }
    }
    Err(Error::database_unavailable(
        "PostgreSQL's initdb knows none of the locales C.UTF-8 and C, so it cannot be whole",
    ))
}
