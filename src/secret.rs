//! Secrets: those of the service itself, given by the configuration, or, in development, made once and kept beside the data;
//! and those of others, sealed by one of these before they are kept in the database.
//!
//! Knows nothing of tables but the names of the places that secrets are sealed for.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::{Config, SECRET_BYTES_MIN as BYTES_MIN};
use crate::error::{Error, Result};

/// Bytes of the tag that tells whether what was sealed is still the same.
const TAG_BYTES: usize = 16;
/// Bytes of a key's id.
const ID_BYTES: usize = 8;

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
    let secret = hex(&bytes);
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

/// Where a secret is kept. What was sealed for one place does not open in another.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// `gateway.webhooks`
    pub table: &'a str,
    pub column: &'a str,
    pub row: Uuid,
}

impl Place<'_> {
    fn data(&self) -> Aad<String> {
        Aad::from(format!("{}/{}/{}", self.table, self.column, self.row))
    }
}

/// A secret as the database keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// `IV:AuthTag:Data`, in hexadecimal digits.
    pub text: String,
    /// Which key opens it.
    pub key_id: String,
}

/// The keys that secrets are sealed with: the one of now, and the one before it, which only opens.
pub struct Keys {
    all: Vec<(String, LessSafeKey)>,
    /// Whether they open what is sealed already.
    are_trusted: AtomicBool,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.all.iter().map(|(id, _)| id)).finish()
    }
}

impl Keys {
    /// The keys that the configuration names.
    pub fn configured(config: &Config) -> Result<Keys> {
        let current = configured(config, "ENCRYPTION_KEY")?;
        let mut all = vec![key(&current)?];
        if let Some(previous) = config.text("ENCRYPTION_KEY_PREVIOUS") {
            all.push(key(previous)?);
        }
        Ok(Keys { all, are_trusted: AtomicBool::new(false) })
    }

    /// The id of the key that seals.
    pub fn id(&self) -> &str {
        self.all.first().map_or("", |(id, _)| id)
    }

    /// Notes that they open what is sealed already.
    pub fn trust(&self) {
        self.are_trusted.store(true, Ordering::Relaxed);
    }

    /// Seals a secret for a place. With keys that do not open what is there, what is sealed now could not be opened by those
    /// who do.
    pub fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<Sealed> {
        match self.are_trusted.load(Ordering::Relaxed) {
            true => self.reseal(place, secret),
            false => Err(Error::database_unavailable("secrets cannot be kept yet: /ready says why")),
        }
    }

    /// Seals a secret again that these keys have opened.
    pub fn reseal(&self, place: Place<'_>, secret: &[u8]) -> Result<Sealed> {
        let failed = || Error::internal("a secret cannot be sealed");
        let (id, key) = self.all.first().ok_or_else(failed)?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| failed().because(error))?;
        let mut data = secret.to_vec();
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), place.data(), &mut data)
            .map_err(|_| failed())?;
        Ok(Sealed { text: format!("{}:{}:{}", hex(&nonce), hex(tag.as_ref()), hex(&data)), key_id: id.clone() })
    }

    /// Opens what was sealed for a place. That it does not open has one reason of many, none of which is told.
    pub fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>> {
        let key = self.all.iter().find(|(id, _)| *id == sealed.key_id).map(|(_, key)| key).ok_or_else(|| {
            Error::internal(format!(
                "a secret in {} was sealed with the key {}, which is neither ENCRYPTION_KEY ({}) nor ENCRYPTION_KEY_PREVIOUS",
                place.table,
                sealed.key_id,
                self.id()
            ))
        })?;
        let open = || {
            let mut parts = sealed.text.splitn(3, ':');
            let mut part = || unhex(parts.next()?);
            let (nonce, tag, mut data) = (part()?, part()?, part()?);
            let nonce = Nonce::try_assume_unique_for_key(&nonce).ok().filter(|_| tag.len() == TAG_BYTES)?;
            data.extend(tag);
            key.open_in_place(nonce, place.data(), &mut data).ok().map(|secret| secret.to_vec())
        };
        open().ok_or_else(|| {
            let (table, column, row) = (place.table, place.column, place.row);
            Error::internal(format!(
                "the {column} of {row} in {table} does not open: it was changed, or sealed elsewhere"
            ))
        })
    }
}

/// A key and its id, made from the text of a setting. The text may be of any length and form; the key has 32 bytes that
/// serve for nothing else, and the id tells nothing of either.
fn key(text: &str) -> Result<(String, LessSafeKey)> {
    let invalid = |_| Error::internal("ENCRYPTION_KEY makes no key");
    let mut code: Hmac<Sha256> = Hmac::new_from_slice(text.trim().as_bytes())
        .map_err(|error| Error::internal("ENCRYPTION_KEY makes no key").because(error))?;
    code.update(b"mainstay: secrets at rest");
    let bytes = code.finalize().into_bytes();
    let id = hex(&Sha256::digest(bytes)[..ID_BYTES]);
    let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(invalid)?;
    Ok((id, LessSafeKey::new(key)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |at| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let is_even = text.len().is_multiple_of(2);
    is_even.then(|| (0..text.len()).step_by(2).map(byte).collect()).flatten()
}
