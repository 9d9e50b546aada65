//! A small synchronous HTTP/1.1 server with one good idea: call [`Server::recv`] in as many threads as you like.
//!
//! It has the public interface of tiny_http 0.12 and stands on an open network: every buffer, wait and queue has a
//! [limit](Limits), a slow client costs a descriptor but never a thread, and whatever could be read in two ways is refused.
//!
//! ```no_run
//! use std::{sync::Arc, thread};
//! use tiny_http::{Response, Server};
//!
//! let server = Arc::new(Server::http("127.0.0.1:8080").unwrap());
//! let threads = [(); 4].map(|()| {
//!     let server = server.clone();
//!     thread::spawn(move || {
//!         for request in server.incoming_requests() {
//!             let _ = request.respond(Response::from_string("hello world"));
//!         }
//!     })
//! });
//! for thread in threads {
//!     thread.join().unwrap();
//! }
//! ```
//!
//! The modules, each of which uses only those above it:

#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

mod status;
mod method;
mod header;
mod policy;
mod limits;
mod spool;
mod listen;
mod stats;
mod buffer;
mod head;
mod chunked;
mod reader;
mod pace;
mod encode;
mod response;
mod token;
mod connection;
mod slots;
mod gate;
mod engine;
mod live;
mod stream;
mod request;
mod test_request;
mod server;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod trial;

pub use header::{Header, HeaderField};
pub use limits::Limits;
pub use listen::{ConfigListenAddr, ListenAddr, Listener};
pub use method::{HTTPVersion, Method};
pub use policy::Policy;
pub use request::Request;
pub use response::{Response, ResponseBox};
pub use server::{IncomingRequests, Server, ServerConfig, SslConfig};
pub use stats::Stats;
pub use status::StatusCode;
pub use stream::ReadWrite;
pub use test_request::TestRequest;
