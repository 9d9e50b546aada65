//! A server that runs while a test does, and a client that says exactly what it is told to.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tiny_http::{ConfigListenAddr, Limits, Request, Response, Server, ServerConfig, StatusCode};

/// Longer than anything takes, shorter than a test that hangs should.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server with threads that answer, until it is dropped.
pub struct Running {
    pub server: Arc<Server>,
    threads: Vec<JoinHandle<()>>,
}

/// Limits under which clients may take more time than any test does.
pub fn patient() -> Limits {
    let never = Duration::from_secs(600);
    Limits { head_time: never, idle_time: never, stall_time: never, rate_window: never, ..Limits::default() }
}

/// Starts a server on a free port of the loopback address.
pub fn server(limits: Limits) -> Server {
    let addr = ConfigListenAddr::from_socket_addrs("127.0.0.1:0").unwrap();
    Server::with_limits(ServerConfig { addr, ssl: None }, limits).unwrap()
}

/// Starts a server whose `threads` threads answer each request with `handler`.
pub fn serve(limits: Limits, threads: usize, handler: impl Fn(Request) + Send + Sync + 'static) -> Running {
    serve_on(server(limits), threads, handler)
}

/// As [`serve`], with a server that is there already.
pub fn serve_on(server: Server, threads: usize, handler: impl Fn(Request) + Send + Sync + 'static) -> Running {
    let server = Arc::new(server);
    let handler = Arc::new(handler);
    let threads = (0..threads)
        .map(|_| {
            let (server, handler) = (server.clone(), handler.clone());
            thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    handler(request);
                }
            })
        })
        .collect();
    Running { server, threads }
}

/// A server of two threads that answers each request with its method, target and body: `POST /a <body>`.
pub fn echo(limits: Limits) -> Running {
    serve(limits, 2, respond_with_echo)
}

pub fn respond_with_echo(mut request: Request) {
    let mut body = Vec::new();
    match request.as_reader().read_to_end(&mut body) {
        Ok(_) => {
            let text = format!("{} {} {}", request.method(), request.url(), String::from_utf8_lossy(&body));
            let _ = request.respond(Response::from_string(text));
        }
        // A body that does not come: the server knows best what to answer.
        Err(_) => drop(request),
    }
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.server.server_addr().to_ip().unwrap()
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.shutdown(Duration::ZERO);
        for thread in self.threads.drain(..) {
            // A handler that panicked in a test about panics has been judged there.
            let _ = thread.join();
        }
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub version: String,
    /// Names in lower case, in the order of the wire.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client, byte by byte.
pub struct Client {
    pub stream: TcpStream,
    /// Bytes that have come and are not used yet.
    input: Vec<u8>,
    /// Bytes that have come at all.
    pub received: usize,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::from(TcpStream::connect(address).unwrap())
    }

    /// A client on a socket that is connected already.
    pub fn from(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, input: Vec::new(), received: 0 }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends `bytes`, which may be cut off by a server that has heard enough.
    pub fn send_anyway(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends `bytes` cut into pieces of `size`, which may be cut off as well.
    pub fn send_in_pieces(&mut self, bytes: &[u8], size: usize) -> &mut Client {
        for piece in bytes.chunks(size) {
            self.send_anyway(piece);
        }
        self
    }

    /// Tells the server that nothing more will come.
    pub fn end(&mut self) -> &mut Client {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// The next reply, to a request that was not HEAD.
    pub fn reply(&mut self) -> Reply {
        self.try_reply(false).unwrap()
    }

    /// The next reply, to a HEAD request.
    pub fn reply_to_head(&mut self) -> Reply {
        self.try_reply(true).unwrap()
    }

    pub fn try_reply(&mut self, is_to_head: bool) -> io::Result<Reply> {
        let head_length = loop {
            if let Some(position) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                break position + 4;
            }
            self.read_more()?;
        };
        let head: Vec<u8> = self.input.drain(..head_length).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut status_line = lines.next().unwrap().splitn(3, ' ');
        let version = status_line.next().unwrap().to_owned();
        let status = status_line.next().unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut reply = Reply { status, version, headers, body: Vec::new() };
        if !is_to_head && !matches!(status, 100..=199 | 204 | 304) {
            reply.body = self.body(&reply)?;
        }
        Ok(reply)
    }

    fn body(&mut self, reply: &Reply) -> io::Result<Vec<u8>> {
        if reply.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let line = self.line()?;
                let size = usize::from_str_radix(&line, 16).unwrap();
                body.extend(self.exactly(size)?);
                assert_eq!(self.line()?, "", "a chunk ends with CR LF");
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        match reply.header("content-length") {
            Some(length) => self.exactly(length.parse().unwrap()),
            None => {
                while self.read_more().is_ok() {}
                Ok(std::mem::take(&mut self.input))
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(position) = self.input.windows(2).position(|window| window == b"\r\n") {
                break position;
            }
            self.read_more()?;
        };
        let line: Vec<u8> = self.input.drain(..end + 2).collect();
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    pub fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < count {
            self.read_more()?;
        }
        Ok(self.input.drain(..count).collect())
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.input.extend_from_slice(&buffer[..count]);
                self.received += count;
                Ok(())
            }
        }
    }

    /// Whether the server closes the connection without another byte, in an orderly way or by a reset.
    pub fn is_closed(&mut self) -> bool {
        self.input.is_empty()
            && match self.read_more() {
                Ok(()) => false,
                Err(error) => {
                    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
                }
            }
    }

    /// Whether the connection still takes a request and answers it, and only it.
    pub fn is_alive(&mut self) -> bool {
        if self.stream.write_all(b"GET /alive HTTP/1.1\r\nHost: a\r\n\r\n").is_err() {
            return false;
        }
        let is_right =
            |reply: Reply| reply.version == "HTTP/1.1" && reply.status == 200 && reply.text() == "GET /alive ";
        self.try_reply(false).is_ok_and(is_right)
    }
}

