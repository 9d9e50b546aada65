//! The tests of the crate, through a socket as any client.

#![allow(clippy::unwrap_used, unreachable_pub)] // support code of tests is test code

mod support;

mod api;
mod framing;
mod heads;
mod hostile;
mod replies;
mod slow;
