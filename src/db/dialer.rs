//! Opening connections: within a time, encrypted as asked, and with reasons that help when it does not work.

use std::time::Duration;

use postgres::Client;
use postgres::config::{SslMode, SslNegotiation};
use postgres::error::SqlState;
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Connection;
use super::guard::{Connector, Guard};
use super::local::Local;
use super::tls;
use crate::config::{Address, Security};
use crate::error::{Error, Result};

/// How connections of a kind are opened.
pub struct Dialer {
    config: postgres::Config,
    address: Address,
    tls: Option<MakeRustlsConnect>,
    local: Option<Local>,
    connect_time: Duration,
}

impl Dialer {
    /// `options` are set on every connection when it is opened, as `-c name=value`.
    pub fn new(address: &Address, name: &str, options: &[(&str, String)], connect_time: Duration) -> Result<Dialer> {
        let local = Local::of(address)?;
        let mut config = match &local {
            Some(local) => local.config(&address.config),
            None => named(&address.config),
        };
        let given = config.get_options().unwrap_or_default().to_owned();
        let options = options.iter().map(|(name, value)| format!(" -c {name}={}", value.replace(' ', "\\ ")));
        let options = given + &options.collect::<String>();
        config.options(options.trim()).application_name(name).connect_timeout(connect_time);
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(30));
        // The driver then hands us the socket as soon as it is connected, whether or not we encrypt.
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        let tls = tls::connector(address)?;
        Ok(Dialer { config, address: address.clone(), tls, local, connect_time })
    }

    /// Opens a connection, or fails within the time for it.
    pub fn dial(&self) -> Result<Connection> {
        let guard = Guard::new();
        // Reaching the server has its own limit in the driver; this one is for what is said then.
        let time = match &self.local {
            None => self.connect_time * 2,
            Some(local) => {
                local.expect();
                self.connect_time
            }
        };
        guard.allow(time);
        let connector = Connector {
            guard: guard.clone(),
            security: self.address.security,
            tls: self.tls.clone(),
            local: self.local.clone(),
        };
        let manager = PostgresConnectionManager::new(self.config.clone(), connector);
        let client = manager.connect().map_err(|error| self.explain(error))?;
        Ok(Connection::new(client, guard))
    }

    /// Opens a connection for work that takes as long as it takes, as migrations do.
    pub fn dial_unguarded(&self) -> Result<Client> {
        self.dial()?.into_unguarded().ok_or_else(|| Error::internal("a new connection has no client"))
    }

    fn explain(&self, error: postgres::Error) -> Error {
        let is_plain = self.address.security == Security::Disable && self.local.is_none();
        let reason = match error.as_db_error() {
            Some(database) if is_plain && *database.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                format!("{}. If the server insists on encryption, set DB_SSL_MODE=require", database.message())
            }
            Some(database) => database.message().to_owned(),
            None => tls::explain(&error, &self.address)
                .or_else(|| std::error::Error::source(&error).map(ToString::to_string))
                .unwrap_or_else(|| error.to_string()),
        };
        Error::database_unavailable(format!("cannot connect to {}: {reason}", self.address)).because(error)
    }
}

/// The configuration with a name for each host. The driver lets us encrypt, or guard, only where there is one; an
/// address is a name too.
fn named(given: &postgres::Config) -> postgres::Config {
    let mut config = given.clone();
    if given.get_hosts().is_empty() {
        for address in given.get_hostaddrs() {
            config.host(&address.to_string());
        }
    }
    config
}
