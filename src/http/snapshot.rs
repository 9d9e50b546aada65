//! The memory on the disk, so that a server that is started while the database is away knows what the one before it knew.
//!
//! Of callers it has what tells them, and nothing with which one could be one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::memory::{Admitted, CALLERS_MAX, Memory};
use super::shared::SharedBody;

/// The form of the file; another is not read.
const FORM: u32 = 1;
/// Bytes of the file. Those of the memory, with what JSON adds to them.
const FILE_BYTES_MAX: u64 = 64 << 20;
const NAME: &str = "last_replies.json";

#[derive(Serialize, Deserialize)]
struct Snapshot {
    form: u32,
    replies: Vec<SavedReply>,
    callers: Vec<SavedCaller>,
}

#[derive(Serialize, Deserialize)]
struct SavedReply {
    target: String,
    body: String,
    etag: Option<String>,
    since: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedCaller {
    shown: [u8; 32],
    user: Uuid,
    credential: Uuid,
    until: u64,
}

impl Memory {
    /// What a server before this one kept in the folder. What cannot be read is left out: it is a memory, and no more.
    pub fn load(folder: &Path) -> Memory {
        let memory = Memory::default();
        match read(&folder.join(NAME)) {
            Ok(Some(snapshot)) => memory.remember(snapshot),
            Ok(None) => {}
            Err(error) => log::warn!("{NAME} is not what this server has written, and is left out: {error}"),
        }
        memory
    }

    fn remember(&self, snapshot: Snapshot) {
        let mut contents = self.lock();
        for reply in snapshot.replies {
            let body = SharedBody::new("application/json", reply.body);
            contents.insert(reply.target, body, reply.etag, time(reply.since));
        }
        for caller in snapshot.callers.into_iter().take(CALLERS_MAX) {
            let admitted = Admitted { user: caller.user, credential: caller.credential, until: time(caller.until) };
            contents.callers.insert(caller.shown, admitted);
        }
        contents.is_changed = false;
    }

    /// Writes what has changed since the last time, as a whole or not at all.
    pub fn save(&self, folder: &Path) {
        let Some(snapshot) = self.changed() else { return };
        if let Err(error) = write(folder, &snapshot) {
            log::warn!("{NAME} cannot be written to {}: {error}", folder.display());
        }
    }

    /// All of it, if something has changed.
    fn changed(&self) -> Option<Snapshot> {
        let mut contents = self.lock();
        if !std::mem::take(&mut contents.is_changed) {
            return None;
        }
        let reply = |(target, kept): (&String, &super::memory::Kept)| SavedReply {
            target: target.clone(),
            body: String::from_utf8_lossy(&kept.body.bytes).into_owned(),
            etag: kept.etag.clone(),
            since: seconds(kept.since),
        };
        let caller = |(shown, caller): (&[u8; 32], &Admitted)| SavedCaller {
            shown: *shown,
            user: caller.user,
            credential: caller.credential,
            until: seconds(caller.until),
        };
        Some(Snapshot {
            form: FORM,
            replies: contents.replies.iter().map(reply).collect(),
            callers: contents.callers.iter().map(caller).collect(),
        })
    }
}

fn read(path: &Path) -> io::Result<Option<Snapshot>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let snapshot: Snapshot = serde_json::from_slice(&bytes)?;
    Ok((snapshot.form == FORM).then_some(snapshot))
}

fn write(folder: &Path, snapshot: &Snapshot) -> io::Result<()> {
    let bytes = serde_json::to_vec(snapshot)?;
    fs::create_dir_all(folder)?;
    // A name of this process's own: two servers may have one folder.
    let temporary = folder.join(format!("{NAME}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&temporary, folder.join(NAME))).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// What stands in a file may be anything.
fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}
