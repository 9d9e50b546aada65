//! A wire to the test's PostgreSQL that one can hold still or cut: what networks and dying servers do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mainstay::config::Address;
use postgres::config::Host;

/// Which bytes from the client make the proxy cut the wire, and when.
#[derive(Clone)]
pub struct Cut {
    pub at: &'static [u8],
    /// Whether the server still gets them.
    pub delivers: bool,
}

#[derive(Default)]
struct State {
    is_still: AtomicBool,
    cut: Mutex<Option<Cut>>,
    accepted: AtomicUsize,
}

/// A proxy in front of a database, for as long as the test runs.
pub struct Proxy {
    listener: SocketAddr,
    target: Address,
    state: Arc<State>,
}

impl Proxy {
    pub fn start(target: Address) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let Host::Unix(folder) = &target.config.get_hosts()[0] else {
            panic!("the test's PostgreSQL has a Unix socket")
        };
        let socket = folder.join(".s.PGSQL.5432");
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                carry(client, socket.clone(), shared.clone());
            }
        });
        Proxy { listener: addr, target, state }
    }

    /// The database's address, through the proxy.
    pub fn address(&self, sslmode: &str) -> Address {
        let user = self.target.config.get_user().unwrap();
        let url = format!("postgres://{user}@{}/{}?sslmode={sslmode}", self.listener, self.target.name());
        Address::parse(&url).unwrap()
    }

    /// Stops carrying, in both directions, without closing anything; or goes on.
    pub fn hold_still(&self, is_still: bool) {
        self.state.is_still.store(is_still, Ordering::SeqCst);
    }

    /// Cuts the next wire on which these bytes appear.
    pub fn cut(&self, cut: Cut) {
        *self.state.cut.lock().unwrap() = Some(cut);
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Relaxed)
    }
}

fn carry(client: TcpStream, socket: PathBuf, state: Arc<State>) {
    let Ok(server) = UnixStream::connect(socket) else { return };
    client.set_nodelay(true).unwrap();
    let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let other = state.clone();
    thread::spawn(move || pump(from_server, to_client, |_| true, &other));
    thread::spawn(move || {
        let end = client.try_clone().unwrap();
        let cut_off = server.try_clone().unwrap();
        let watch = |bytes: &[u8]| {
            let mut cut = state.cut.lock().unwrap();
            let is_met = cut.as_ref().is_some_and(|cut| bytes.windows(cut.at.len()).any(|window| window == cut.at));
            let Some(cut) = cut.take_if(|_| is_met) else { return true };
            end.shutdown(Shutdown::Both).unwrap();
            if cut.delivers {
                (&cut_off).write_all(bytes).unwrap();
            }
            // The server answers into the void, and then sees that nobody is there.
            let _ = cut_off.shutdown(Shutdown::Write);
            false
        };
        pump(client, server, watch, &state);
    });
}

/// Carries bytes until either end closes, or `watch` says that it is over.
fn pump(mut from: impl Read, mut to: impl Write, watch: impl Fn(&[u8]) -> bool, state: &State) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        while state.is_still.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        if !watch(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
