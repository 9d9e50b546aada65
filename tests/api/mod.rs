//! The API, through HTTP: what all endpoints have in common, and each resource.

mod specimen;
mod resources;
mod filters;
mod limits;
mod settings;
mod lists;
mod bodies;
mod encodings;
mod writes;
mod idempotency;
mod trials;
mod batches;
mod protocol;
mod errors;
mod logins;
mod accounts;
mod keys;
mod permissions;
mod tokens;
mod isolation;
mod together;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// One column of a page, as texts.
fn column(page: &Value, name: &str) -> Vec<String> {
    let rows = page["data"].as_array().unwrap_or_else(|| panic!("no page: {page}"));
    rows.iter().map(|row| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned)).collect()
}

/// A text as it stands in a query string.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Does the same so many times at once, each starting when all are there.
pub fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    let (act, barrier) = (&act, &barrier);
    let start = |index| {
        move || {
            barrier.wait();
            act(index)
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(start(index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// What is answered to these bytes, after which the client sends nothing more.
fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}
