//! The folder of the embedded cluster: what lies where in it, and who may change it.
//!
//! ```text
//! MAINSTAY_DATA/postgres/
//!     data/        PostgreSQL's own
//!     socket/      its Unix socket
//!     log          what PostgreSQL says
//!     password     of the users `postgres` and `mainstay`
//!     lock         held for a moment by whoever makes, starts or stops the cluster
//!     owner        held by the mainstay that restarts the server and stops it in the end
//!     background   which server was started to go on without a mainstay
//! ```
//!
//! Locks are the kernel's, so they end with their process. Where we are root, only `data` and `socket` belong to the
//! user who runs PostgreSQL: what root writes lies in a folder of root's, so nobody can put a link in its way.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use super::place;
use super::server::START_MAX;
use crate::db::Binaries;
use crate::error::{Error, Result};

/// Longer paths do not fit into a socket's address: 104 bytes with the final zero on macOS, 108 on Linux.
const SOCKET_PATH_MAX: usize = 103;
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// How long another mainstay may work on the cluster: making and starting it, and some more.
const LOCK_MAX: Duration = Duration::from_secs(START_MAX.as_secs() + 60);
const LOCK_POLL: Duration = Duration::from_millis(20);
const PASSWORD_BYTES: usize = 24;
/// Beginnings of names that only mainstay gives, and whose files may be removed.
const RUBBISH: [&str; 2] = ["data.new.", "data.removed."];
/// What else may lie in the folder while it has no cluster.
const OURS: [&str; 10] =
    ["data", "socket", "lock", "owner", "password", "password.new", "password.initdb", "log", "log.old", "background"];

/// The folder of the embedded cluster.
#[derive(Debug, Clone)]
pub(super) struct Home {
    root: PathBuf,
}

/// A lock that this process holds until this value is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough where another thread is just starting a program, which has the file open for a moment.
        let _ = self.0.unlock();
    }
}

impl Home {
    /// The folder as it is, if there is one.
    pub(super) fn find(data: &Path) -> Option<Home> {
        let root = fs::canonicalize(data.join("postgres")).ok()?;
        root.is_dir().then_some(Home { root })
    }

