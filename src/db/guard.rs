//! The wire to the database: encrypted as asked, and never waited on for longer than allowed.
//!
//! The driver waits for an answer as long as it takes, and a server that was stopped (by a debugger, a full disk, a dead
//! network) never answers. So the driver gets a stream that gives up at a deadline which the session sets.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::Sleep;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::local::{self, Local};
use crate::config::Security;

const NOT_ENCRYPTING: &str = "the server does not encrypt, and DB_SSL_MODE asks for it: set ssl = on in its \
    postgresql.conf, or DB_SSL_MODE=prefer if nobody can listen on the way to it";

/// How often it is looked whether the deadline has been brought forward: who gives up does not know who waits.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Asks the server whether it encrypts (PostgreSQL's protocol, SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The deadline of a connection, in milliseconds since `start`; 0 is none.
#[derive(Debug, Clone)]
pub struct Guard {
    start: Instant,
    deadline_ms: Arc<AtomicU64>,
}

impl Guard {
    pub fn new() -> Guard {
        Guard { start: Instant::now(), deadline_ms: Arc::new(AtomicU64::new(0)) }
    }

    /// Lets whatever the connection waits for fail after `time` from now.
    pub fn allow(&self, time: Duration) {
        let deadline = self.start.elapsed() + time;
        self.deadline_ms.store(deadline.as_millis().max(1) as u64, Ordering::Relaxed);
    }

    /// The same, unless it fails earlier anyway.
    pub fn allow_at_most(&self, time: Duration) {
        let deadline = (self.start.elapsed() + time).as_millis().max(1) as u64;
        let sooner = |old: u64| (old == 0 || deadline < old).then_some(deadline);
        // One that is early enough stays as it is.
        let _ = self.deadline_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sooner);
    }

    /// Lets the connection wait for as long as it takes.
    pub fn lift(&self) {
        self.deadline_ms.store(0, Ordering::Relaxed);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.deadline_ms.load(Ordering::Relaxed) {
            0 => None,
            milliseconds => Some(self.start + Duration::from_millis(milliseconds)),
        }
    }
}

/// Calls a method of whichever stream it is.
macro_rules! on_stream {
    ($kind:ident, $stream:expr, $first:ident | $second:ident, $method:ident($($argument:ident),*)) => {
        match $stream {
            $kind::$first(stream) => Pin::new(stream).$method($($argument),*),
            $kind::$second(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

/// What is guarded: the driver's socket, or ours.
enum Open {
    Driver(Socket),
    Local(UnixStream),
}

/// A socket that gives up at its guard's deadline.
pub struct Guarded {
    inner: Open,
    guard: Guard,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    /// Whether the deadline has passed; if not, wakes the task when it does.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let Some(deadline) = self.guard.deadline() else { return Poll::Pending };
            let now = Instant::now();
            if deadline <= now {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer"));
            }
            let next = tokio::time::Instant::from_std(deadline.min(now + LOOK_AGAIN));
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            // One that ends soon enough is left as it is.
            if sleep.is_elapsed() || sleep.deadline() > next {
                sleep.as_mut().reset(next);
            }
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn or_deadline<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match poll {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_deadline(context).map(Err),
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = on_stream!(Open, &mut self.inner, Driver | Local, poll_read(context, out));
        self.or_deadline(context, poll)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = on_stream!(Open, &mut self.inner, Driver | Local, poll_write(context, bytes));
        self.or_deadline(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(Open, &mut self.inner, Driver | Local, poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(Open, &mut self.inner, Driver | Local, poll_shutdown(context))
    }
}

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Guarded>>::Stream;
type Encrypt = <MakeRustlsConnect as MakeTlsConnect<Guarded>>::TlsConnect;

/// A guarded stream, encrypted or not.
pub enum Wire {
    Plain(Guarded),
    Encrypted(Box<Encrypted>),
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Wire::Plain(_) => ChannelBinding::none(),
            Wire::Encrypted(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_stream!(Wire, &mut *self, Plain | Encrypted, poll_read(context, out))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(Wire, &mut *self, Plain | Encrypted, poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(Wire, &mut *self, Plain | Encrypted, poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(Wire, &mut *self, Plain | Encrypted, poll_shutdown(context))
    }
}

/// Makes wires. The driver is told that encryption starts at once, so that it hands over the socket as soon as it is
/// connected; the question to the server is asked here.
#[derive(Clone)]
pub struct Connector {
    pub guard: Guard,
    pub security: Security,
    pub tls: Option<MakeRustlsConnect>,
    pub local: Option<Local>,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Wire;
    type TlsConnect = ConnectOnce;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<ConnectOnce> {
        let encrypt = match &mut self.tls {
            Some(tls) => Some(MakeTlsConnect::<Guarded>::make_tls_connect(tls, host).map_err(io::Error::other)?),
            None => None,
        };
        let socket = self.local.as_ref().map(|local| local.socket(host)).transpose()?;
        Ok(ConnectOnce { guard: self.guard.clone(), security: self.security, encrypt, socket })
    }
}

/// One connection that is being made.
pub struct ConnectOnce {
    guard: Guard,
    security: Security,
    encrypt: Option<Encrypt>,
    /// The Unix socket to use instead.
    socket: Option<PathBuf>,
}

impl TlsConnect<Socket> for ConnectOnce {
    type Stream = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let inner = match &self.socket {
                Some(path) => Open::Local(local::connect(path).await?),
                None => Open::Driver(socket),
            };
            let mut stream = Guarded { inner, guard: self.guard, sleep: None };
            let Some(encrypt) = self.encrypt else { return Ok(Wire::Plain(stream)) };
            stream.write_all(&SSL_REQUEST).await?;
            let mut answer = [0];
            stream.read_exact(&mut answer).await?;
            match (answer[0], self.security) {
                (b'S', _) => Ok(Wire::Encrypted(Box::new(encrypt.connect(stream).await?))),
                (_, Security::Prefer) => Ok(Wire::Plain(stream)),
                _ => Err(io::Error::other(NOT_ENCRYPTING)),
            }
        })
    }
}
