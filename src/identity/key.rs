//! API keys: `ctm_`, 43 digits that are 32 random bytes, and 6 that are a checksum.
//!
//! By start and checksum a scanner of published code can tell a real key from a word that looks like one, and a
//! mistyped key is refused without asking the database. `identity.generate_api_key` makes the same in SQL.

use sha2::{Digest, Sha256};

use super::base62::{self, SECRET_DIGITS};
use crate::error::Result;

/// What every key starts with.
pub const START: &str = "ctm_";

/// The length of a key, in bytes.
pub const LENGTH: usize = BODY + CHECKSUM_DIGITS;

const BODY: usize = START.len() + SECRET_DIGITS;
const CHECKSUM_DIGITS: usize = 6;
const PREFIX: usize = 12;

/// A key that has just been made.
pub struct NewKey {
    /// Shown once, and kept nowhere.
    pub key: String,
    /// The start of it, by which people tell one from another.
    pub prefix: String,
    /// What is stored.
    pub hash: [u8; 32],
}

/// Makes a key.
pub fn generate() -> Result<NewKey> {
    let mut key = format!("{START}{}", base62::secret()?);
    let checksum = checksum(key.as_bytes());
    key.extend(checksum.into_iter().map(char::from));
    Ok(NewKey { prefix: key[..PREFIX].to_owned(), hash: hash(&key), key })
}

/// Whether the text has the form of a key and the checksum is right. Costs no memory, and one hash at most.
pub fn is_well_formed(key: &str) -> bool {
    let bytes = key.as_bytes();
    if bytes.len() != LENGTH || !key.starts_with(START) || !bytes[START.len()..].iter().all(u8::is_ascii_alphanumeric) {
        return false;
    }
    let (body, end) = bytes.split_at(BODY);
    // The checksum is no secret: it says nothing that its reader does not know.
    checksum(body) == *end
}

/// What a key is found by. It has 256 random bits, so a plain hash cannot be turned back, and need not be slow.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The first 32 bits of the SHA-256. PostgreSQL has that too, but no CRC.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(body).into();
    base62::encode([a, b, c, d])
}
