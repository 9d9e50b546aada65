//! Who is calling, and what they may do.
//!
//! Owns keys, passwords, sessions and permissions. Knows nothing of the other domains.

mod base62;
mod hs256;
pub mod key;
pub mod password;
pub mod token;