    /// The folder, made if it is missing, and refused if it holds what is not ours.
    pub(super) fn make(data: &Path) -> Result<Home> {
        let root = data.join("postgres");
        check_not_taken(&root)?;
        place::make(&root).map_err(|error| explain("make the folder", &root, error))?;
        // As root we only pass through, so that PostgreSQL's user can reach the folders in it.
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        fs::set_permissions(&root, Permissions::from_mode(mode)).map_err(|error| explain("write to", &root, error))?;
        let root = fs::canonicalize(&root).map_err(|error| explain("reach", &root, error))?;
        Ok(Home { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn background(&self) -> PathBuf {
        self.root.join("background")
    }

    /// Where the data folder is made, to be renamed when it is whole.
    pub(super) fn new_data(&self) -> PathBuf {
        self.root.join(format!("data.new.{}", process::id()))
    }

    /// What the data folder is renamed to before it is removed.
    pub(super) fn removed_data(&self) -> PathBuf {
        self.root.join(format!("data.removed.{}", process::id()))
    }

    /// The major version of the cluster; `None` if there is none yet.
    pub(super) fn version(&self) -> Result<Option<u32>> {
        Binaries::version_of_cluster(&self.data())
    }

    /// Removes what a mainstay that was killed has left half-made or half-removed. Needs the lock.
    pub(super) fn remove_leftovers(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            if is_rubbish(&entry.file_name().to_string_lossy()) {
                // An initdb that outlived its mainstay may still be writing: then the next start removes the rest.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Waits for the right to make, start or stop the cluster.
    pub(super) fn lock(&self, say: &mut dyn FnMut(&str)) -> Result<Lock> {
        let start = Instant::now();
        let mut is_told = false;
        loop {
            if let Some(lock) = self.try_lock()? {
                return Ok(lock);
            }
            let holder = self.holder("lock");
            if start.elapsed() > LOCK_MAX {
                return Err(Error::database_unavailable(format!(
                    "another mainstay{holder} has been working on the cluster in {} for too long: stop it, and try again",
                    self.root.display()
                )));
            }
            if start.elapsed() > Duration::from_secs(1) && !is_told {
                say(&format!("Waiting for another mainstay{holder} that is working on the cluster"));
                is_told = true;
            }
            thread::sleep(LOCK_POLL);
        }
    }

    pub(super) fn try_lock(&self) -> Result<Option<Lock>> {
        self.take("lock")
    }

    /// Becomes the owner, unless another is. Needs the lock.
    pub(super) fn try_own(&self) -> Result<Option<Lock>> {
        self.take("owner")
    }

    /// ` (process N)` for whoever holds a lock, as far as that is known.
    pub(super) fn holder(&self, name: &str) -> String {
        let process = fs::read_to_string(self.root.join(name)).ok().and_then(|text| text.trim().parse::<u32>().ok());
        process.map(|process| format!(" (process {process})")).unwrap_or_default()
    }

    fn take(&self, name: &str) -> Result<Option<Lock>> {
        let path = self.root.join(name);
        let failed = |error| explain("write to", &path, error);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let lock = Lock(file);
        // Who holds it is only told to people, so a full disk must not keep anybody from stopping the server.
        let _ = lock.0.set_len(0).and_then(|()| writeln!(&lock.0, "{}", process::id()));
        Ok(Some(lock))
    }

    /// The password of the cluster's users, made once.
    pub(super) fn password(&self) -> Result<String> {
        let path = self.root.join("password");
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(explain("read", &path, error)),
            Err(_) if self.version()?.is_some() => {
                return Err(Error::database_unavailable(format!(
                    "{} is missing, and without the password nobody can use the cluster: restore the file, or set a new \
                     password with PostgreSQL's single-user mode and write it there",
                    path.display()
                )));
            }
            Err(_) => {}
        }
        let password = random_password().map_err(|error| explain("read", Path::new("/dev/urandom"), error))?;
        let fresh = self.root.join("password.new");
        self.write_private(&fresh, &password)?;
        fs::rename(&fresh, &path).map_err(|error| explain("write to", &path, error))?;
        Ok(password)
    }

    /// Forgets the password of a cluster that is no more; the next has its own.
    pub(super) fn remove_password(&self) -> Result<()> {
        let path = self.root.join("password");
        fs::remove_file(&path).map_err(|error| explain("remove", &path, error))
    }

    /// Writes a file that nobody else may read, down to the disk.
    pub(super) fn write_private(&self, path: &Path, text: &str) -> Result<()> {
        let write = || {
            // A leftover may belong to somebody else.
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| explain("write to", path, error))
    }

    /// A private folder for the socket: here, or in the system's folder for such things if the path here is too long.
    pub(super) fn make_socket_folder(&self, binaries: &Binaries) -> Result<PathBuf> {
        let here = self.root.join("socket");
        if fits(&here) {
            binaries.make_folder(&here)?;
            return Ok(here);
        }
        let folder = self.far_socket_folder(binaries.user());
        if !fits(&folder) {
            return Err(Error::database_unavailable(format!(
                "{} and {} are both too long for a Unix socket, whose path has at most {SOCKET_PATH_MAX} bytes: set \
                 MAINSTAY_DATA or TMPDIR to a shorter one",
                self.root.display(),
                env::temp_dir().display()
            )));
        }
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => binaries.hand_over(&folder).map_err(|error| explain("write to", &folder, error))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(explain("make the folder", &folder, error)),
        }
        // Others may write there too, and could have been first.
        let found = fs::symlink_metadata(&folder).map_err(|error| explain("reach", &folder, error))?;
        if !found.is_dir() || found.uid() != binaries.user() || found.mode() & 0o077 != 0 {
            return Err(Error::database_unavailable(format!(
                "{} is somebody else's, and the socket would go there because the path of {} is too long for one: \
                 remove it, or set MAINSTAY_DATA to a shorter path",
                folder.display(),
                self.root.display()
            )));
        }
        Ok(folder)
    }

    /// Tidies up after a server that has been stopped.
    pub(super) fn remove_far_socket_folder(&self) {
        if let Ok(metadata) = fs::metadata(self.data()) {
            // Seldom there; and what somebody else has put into it stays.
            let _ = fs::remove_dir(self.far_socket_folder(metadata.uid()));
        }
    }

    fn far_socket_folder(&self, user: u32) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        self.root.hash(&mut hasher);
        env::temp_dir().join(format!("mainstay-{user}-{:016x}", hasher.finish()))
    }
}

/// What to do about a file that could not be read or written.
pub(super) fn explain(action: &str, path: &Path, error: io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::StorageFull => "the disk is full: free some space, and start again",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "give the folder to the user who runs mainstay, or set MAINSTAY_DATA to another one"
        }
        _ => "is MAINSTAY_DATA the right folder?",
    };
    Error::database_unavailable(format!("cannot {action} {}: {error}; {advice}", path.display())).because(error)
}

/// Refuses a folder that holds something else, before anything in it is changed.
fn check_not_taken(root: &Path) -> Result<()> {
    let taken = |what: String| {
        Err(Error::database_unavailable(format!(
            "{} {what}: move it away, or set MAINSTAY_DATA to another folder",
            root.display()
        )))
    };
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return taken("is a file".to_owned()),
        Err(error) => return Err(explain("read", root, error)),
    };
    if root.join("PG_VERSION").exists() {
        return taken("is a PostgreSQL cluster that mainstay has not made".to_owned());
    }
    if root.join("data/PG_VERSION").exists() {
        return Ok(());
    }
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !OURS.contains(&&*name) && !is_rubbish(&name) {
            return taken(format!("holds {name:?}, which is not mainstay's"));
        }
    }
    match fs::read_dir(root.join("data")).ok().and_then(|mut entries| entries.next()) {
        Some(_) => taken("has a folder \"data\" with files that are no PostgreSQL cluster".to_owned()),
        None => Ok(()),
    }
}

fn is_rubbish(name: &str) -> bool {
    RUBBISH.iter().any(|beginning| name.starts_with(beginning))
}

fn fits(folder: &Path) -> bool {
    folder.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_MAX
}

fn random_password() -> io::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
