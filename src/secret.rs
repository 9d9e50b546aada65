//! Secrets of the service itself: given by the configuration, or, in development, made once and kept beside the data.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::config::{Config, SECRET_BYTES_MIN as BYTES_MIN};
use crate::error::{Error, Result};

/// The secret of a setting. In production it must be set.
pub fn configured(config: &Config, name: &str) -> Result<String> {
    if let Some(secret) = config.text(name) {
        return Ok(secret.to_owned());
    }
    if config.is_production() {
        let message = format!(
            "{name} must be set in production: {BYTES_MIN} random bytes or more, as `openssl rand -hex 32` prints"
        );
        return Err(Error::internal(message));
    }
    let folder = config.path("MAINSTAY_DATA").unwrap_or(Path::new("var"));
    kept(folder, &name.to_ascii_lowercase()).map_err(|error| {
        let message = format!("{name} is not set, and none can be kept in {}: {error}", folder.display());
        Error::internal(message).because(error)
    })
}

/// The secret in a file, made now if there is none. Of two that make it at once, one wins, and both use that.
fn kept(folder: &Path, name: &str) -> std::io::Result<String> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        result => return result,
    }
    fs::create_dir_all(folder)?;
    let mut bytes = [0; BYTES_MIN];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let temporary = folder.join(format!("{name}.{}", uuid::Uuid::now_v7()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&temporary, &path);
    fs::remove_file(&temporary)?;
    match linked {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::read_to_string(&path),
        Err(error) => Err(error),
    }
}
