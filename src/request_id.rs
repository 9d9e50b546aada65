//! The name of a request, in the reply, in the log and in the audit.

use std::fmt;

use uuid::Uuid;

const LENGTH_MAX: usize = 64;

/// The client's own name for the request when it is a sane one, else a new UUID.
#[derive(Clone, Copy)]
pub struct RequestId {
    bytes: [u8; LENGTH_MAX],
    length: usize,
}

impl RequestId {
    pub fn new(given: Option<&str>) -> RequestId {
        let mut id = RequestId { bytes: [0; LENGTH_MAX], length: 0 };
        match given.filter(|text| is_sane(text)) {
            Some(text) => {
                id.bytes[..text.len()].copy_from_slice(text.as_bytes());
                id.length = text.len();
            }
            None => id.length = Uuid::now_v7().hyphenated().encode_lower(&mut id.bytes).len(),
        }
        id
    }

    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

fn is_sane(text: &str) -> bool {
    (1..=LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
