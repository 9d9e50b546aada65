//! What systemd is told: ready, stopping, and, as long as the server answers itself, still alive.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How long the server may take to answer itself.
const SELF_TIME: Duration = Duration::from_secs(5);

/// The service manager, if there is one.
pub(super) struct Notifier(Option<UnixAddr>);

impl Notifier {
    pub(super) fn from_environment() -> Notifier {
        let path = env::var("NOTIFY_SOCKET").unwrap_or_default();
        let address = match path.strip_prefix('@') {
            Some(name) => UnixAddr::from_abstract_name(name),
            None if path.is_empty() => return Notifier(None),
            None => UnixAddr::from_pathname(&path),
        };
        Notifier(address.ok())
    }

    pub(super) fn ready(&self) {
        self.send("READY=1");
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, state: &str) {
        let Some(address) = &self.0 else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(state.as_bytes(), address));
        if let Err(error) = sent {
            log::warn!("systemd cannot be told {state}: {error}");
        }
    }

    /// Feeds systemd's watchdog while the server answers `/live`. It ends when what is returned is dropped.
    pub(super) fn start_watchdog(&self, server: Option<SocketAddr>) -> Option<Sender<()>> {
        let time: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
        let (server, notifier) = (server?, Notifier(self.0.clone()));
        let (sender, receiver) = mpsc::channel();
        let feed = move || {
            while let Err(RecvTimeoutError::Timeout) = receiver.recv_timeout(Duration::from_micros(time / 2)) {
                match answers(server) {
                    Ok(()) => notifier.send("WATCHDOG=1"),
                    Err(error) => log::error!("the server does not answer itself: {error}"),
                }
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(feed).ok()?;
        Some(sender)
    }
}

fn answers(server: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, SELF_TIME)?;
    stream.set_read_timeout(Some(SELF_TIME))?;
    stream.set_write_timeout(Some(SELF_TIME))?;
    stream.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    match start.ends_with(b" 200") {
        true => Ok(()),
        false => Err(std::io::Error::other("it answers /live with an error")),
    }
}
