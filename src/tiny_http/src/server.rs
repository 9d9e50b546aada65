//! The server: what a program starts, asks for requests, and stops.

use std::error::Error;
use std::fs;
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::gate::{ASLEEP, AWAKE, DOZING, TICK};
use crate::limits::Limits;
use crate::listen::{ConfigListenAddr, ListenAddr, Listener};
use crate::pace::later;
use crate::request::Request;
use crate::stats::Stats;

/// Ticks without work at the gate after which the keeper dozes off.
const QUIET_TICKS_MAX: u32 = 100;
/// How long the keeper sleeps when there is nothing to do.
const SLEEP: Duration = Duration::from_secs(3600);

type NewServer = Result<Server, Box<dyn Error + Send + Sync + 'static>>;

/// Where a server is to listen, and how.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The addresses to try.
    pub addr: ConfigListenAddr,
    /// Must be `None`: this server does not speak TLS, as tiny_http without its `ssl` features.
    pub ssl: Option<SslConfig>,
}

/// A certificate for TLS, which this server does not speak. It is here so that programs compile.
#[derive(Debug, Clone)]
pub struct SslConfig {
    /// The certificate that a client would see.
    pub certificate: Vec<u8>,
    /// The key that belongs to it.
    pub private_key: Vec<u8>,
}

/// An HTTP server.
///
/// It listens from the moment it exists. Requests come from [`recv`](Server::recv), which may be called in as many
/// threads as the program has handlers to run at the same time. Dropping the server closes the listening socket and all
/// connections, but requests that the program has received can still be answered.
pub struct Server {
    engine: Arc<Engine>,
    addr: ListenAddr,
}

impl Server {
    /// A server on an address: `Server::http("127.0.0.1:8080")`.
    pub fn http<A>(addr: A) -> NewServer
    where
        A: ToSocketAddrs,
    {
        Server::new(ServerConfig { addr: ConfigListenAddr::from_socket_addrs(addr)?, ssl: None })
    }

    /// A server on a Unix socket. The path must not exist; it is removed when the server is dropped.
    pub fn http_unix(path: &Path) -> NewServer {
        Server::new(ServerConfig { addr: ConfigListenAddr::unix_from_path(path), ssl: None })
    }

    /// A server with the default limits.
    pub fn new(config: ServerConfig) -> NewServer {
        Server::with_limits(config, Limits::default())
    }

    /// A server with limits of your own.
    pub fn with_limits(config: ServerConfig, limits: Limits) -> NewServer {
        if config.ssl.is_some() {
            return Err(NO_TLS.into());
        }
        Server::start(config.addr.bind()?, limits)
    }

    /// A server on a socket that listens already, for example one from systemd.
    pub fn from_listener<L: Into<Listener>>(listener: L, ssl_config: Option<SslConfig>) -> NewServer {
        Server::from_listener_with_limits(listener, ssl_config, Limits::default())
    }

    /// As [`from_listener`](Server::from_listener), with limits of your own.
    pub fn from_listener_with_limits<L: Into<Listener>>(
        listener: L,
        ssl_config: Option<SslConfig>,
        limits: Limits,
    ) -> NewServer {
        if ssl_config.is_some() {
            return Err(NO_TLS.into());
        }
        Server::start(listener.into(), limits)
    }

    fn start(listener: Listener, limits: Limits) -> NewServer {
        let addr = listener.local_addr()?;
        let engine = Arc::new(Engine::new(listener, limits)?);
        let keeper = engine.clone();
        thread::Builder::new().name("tiny_http".to_owned()).spawn(move || keep(&keeper))?;
        log::debug!("listening on {addr}");
        Ok(Server { engine, addr })
    }

    /// The address that the server listens on, with the port that it got if it asked for any.
    pub fn server_addr(&self) -> ListenAddr {
        self.addr.clone()
    }

    /// Connections that are open now.
    pub fn num_connections(&self) -> usize {
        self.engine.live()
    }

    /// The figures of the server.
    pub fn stats(&self) -> Stats {
        let counters = &self.engine.counters;
        let (threads_active, threads_spare) = self.engine.gate.counts();
        Stats {
            connections: self.engine.live(),
            memory_bytes: self.engine.memory(),
            large_bodies: self.engine.large_bodies(),
            threads_active,
            threads_spare,
            connections_total: counters.connections.get(),
            connections_refused_total: counters.refused.get(),
            requests_total: counters.requests.get(),
            requests_rejected_total: counters.rejected.get(),
            timeouts_total: counters.timeouts.get(),
            accept_pauses_total: counters.accept_pauses.get(),
        }
    }