/// Waits until `condition` holds, for as long as one may wait.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < until, "{what} did not come about");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Does something at the end of its scope, also when a test fails there while threads wait to be told that it is over.
pub struct AtEnd<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Whether nobody listens there.
pub fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Tries what a machine with much to do may spoil now and then, but hardly again and again.
#[track_caller]
pub fn in_some_attempt(what: &str, attempt: impl Fn() -> bool) {
    assert!((0..4).any(|_| attempt()), "{what}");
}

/// A door that is shut until somebody opens it, for handlers that are to take their time.
#[derive(Default)]
pub struct Door(Mutex<bool>, Condvar);

impl Door {
    pub fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    /// Waits until the door is open, or for as long as one may wait.
    pub fn pass(&self) {
        let _ = self.1.wait_timeout_while(self.0.lock().unwrap(), PATIENCE, |is_open| !*is_open).unwrap();
    }
}

/// Bytes of which no part looks like another.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 16).to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.take(count.div_ceil(8)).flatten().collect();
    bytes.truncate(count);
    bytes
}

/// More bytes than the kernel keeps for a connection of which nobody reads.
pub static BIG: LazyLock<Vec<u8>> = LazyLock::new(|| noise(8 << 20));

/// A response with [`BIG`] as its body.
pub fn big_response() -> Response<&'static [u8]> {
    Response::new(StatusCode(200), Vec::new(), &BIG[..], Some(BIG.len()), None)
}

/// A request that is sent behind others, and that nobody must ever answer.
pub const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends each request whole and then a byte at a time, and expects the status and the end of the connection: what comes
/// behind the request is not read as another one.
pub fn expect_refused(running: &Running, cases: &[(&str, &[u8], u16)]) {
    let mut problems = String::new();
    for &(what, bytes, status) in cases {
        for size in [bytes.len(), 1] {
            let mut client = running.client();
            client.send_in_pieces(bytes, size).send_anyway(SMUGGLED);
            let problem = match client.try_reply(false) {
                Err(error) => error.to_string(),
                Ok(reply) if reply.status != status => format!("{} {}", reply.status, reply.text().trim_end()),
                Ok(reply) if reply.header("connection") != Some("close") => "it is not told that it is over".to_owned(),
                Ok(_) if !client.is_closed() => "the connection lives on".to_owned(),
                Ok(_) => continue,
            };
            problems += &format!("\n{what}, in pieces of {size}: {problem}");
        }
    }
    assert!(problems.is_empty(), "not refused as they should be:{problems}");
    eventually("the end of all connections", || running.server.num_connections() == 0);
}

/// Sends each request to an `echo` server, whole and then a byte at a time, and expects this text and that the next
/// request is read right.
pub fn expect_accepted(running: &Running, cases: &[(&str, &[u8], &str)]) {
    let mut problems = String::new();
    for &(what, bytes, text) in cases {
        for size in [bytes.len(), 1] {
            let mut client = running.client();
            let problem = match client.send_in_pieces(bytes, size).try_reply(false) {
                Err(error) => error.to_string(),
                Ok(reply) if (reply.status, reply.text().as_str()) != (200, text) => {
                    format!("{} {}", reply.status, reply.text().trim_end())
                }
                Ok(_) if !client.is_alive() => "the next request is not answered".to_owned(),
                Ok(_) => continue,
            };
            problems += &format!("\n{what}, in pieces of {size}: {problem}");
        }
    }
    assert!(problems.is_empty(), "not answered as they should be:{problems}");
}

/// A path of its own for a file or a Unix socket, short enough for either.
pub fn temporary_path() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tiny_http-{}-{count}", std::process::id()))
}

/// A file with this content, open for reading.
pub fn temporary_file(content: &[u8]) -> (PathBuf, File) {
    let path = temporary_path();
    fs::write(&path, content).unwrap();
    let file = File::open(&path).unwrap();
    (path, file)
}
