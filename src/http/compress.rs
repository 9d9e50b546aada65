//! gzip, for replies that are worth it and clients that ask for it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Shorter bodies fit into a packet anyway.
pub const BYTES_MIN: usize = 1024;

/// Whether a body of this length is worth it, and the client accepts it.
pub fn is_wanted(accepted: Option<&str>, length: usize) -> bool {
    length >= BYTES_MIN && accepted.is_some_and(accepts_gzip)
}

/// The body, compressed.
pub fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).ok()
}

/// Whether an `Accept-Encoding` has gzip in it, and not with a weight of zero.
fn accepts_gzip(accepted: &str) -> bool {
    let weight = |wanted: &str| {
        accepted.split(',').find_map(|part| {
            let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
            let weight = parameters.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight.unwrap_or(1.0))
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}
