//! Bodies that are too large for memory: each is collected in a file without a name, and there are only so many at once.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::Reject;

const TOO_MANY: Reject = Reject::new(503, "too many large bodies are on their way; try again");
const NO_ROOM: Reject = Reject::new(503, "the server has no room for the body; try again");
/// The part of all places that one address may have.
const SHARE: usize = 4;

/// The places for large bodies.
#[derive(Debug)]
pub(crate) struct Spools {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A large body: written to its end first, and then read.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    written: u64,
    read: u64,
    /// Whose share it is part of.
    address: Option<IpAddr>,
    spools: Arc<Spools>,
}

impl Spools {
    pub(crate) fn new(max: usize) -> Arc<Spools> {
        Arc::new(Spools { max, taken: Mutex::default() })
    }

    /// Makes room for one more. `address` is `None` where several clients share one.
    pub(crate) fn open(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Spool, Reject> {
        self.take(address)?;
        let failed = |error| {
            self.give_back(address);
            no_room(&error)
        };
        let file = nameless_file(&std::env::temp_dir()).map_err(failed)?;
        Ok(Spool { file, written: 0, read: 0, address, spools: self.clone() })
    }

    fn take(&self, address: Option<IpAddr>) -> Result<(), Reject> {
        let mut taken = self.lock();
        let of_address = address.and_then(|address| taken.by_address.get(&address).copied()).unwrap_or(0);
        if taken.count >= self.max || of_address >= self.max.div_ceil(SHARE) {
            return Err(TOO_MANY);
        }
        taken.count += 1;
        if let Some(address) = address {
            taken.by_address.insert(address, of_address + 1);
        }
        Ok(())
    }

    fn give_back(&self, address: Option<IpAddr>) {
        let mut taken = self.lock();
        taken.count -= 1;
        let Some(address) = address else { return };
        match taken.by_address.get_mut(&address) {
            Some(count @ 2..) => *count -= 1,
            _ => drop(taken.by_address.remove(&address)),
        }
    }

    /// How many there are now.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    /// Adds to the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        self.file.write_all(bytes).map_err(|error| no_room(&error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Goes on reading; 0 is the end of what has been written.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.written - self.read).unwrap_or(usize::MAX);
        let room = left.min(out.len());
        let count = self.file.read_at(&mut out[..room], self.read)?;
        self.read += count as u64;
        match count {
            0 if room > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.spools.give_back(self.address);
    }
}

fn no_room(error: &io::Error) -> Reject {
    log::error!("a body cannot be kept in {}: {error}", std::env::temp_dir().display());
    NO_ROOM
}

/// A file of which nobody else knows, and which is gone when it is closed.
fn nameless_file(folder: &Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("tiny_http-{}-{number}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
