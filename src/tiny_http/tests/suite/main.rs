//! The tests of the crate, through a socket as any client.

mod support;

mod api;
mod limits;
mod limits_memory;
mod limits_time;
mod shutdown;
mod unblock;
