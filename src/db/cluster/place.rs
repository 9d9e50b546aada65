//! Where the cluster goes when nobody has said so.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::db::binaries;
use crate::error::{Error, Result};

/// Where root keeps the data of folders that PostgreSQL's user may not enter, each under its own path: two working copies
/// share no database, and none meets that of an installed mainstay in `/var/lib/mainstay`.
const FOR_ROOT: &str = "/var/lib/mainstay-root";

/// The folder of mainstay's own files, as an absolute path: `MAINSTAY_DATA`, or one that PostgreSQL can reach.
///
/// PostgreSQL does not run as root, and root's home and what lies in it is mostly closed to everybody else. A first start
/// there should work all the same, so the data go elsewhere, and that is said.
pub fn data_folder(config: &Config, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let folder = config.path("MAINSTAY_DATA").unwrap_or(Path::new("var"));
    let folder =
        std::path::absolute(folder).map_err(|error| Error::internal("MAINSTAY_DATA is no path").because(error))?;
    let cluster = folder.join("postgres/data");
    // Where somebody has chosen, or has data already, another place would be a surprise: there an error is better.
    if config.is_set("MAINSTAY_DATA") || cluster.join("PG_VERSION").exists() {
        return Ok(folder);
    }
    let Some(closed) = binaries::in_the_way(&cluster)? else { return Ok(folder) };
    let elsewhere = Path::new(FOR_ROOT).join(folder.strip_prefix("/").unwrap_or(&folder));
    say(&format!(
        "PostgreSQL's user may not enter {}: the data are in {} (MAINSTAY_DATA sets another place)",
        closed.display(),
        elsewhere.display()
    ));
    Ok(elsewhere)
}

/// Makes a folder with those above it. Where we are root, others may pass through what is made, whatever root's umask is:
/// PostgreSQL's user has to.
pub(super) fn make(folder: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return fs::create_dir_all(folder);
    }
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o711).create(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            made => made?,
        }
        fs::set_permissions(folder, Permissions::from_mode(0o711))?;
    }
    // A file may be in the way of the folder, which this tells.
    fs::create_dir_all(folder)
}
