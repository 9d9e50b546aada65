//! Any bytes as those of a connection: heads, framing, chunks.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tiny_http::trial::try_bytes(bytes));
