//! Sockets of both kinds, TCP and Unix: what a server listens on and talks over.

use std::fmt;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net as unix_net;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{SocketAddrAny, SocketFlags};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// Where a server is to listen.
#[derive(Debug, Clone)]
pub enum ConfigListenAddr {
    /// The first of these addresses that can be bound.
    IP(Vec<SocketAddr>),
    /// A Unix socket at this path, which must not exist yet.
    Unix(PathBuf),
}

impl ConfigListenAddr {
    /// Addresses from anything that names some: `"127.0.0.1:8080"`, `("localhost", 8080)`.
    pub fn from_socket_addrs<A: ToSocketAddrs>(addrs: A) -> io::Result<Self> {
        addrs.to_socket_addrs().map(|addrs| Self::IP(addrs.collect()))
    }

    /// A Unix socket at `path`.
    pub fn unix_from_path<P: Into<PathBuf>>(path: P) -> Self {
        Self::Unix(path.into())
    }

    pub(crate) fn bind(&self) -> io::Result<Listener> {
        match self {
            Self::IP(addrs) => TcpListener::bind(addrs.as_slice()).map(Listener::Tcp),
            Self::Unix(path) => unix_net::UnixListener::bind(path).map(Listener::Unix),
        }
    }
}

/// A listening socket of either kind.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(unix_net::UnixListener),
}

impl Listener {
    pub(crate) fn local_addr(&self) -> io::Result<ListenAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddr::IP),
            Self::Unix(listener) => listener.local_addr().map(ListenAddr::Unix),
        }
    }

    /// Makes the socket fit for a server: `accept` never blocks, a crowd may wait to be accepted, and small replies leave
    /// at once (sockets inherit `TCP_NODELAY` from their listener).
    pub(crate) fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                rustix::net::sockopt::set_tcp_nodelay(listener, true)?;
                listener.set_nonblocking(true)?;
            }
            Self::Unix(listener) => listener.set_nonblocking(true)?,
        }
        Ok(rustix::net::listen(self, BACKLOG)?)
    }

    /// Whether a connection waits to be taken.
    pub(crate) fn has_waiting(&self) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// Takes a connection that waits to be taken, if there is one.
    pub(crate) fn accept(&self) -> rustix::io::Result<(Socket, Option<SocketAddr>)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match self {
            Self::Tcp(listener) => {
                let (socket, addr) = rustix::net::acceptfrom_with(listener, flags)?;
                let addr = addr.and_then(|addr: SocketAddrAny| SocketAddr::try_from(addr).ok());
                Ok((Socket::new(socket), addr))
            }
            Self::Unix(listener) => Ok((Socket::new(rustix::net::accept_with(listener, flags)?), None)),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<unix_net::UnixListener> for Listener {
    fn from(listener: unix_net::UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// The address that a server listens on.
#[derive(Debug, Clone)]
pub enum ListenAddr {
    /// An address and port.
    IP(SocketAddr),
    /// A Unix socket's address.
    Unix(unix_net::SocketAddr),
}

impl ListenAddr {
    /// The address and port; `None` for a Unix socket.
    pub fn to_ip(self) -> Option<SocketAddr> {
        match self {
            Self::IP(addr) => Some(addr),
            Self::Unix(_) => None,
        }
    }

    /// The Unix socket's address; `None` for TCP.
    pub fn to_unix(self) -> Option<unix_net::SocketAddr> {
        match self {
            Self::IP(_) => None,
            Self::Unix(addr) => Some(addr),
        }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::IP(_) => None,
            Self::Unix(addr) => addr.as_pathname(),
        }
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::IP(addr)
    }
}

impl From<unix_net::SocketAddr> for ListenAddr {
    fn from(addr: unix_net::SocketAddr) -> Self {
        Self::Unix(addr)
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IP(addr) => addr.fmt(formatter),
            Self::Unix(addr) => fmt::Debug::fmt(addr, formatter),
        }
    }
}

/// A connected socket that never blocks. A request made for a test has none: what is written goes nowhere.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: Option<OwnedFd>,
    /// Whether a thread works on a request for which the client has no whole reply yet.
    is_owed: AtomicBool,
    is_cut: AtomicBool,
}

impl Socket {
    pub(crate) fn nowhere() -> Socket {
        Socket { fd: None, is_owed: AtomicBool::new(false), is_cut: AtomicBool::new(false) }
    }

    fn new(fd: OwnedFd) -> Socket {
        Socket { fd: Some(fd), ..Socket::nowhere() }
    }

    /// Notes whether a thread owes the client a reply, or the rest of one. Answers what was noted before.
    pub(crate) fn set_owed(&self, is_owed: bool) -> bool {
        self.is_owed.swap(is_owed, Ordering::AcqRel)
    }

    /// Ends the connection whatever a thread may still do with it.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.shutdown(Shutdown::Both);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    pub(crate) fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Writes what the socket takes at once.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
        match &self.fd {
            Some(fd) => Ok(rustix::io::retry_on_intr(|| rustix::net::send(fd, bytes, flags))?),
            None => Ok(bytes.len()),
        }
    }

    /// Makes the end of the connection a failure that the client sees.
    pub(crate) fn reset_on_close(&self) {
        if let Some(fd) = &self.fd {
            let _ = rustix::net::sockopt::set_socket_linger(fd, Some(std::time::Duration::ZERO));
        }
    }

    /// Ends one direction or both. A socket that is gone already is as good as ended.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        let how = match how {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        if let Some(fd) = &self.fd {
            let _ = rustix::net::shutdown(fd, how);
        }
    }
}

/// The address by which connections are counted: an IPv6 client owns its whole /64, so that is one address.
pub(crate) fn counted_address(addr: SocketAddr) -> IpAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(addr) => IpAddr::V4(addr),
        IpAddr::V6(addr) => IpAddr::V6((addr.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_whole_network_and_an_ipv4_client_is_itself() {
        let counted = |text: &str| counted_address(SocketAddr::new(text.parse().unwrap(), 1)).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
        assert_eq!(counted("2001:db8:1:3::"), "2001:db8:1:3::");
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("192.0.2.2"), "192.0.2.2");
    }
}
