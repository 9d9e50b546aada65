//! Migrations, through their functions and a real PostgreSQL.

#[path = "migrate/concurrency.rs"]
mod concurrency;
#[path = "migrate/failures.rs"]
mod failures;
#[path = "migrate/files.rs"]
mod files;
#[path = "migrate/history.rs"]
mod history;
#[path = "migrate/ops.rs"]
mod ops;
#[path = "migrate/running.rs"]
mod running;
#[path = "migrate/verify.rs"]
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use mainstay::error::Result;
use mainstay::migrate::{self, Event, Migrations, Options, Outcome, Source};
use postgres::Client;

/// A folder of migrations, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("mainstay-migrations-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn try_read(&self) -> Result<Migrations> {
        Source::Folder(self.0.clone()).read()
    }

    fn read(&self) -> Migrations {
        self.try_read().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options::default()
}

/// Applies what is pending, with nobody watching.
fn run(client: &mut Client, folder: &Folder) -> Result<Outcome> {
    migrate::migrate(client, &folder.read(), &options(), &mut |_| {})
}

/// The same, with everything that happens.
fn run_with(client: &mut Client, folder: &Folder, options: &Options) -> (Result<Outcome>, Vec<Event>) {
    let mut events = Vec::new();
    let result = migrate::migrate(client, &folder.read(), options, &mut |event| events.push(event));
    (result, events)
}

fn message(result: Result<Outcome>) -> String {
    result.unwrap_err().to_string()
}

/// One value.
fn ask<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap().get(0)
}

fn exists(client: &mut Client, relation: &str) -> bool {
    ask(client, &format!("SELECT to_regclass('{relation}') IS NOT NULL"))
}
