//! Signatures as Standard Webhooks has them: `v1,` and the HMAC-SHA256 of id, time and body; several with spaces between.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a secret.
pub const SECRET_BYTES_MIN: usize = 24;
pub const SECRET_BYTES_MAX: usize = 64;
/// What a secret begins with as a text.
pub const SECRET_PREFIX: &str = "whsec_";
/// How old or how far ahead a signature may be when it arrives.
const AGE_MAX: Duration = Duration::from_secs(300);

/// A secret from its text; none if it is no secret.
pub fn parse_secret(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
    (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()).then_some(bytes)
}

/// A secret as a text.
pub fn show_secret(secret: &[u8]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(secret))
}

/// The signatures with each of some secrets, as `webhook-signature` has them.
pub fn sign(secrets: &[Vec<u8>], id: &str, timestamp: u64, body: &str) -> String {
    let one =
        |secret: &Vec<u8>| format!("v1,{}", STANDARD.encode(code(secret, id, timestamp, body).finalize().into_bytes()));
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Whether a message is signed with this secret, and is of now; else what is wrong with it.
pub fn verify(secret: &[u8], id: &str, timestamp: &str, signatures: &str, body: &str) -> Result<(), &'static str> {
    let seconds: u64 = timestamp.parse().map_err(|_| "webhook-timestamp is no time")?;
    let age = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()).abs_diff(seconds);
    if age > AGE_MAX.as_secs() {
        return Err("webhook-timestamp is more than five minutes away");
    }
    let is_right = |signature: &str| {
        let bytes = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        bytes.is_some_and(|bytes| code(secret, id, seconds, body).verify_slice(&bytes).is_ok())
    };
    if signatures.split(' ').any(is_right) { Ok(()) } else { Err("no signature is made with this secret") }
}

fn code(secret: &[u8], id: &str, timestamp: u64, body: &str) -> Hmac<Sha256> {
    // A key of any length will do, so there is none that is refused.
    let mut code: Hmac<Sha256> = Hmac::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
    code.update(format!("{id}.{timestamp}.").as_bytes());
    code.update(body.as_bytes());
    code
}
