//! A body that many replies have: kept once, compressed once.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::compress;

/// A body, and how it is compressed, as soon as somebody has asked for that.
pub struct SharedBody {
    pub kind: &'static str,
    pub bytes: Bytes,
    compressed: OnceLock<Option<Bytes>>,
}

impl SharedBody {
    pub fn new(kind: &'static str, bytes: impl Into<Bytes>) -> Arc<SharedBody> {
        Arc::new(SharedBody { kind, bytes: bytes.into(), compressed: OnceLock::new() })
    }

    /// The body, compressed, if the client accepts that and it is long enough. Whoever asks first does the work, and the
    /// others wait for it.
    pub(super) fn gzip(&self, accepted: Option<&str>) -> Option<Bytes> {
        if !compress::is_wanted(accepted, self.bytes.len()) {
            return None;
        }
        self.compressed.get_or_init(|| compress::gzip(&self.bytes).map(Bytes::from)).clone()
    }
}

impl PartialEq for SharedBody {
    fn eq(&self, other: &SharedBody) -> bool {
        (self.kind, &self.bytes) == (other.kind, &other.bytes)
    }
}

impl Eq for SharedBody {}

impl fmt::Debug for SharedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes of {}", self.bytes.len(), self.kind)
    }
}
