//! Servers on a Unix socket of this machine.
//!
//! The driver would open the socket itself and then wait on it for as long as it takes: it gives a connector the chance
//! to put a stream of its own in between only where the server has a host's name. So it is told a name for each
//! socket, and an address for all of them that is ours. It connects there, hands that connection over, and gets the
//! guarded Unix socket for it. Nothing is ever sent to our address.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use postgres::config::Host;
use tokio::net::UnixStream;

use crate::config::Address;
use crate::error::{Error, Result};

/// Where PostgreSQL listens, if nothing else is said.
const PORT: u16 = 5432;

/// The sockets of an address.
#[derive(Clone)]
pub struct Local {
    sockets: Arc<[PathBuf]>,
    reception: Arc<Reception>,
}

impl Local {
    /// The sockets of an address that has only such.
    pub fn of(address: &Address) -> Result<Option<Local>> {
        if !address.is_local() {
            return Ok(None);
        }
        let reception = Reception::open()
            .map_err(|error| Error::internal(format!("cannot listen on 127.0.0.1: {error}")).because(error))?;
        let ports = address.config.get_ports();
        let socket = |(index, host): (usize, &Host)| match host {
            Host::Unix(folder) => {
                let port = ports.get(index).or(ports.first()).unwrap_or(&PORT);
                Some(folder.join(format!(".s.PGSQL.{port}")))
            }
            Host::Tcp(_) => None,
        };
        let sockets = address.config.get_hosts().iter().enumerate().filter_map(socket).collect();
        Ok(Some(Local { sockets, reception }))
    }

    /// The configuration that makes the driver come to us. The name of each host is the number of its socket.
    pub fn config(&self, given: &postgres::Config) -> postgres::Config {
        let mut config = postgres::Config::new();
        for index in 0..self.sockets.len() {
            config.host(&index.to_string()).hostaddr(Ipv4Addr::LOCALHOST.into()).port(self.reception.port);
        }
        config.target_session_attrs(given.get_target_session_attrs());
        config.load_balance_hosts(given.get_load_balance_hosts());
        if let Some(user) = given.get_user() {
            config.user(user);
        }
        if let Some(password) = given.get_password() {
            config.password(password);
        }
        if let Some(name) = given.get_dbname() {
            config.dbname(name);
        }
        if let Some(options) = given.get_options() {
            config.options(options);
        }
        config
    }

    /// Makes room for the driver to come.
    pub fn expect(&self) {
        // Whoever came before has what it came for, and strangers have no business here.
        while self.reception.listener.accept().is_ok() {}
    }

    /// The socket for a host's name.
    pub fn socket(&self, name: &str) -> io::Result<PathBuf> {
        let socket = name.parse().ok().and_then(|index: usize| self.sockets.get(index));
        socket.cloned().ok_or_else(|| io::Error::other(format!("{name} is no socket's number")))
    }
}

/// Connects to a Unix socket.
pub async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let explain = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", socket.display()));
    UnixStream::connect(socket).await.map_err(explain)
}

/// Where the driver comes to.
struct Reception {
    listener: TcpListener,
    port: u16,
}

impl Reception {
    /// The one of this process.
    fn open() -> io::Result<Arc<Reception>> {
        static RECEPTION: Mutex<Option<Arc<Reception>>> = Mutex::new(None);
        let mut reception = RECEPTION.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reception) = &*reception {
            return Ok(reception.clone());
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok(reception.insert(Arc::new(Reception { listener, port })).clone())
    }
}
