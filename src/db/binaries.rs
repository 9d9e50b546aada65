//! PostgreSQL's own programs: where they are, and how to run them when we are root, as whom they refuse to run.

use std::env;
use std::fs;
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
        let mut found: Vec<Binaries> = Vec::new();
        for folder in candidates() {
            if is_program(&folder.join("postgres"))
                && is_program(&folder.join("initdb"))
                && let Some(version) = version_of(&folder)
            {
                found.push(Binaries { folder, version, runs_as: None });
            }
        }
        let newest = found.into_iter().max_by_key(|binaries| binaries.version);
        let mut binaries = newest.ok_or_else(|| {
            Error::database_unavailable(
                "PostgreSQL's server programs (initdb, postgres) were not found. Install them (Debian and Ubuntu: \
                 apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), \
                 or set DATABASE_URL to a database that runs elsewhere.",
            )
        })?;
        if rustix::process::geteuid().is_root() {
            binaries.runs_as = Some(unprivileged_user()?);
        }
        Ok(binaries)
    }

    /// A program, to be run as somebody whom PostgreSQL accepts.
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
        let failed = |error| Error::internal(format!("cannot make the folder {}", folder.display())).because(error);
        fs::create_dir_all(folder).map_err(failed)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        if let Some((user, group)) = self.runs_as {
            chown(folder, Some(user), Some(group)).map_err(failed)?;
            check_reachable(folder)?;
        }
        Ok(())
    }

    /// The version of the cluster in a data folder, if there is one.
    pub fn version_of_cluster(data: &Path) -> Option<u32> {
        fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
    }
}

/// Whoever runs PostgreSQL for us must be able to walk to its folder.
fn check_reachable(folder: &Path) -> Result<()> {
    for parent in folder.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        let Ok(metadata) = fs::metadata(parent) else { continue };
        let is_open = metadata.mode() & 0o001 != 0 || metadata.uid() != 0;
        if !is_open {
            return Err(Error::internal(format!(
                "PostgreSQL does not run as root, and other users may not enter {}: set MAINSTAY_DATA to a folder that \
                 they can reach, or run mainstay as a user of its own",
                parent.display()
            )));
        }
    }
    Ok(())
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
