//! The tests of the crate, through a socket as any client.

#![allow(clippy::unwrap_used, unreachable_pub)] // support code of tests is test code

mod support;
mod process;

mod api;
mod load;
mod storm;
mod threads;
mod receive;
mod framing;
mod heads;
mod hostile;
mod replies;
mod slow;
mod limits;
mod limits_connections;
mod large_bodies;
mod limits_memory;
mod limits_time;
mod dropping;
mod shutdown;
mod unblock;
mod cases;
mod compare;

/// Programs written for 0.12, compiled against this crate. Their tests hold for both crates.
#[path = "."]
mod ours {
    use tiny_http as tiny_http_crate;

    mod program;
    mod requests;
    mod signatures;
    pub mod site;
    mod values;
}

/// The same files once more, compiled against the published crate.
#[path = "."]
#[allow(clippy::duplicate_mod)]
mod published {
    use tiny_http_published as tiny_http_crate;

    mod program;
    mod requests;
    mod signatures;
    pub mod site;
    mod values;
}
