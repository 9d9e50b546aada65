//! The tests of the crate, through a socket as any client.

#![allow(clippy::unwrap_used, unreachable_pub)] // support code of tests is test code

mod support;
mod process;

mod api;
mod load;
mod storm;
mod threads;
mod receive;
