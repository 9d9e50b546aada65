//! The tests of the crate, through a socket as any client.

mod support;

mod api;