    /// Waits for a request.
    ///
    /// An error means that somebody called [`unblock`](Server::unblock), or that the server has been shut down.
    pub fn recv(&self) -> io::Result<Request> {
        let connection = self.engine.receive(None)?;
        let connection = connection.ok_or_else(|| io::Error::other("the thread was unblocked"))?;
        Ok(Request::new(connection, self.engine.clone()))
    }

    /// Waits for a request, but not for longer than `timeout`: then it is `None`.
    pub fn recv_timeout(&self, timeout: Duration) -> io::Result<Option<Request>> {
        let connection = self.engine.receive(Some(later(Instant::now(), timeout)))?;
        Ok(connection.map(|connection| Request::new(connection, self.engine.clone())))
    }

    /// Answers a request if one is there.
    pub fn try_recv(&self) -> io::Result<Option<Request>> {
        let connection = self.engine.try_receive()?;
        Ok(connection.map(|connection| Request::new(connection, self.engine.clone())))
    }

    /// Takes a request that is there already if it is `wanted`, for a program that does the work of several requests at once.
    /// Any other is the next that a thread in [`recv`](Server::recv) gets, and until then nothing else is looked at, so that
    /// nobody overtakes it. This looks at one connection at most, and never waits.
    pub fn try_recv_if(&self, wanted: impl FnOnce(&Request) -> bool) -> io::Result<Option<Request>> {
        let Some(connection) = self.engine.peek()? else { return Ok(None) };
        let request = Request::new(connection, self.engine.clone());
        if !wanted(&request) {
            request.pass();
            return Ok(None);
        }
        request.hand_out();
        Ok(Some(request))
    }

    /// Requests one after the other, until [`unblock`](Server::unblock) is called or the server is shut down.
    pub fn incoming_requests(&self) -> IncomingRequests<'_> {
        IncomingRequests { server: self }
    }

    /// Lets one thread out of `recv()` with an error, at once or when the next one calls it.
    pub fn unblock(&self) {
        self.engine.unblock();
    }

    /// Ends the server in an orderly way.
    ///
    /// Nothing is accepted any more, idle connections are closed, and requests that have come, or begun to come, are
    /// answered with `Connection: close`: the threads go on calling `recv()` until it fails. When all is answered, or
    /// after `deadline`, every connection is closed. Answers how many requests got no answer, or only a part of it.
    pub fn shutdown(&self, deadline: Duration) -> usize {
        let cut = self.engine.shutdown(later(Instant::now(), deadline));
        self.remove_path();
        cut
    }

    /// The path of a Unix socket is of no use when nobody listens there.
    fn remove_path(&self) {
        if let Some(path) = self.addr.path() {
            let _ = fs::remove_file(path);
        }
    }
}

const NO_TLS: &str = "this server does not speak TLS; put a proxy in front of it";

impl Drop for Server {
    fn drop(&mut self) {
        if !self.engine.is_closed() {
            self.engine.close_all(false);
            self.remove_path();
        }
    }
}

/// The iterator of [`Server::incoming_requests`].
pub struct IncomingRequests<'a> {
    server: &'a Server,
}

impl Iterator for IncomingRequests<'_> {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        self.server.recv().ok()
    }
}

/// The keeper: one thread for what no request brings about, that is time passing.
fn keep(engine: &Engine) {
    let gate = &engine.gate;
    gate.set_keeper();
    let mut next_sweep = Instant::now();
    let mut quiet_ticks = 0;
    while !engine.is_closed() {
        let now = Instant::now();
        // Sooner than planned if accepting has been paused meanwhile.
        next_sweep = next_sweep.min(now + engine.sweep_interval());
        if now >= next_sweep {
            engine.sweep(now);
            gate.settle();
            next_sweep = now + engine.sweep_interval();
        }
        let is_watching = gate.has_queue() && quiet_ticks < QUIET_TICKS_MAX;
        if is_watching {
            quiet_ticks = if gate.tick() { 0 } else { quiet_ticks + 1 };
            gate.sleep(AWAKE, TICK, || false);
        } else if engine.live() > 0 || engine.is_accept_paused() {
            gate.sleep(DOZING, next_sweep.saturating_duration_since(now), || false);
            quiet_ticks = 0;
        } else {
            gate.sleep(ASLEEP, SLEEP, || engine.live() > 0 || engine.is_accept_paused());
            quiet_ticks = 0;
            next_sweep = Instant::now() + engine.sweep_interval();
        }
    }
    engine.flush_rest();
}
