//! PostgreSQL's own programs: where they are, and how to run them when we are root, as whom they refuse to run.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

/// Folders in which systems and installers put PostgreSQL, with `*` for the version.
const FOLDERS: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Library/PostgreSQL/*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
];

/// The users as whom PostgreSQL runs when we are root, the best first.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// PostgreSQL's programs of one version.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub folder: PathBuf,
    /// The major version.
    pub version: u32,
    /// User and group to run as, where we are root.
    runs_as: Option<(u32, u32)>,
}

impl Binaries {
    /// Finds the newest version that has both `initdb` and `postgres`.
    pub fn find() -> Result<Binaries> {
        let newest = installed().into_iter().max_by_key(|binaries| binaries.version);
        newest.ok_or_else(not_found)?.for_this_user()
    }

    /// Finds the version that a cluster was made by, because no other can open it.
    pub fn find_for(cluster: &Path, version: u32) -> Result<Binaries> {
        let installed = installed();
        if let Some(binaries) = installed.iter().find(|binaries| binaries.version == version) {
            return binaries.clone().for_this_user();
        }
        let newest = installed.iter().map(|binaries| binaries.version).max().ok_or_else(not_found)?;
        Err(Error::database_unavailable(format!(
            "The cluster in {} was made by PostgreSQL {version}, and only PostgreSQL {newest} is installed here. Install \
             PostgreSQL {version} beside it; or move the data: pg_upgrade, or pg_dump with the old version and psql \
             with the new one.",
            cluster.display()
        )))
    }

    /// Those in a folder.
    pub fn at(folder: &Path) -> Result<Binaries> {
        let version = version_of(folder).ok_or_else(not_found)?;
        Binaries { folder: folder.to_owned(), version, runs_as: None }.for_this_user()
    }

    fn for_this_user(mut self) -> Result<Binaries> {
        if rustix::process::geteuid().is_root() {
            self.runs_as = Some(unprivileged_user()?);
        }
        Ok(self)
    }

    /// The user as whom the programs run.
    pub fn user(&self) -> u32 {
        self.runs_as.map_or_else(|| rustix::process::geteuid().as_raw(), |(user, _)| user)
    }

    /// A program of PostgreSQL, or any other by its full path, to be run as somebody whom PostgreSQL accepts.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        if let Some((user, group)) = self.runs_as {
            command.uid(user).gid(group);
        }
        // Messages in English, and no folder that this user may not enter.
        command.env("LC_ALL", "C").current_dir("/");
        command
    }

    /// Makes a private folder for PostgreSQL, reachable for the user who runs it.
    pub fn make_folder(&self, folder: &Path) -> Result<()> {
        let failed = |error| {
            Error::database_unavailable(format!("cannot make the folder {}: {error}", folder.display())).because(error)
        };
        fs::create_dir_all(folder).map_err(failed)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        self.hand_over(folder).map_err(failed)?;
        match self.runs_as {
            Some((user, group)) => check_reachable(folder, user, group),
            None => Ok(()),
        }
    }

    /// Makes the user who runs PostgreSQL the owner of a file or folder.
    pub fn hand_over(&self, path: &Path) -> io::Result<()> {
        match self.runs_as {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// The major version that made the cluster in a data folder; `None` if there is no cluster.
    pub fn version_of_cluster(data: &Path) -> Result<Option<u32>> {
        let file = data.join("PG_VERSION");
        let unreadable =
            |what: String| Error::database_unavailable(format!("cannot tell the version of the cluster: {what}"));
        match fs::read_to_string(&file) {
            // Before version 10, a major version had two numbers.
            Ok(text) => match text.trim().split('.').next().and_then(|number| number.parse().ok()) {
                Some(version) => Ok(Some(version)),
                None => Err(unreadable(format!("{} holds {:?}", file.display(), text.trim()))),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(format!("{}: {error}", file.display()))),
        }
    }
}

/// Everything that is installed here, to be run as we are.
fn installed() -> Vec<Binaries> {
    let has_both = |folder: &PathBuf| is_program(&folder.join("postgres")) && is_program(&folder.join("initdb"));
    let folders = candidates().into_iter().filter(has_both);
    folders.filter_map(|folder| Some(Binaries { version: version_of(&folder)?, folder, runs_as: None })).collect()
}

fn not_found() -> Error {
    Error::database_unavailable(
        "PostgreSQL's server programs (initdb, postgres) were not found. Install them (Debian and Ubuntu: apt-get \
         install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), or set DATABASE_URL \
         to a database that runs elsewhere.",
    )
}

/// Whoever runs PostgreSQL for us must be able to walk to its folder.
fn check_reachable(folder: &Path, user: u32, group: u32) -> Result<()> {
    match closed_folder(folder, user, group) {
        None => Ok(()),
        Some(closed) => Err(Error::database_unavailable(format!(
            "PostgreSQL does not run as root, and the user it runs as instead may not enter {}. Set MAINSTAY_DATA to a \
             folder that other users can reach (/var/lib/mainstay, for example), or run mainstay as a user of its own.",
            closed.display()
        ))),
    }
}

/// The folder on the way to this one that whoever runs PostgreSQL for us may not enter; `None` where we are not root.
pub(super) fn in_the_way(folder: &Path) -> Result<Option<PathBuf>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let (user, group) = unprivileged_user()?;
    Ok(closed_folder(folder, user, group))
}

/// The folder on the way to this one that a user may not enter. What does not exist yet is in nobody's way.
fn closed_folder(folder: &Path, user: u32, group: u32) -> Option<PathBuf> {
    let is_closed = |parent: &&Path| {
        let Ok(metadata) = fs::metadata(parent) else { return false };
        let right = match () {
            () if metadata.uid() == user => 0o100,
            () if metadata.gid() == group => 0o010,
            () => 0o001,
        };
        metadata.mode() & right == 0
    };
    let mut parents = folder.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    parents.find(is_closed).map(Path::to_owned)
}

/// Folders that may hold the programs, in no order that matters.
fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for pattern in FOLDERS {
        folders.extend(expand(pattern));
    }
    // A link leads to a folder that has the other programs too.
    let real = folders
        .iter()
        .filter_map(|folder| fs::canonicalize(folder.join("postgres")).ok()?.parent().map(Path::to_owned));
    let mut folders: Vec<PathBuf> = real.collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The folders that a pattern with one `*` stands for.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or_default();
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| PathBuf::from(format!("{}{after}", entry.path().display())))
        .collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The major version of `postgres (PostgreSQL) 15.18 (Debian …)`.
fn version_of(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split_whitespace().nth(2)?;
    number.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// User and group of the first of [`USERS`] that this system has.
fn unprivileged_user() -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    USERS.iter().find_map(|name| user(name)).ok_or_else(|| {
        Error::internal("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
    })
}
