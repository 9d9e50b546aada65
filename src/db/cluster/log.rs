//! What PostgreSQL's programs say: kept in a file of bounded size, and quoted when one of them fails.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::home::explain;
use crate::error::{Error, Result};

/// Of a log that is larger, the older part goes to `log.old`, and what was there is lost.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;
const QUOTED_BYTES_MAX: u64 = 64 * 1024;
const QUOTED_LINES_MAX: usize = 10;

/// A log and the place in it where what one program says begins.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    start: u64,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Log> {
        trim(path);
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let file = options.open(path).map_err(|error| explain("write to", path, error))?;
        let start = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(Log { path: path.to_owned(), file, start })
    }

    /// Lets a program write here and read nothing.
    pub(super) fn attach(&self, command: &mut Command) -> Result<()> {
        let copy = || self.file.try_clone().map_err(|error| explain("write to", &self.path, error));
        command.stdin(Stdio::null()).stdout(copy()?).stderr(copy()?);
        Ok(())
    }

    /// The last of what the program said.
    pub(super) fn tail(&self) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.start.max(end.saturating_sub(QUOTED_BYTES_MAX))))?;
            let mut bytes = Vec::new();
            file.take(QUOTED_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// Why the program failed, as far as its words tell.
    pub(super) fn failure(&self, what: &str, data: &Path) -> Error {
        let tail = self.tail();
        let advice = if tail.contains("No space left on device") {
            format!("the disk that holds {} is full: free some space, and start again", data.display())
        } else if tail.contains("Permission denied") {
            format!("it may not use {}, or something in it: look at the owners and rights", data.display())
        } else {
            "its last words may tell what to do".to_owned()
        };
        let lines: Vec<&str> = tail.lines().collect();
        let last = lines[lines.len().saturating_sub(QUOTED_LINES_MAX)..].join("\n  ");
        let path = self.path.display();
        Error::database_unavailable(format!("{what}: {advice}. The end of {path}:\n  {last}"))
    }
}

/// Makes a log shorter that has grown too long. Whoever writes to it goes on at its new end.
pub(super) fn trim(path: &Path) {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        // A log that cannot be trimmed now will be later.
        let _ = fs::copy(path, path.with_extension("old"));
        let _ = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0));
    }
}
