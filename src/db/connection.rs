//! One connection to PostgreSQL, with the statements that are prepared on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use postgres::config::{SslMode, SslNegotiation};
use postgres::error::Severity;
use postgres::{Client, Statement};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::guard::{Connector, Guard};
use super::tls;
use crate::config::Address;
use crate::error::{Error, Result};

/// Prepared statements that a connection keeps. Ours are fewer; lists with filters make up the rest.
const STATEMENTS_MAX: usize = 256;
/// How long a connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Attempts to connect that may be waiting for a silent server on a Unix socket, which nobody can call back.
const SILENT_MAX: usize = 4;

/// How connections of a kind are opened.
pub struct Dialer {
    config: postgres::Config,
    address: Address,
    tls: Option<MakeRustlsConnect>,
    connect_time: Duration,
    silent: Arc<AtomicUsize>,
}

impl Dialer {
    /// `options` are set on every connection when it is opened, as `-c name=value`.
    pub fn new(address: &Address, name: &str, options: &[(&str, String)], connect_time: Duration) -> Result<Dialer> {
        let mut config = address.config.clone();
        let given = config.get_options().unwrap_or_default().to_owned();
        let options = options.iter().map(|(name, value)| format!(" -c {name}={}", value.replace(' ', "\\ ")));
        let options = given + &options.collect::<String>();
        config.options(options.trim()).application_name(name).connect_timeout(connect_time);
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(30));
        if address.is_local() {
            config.ssl_mode(SslMode::Disable);
        } else {
            config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        }
        let tls = tls::connector(address)?;
        Ok(Dialer { config, address: address.clone(), tls, connect_time, silent: Arc::default() })
    }

    /// Opens a connection, or fails within the time for it.
    pub fn dial(&self) -> Result<Connection> {
        let guard = Guard::new();
        // Reaching the server has its own limit in the driver; this one is for what is said then.
        guard.allow(self.connect_time * 2);
        let connector = Connector { guard: guard.clone(), security: self.address.security, tls: self.tls.clone() };
        let manager = PostgresConnectionManager::new(self.config.clone(), connector);
        let client = match self.address.is_local() {
            true => self.dial_aside(manager)?,
            false => manager.connect().map_err(|error| self.explain(error))?,
        };
        let now = Instant::now();
        Ok(Connection {
            client: Some(client),
            guard,
            statements: Statements::default(),
            opened: now,
            used: now,
            is_lost: false,
        })
    }

    /// Opens a connection for work that takes as long as it takes, as migrations do.
    pub fn dial_unguarded(&self) -> Result<Client> {
        let mut connection = self.dial()?;
        connection.guard.lift();
        connection.client.take().ok_or_else(|| Error::internal("a new connection has no client"))
    }

    /// Connects in a thread that can be left alone when the server accepts and says nothing.
    fn dial_aside(&self, manager: PostgresConnectionManager<Connector>) -> Result<Client> {
        let timed_out = || Error::database_unavailable(format!("{} does not answer", self.address));
        if self.silent.load(Ordering::Relaxed) >= SILENT_MAX {
            return Err(timed_out());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let silent = self.silent.clone();
        silent.fetch_add(1, Ordering::Relaxed);
        let dial = move || {
            let result = manager.connect();
            silent.fetch_sub(1, Ordering::Relaxed);
            // If nobody waits any more, the connection is closed here.
            let _ = sender.send(result);
        };
        thread::Builder::new()
            .name("db-connect".to_owned())
            .spawn(dial)
            .map_err(|error| Error::internal("no thread to connect with").because(error))?;
        match receiver.recv_timeout(self.connect_time) {
            Ok(result) => result.map_err(|error| self.explain(error)),
            Err(_) => Err(timed_out()),
        }
    }

    fn explain(&self, error: postgres::Error) -> Error {
        let reason = match error.as_db_error() {
            Some(database) => database.message().to_owned(),
            None => std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        };
        Error::database_unavailable(format!("cannot connect to {}: {reason}", self.address)).because(error)
    }
}

/// A connection. Dropping it leaves the goodbye to a thread of its own, because a server that does not answer takes its
/// time.
pub struct Connection {
    /// There until it is dropped.
    client: Option<Client>,
    pub(super) guard: Guard,
    statements: Statements,
    pub(super) opened: Instant,
    pub(super) used: Instant,
    is_lost: bool,
}

impl Connection {
    pub fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("only drop takes it")
    }

    /// Whether the connection is of no use any more.
    pub fn is_closed(&self) -> bool {
        self.is_lost || self.client.as_ref().is_none_or(Client::is_closed)
    }

    /// Notes it if an error means that the connection is lost. The driver knows that only at the next attempt.
    pub(super) fn note(&mut self, error: &postgres::Error) {
        self.is_lost |= is_loss(error);
    }

    /// The prepared statement for a text, prepared now if it is not yet.
    pub(super) fn prepare(&mut self, text: &str) -> Result<Statement, postgres::Error> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement);
        }
        let statement = self.client().prepare(text)?;
        self.statements.add(text, statement.clone());
        Ok(statement)
    }

    /// Forgets all prepared statements: after a migration they may not fit the tables any more.
    pub(super) fn forget_statements(&mut self) {
        self.statements = Statements::default();
    }

    /// Asks the server whether it is there, within `time`.
    pub(super) fn check(&mut self, time: Duration) -> Result<(), postgres::Error> {
        self.guard.allow(time);
        self.client().simple_query("").map(drop)
    }
}

/// Whether an error is the end of its connection: the server said so, or the wire broke.
fn is_loss(error: &postgres::Error) -> bool {
    match error.as_db_error() {
        Some(database) => matches!(database.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
        None => {
            error.is_closed()
                || std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        static GOODBYES: OnceLock<Sender<Client>> = OnceLock::new();
        let Some(client) = self.client.take() else { return };
        self.guard.allow(GOODBYE);
        let goodbyes = GOODBYES.get_or_init(|| {
            let (sender, receiver) = mpsc::channel::<Client>();
            // Without the thread the connection is closed by whoever sends it, which is right too.
            let _ =
                thread::Builder::new().name("db-close".to_owned()).spawn(move || receiver.into_iter().for_each(drop));
            sender
        });
        let _ = goodbyes.send(client);
    }
}

/// Statements by their text, the least recently used forgotten first.
#[derive(Default)]
struct Statements {
    by_text: HashMap<Box<str>, (Statement, u64)>,
    uses: u64,
}

impl Statements {
    fn get(&mut self, text: &str) -> Option<Statement> {
        self.uses += 1;
        let (statement, used) = self.by_text.get_mut(text)?;
        *used = self.uses;
        Some(statement.clone())
    }

    fn add(&mut self, text: &str, statement: Statement) {
        if self.by_text.len() >= STATEMENTS_MAX {
            let oldest = self.by_text.iter().min_by_key(|(_, (_, used))| *used).map(|(text, _)| text.clone());
            if let Some(oldest) = oldest {
                self.by_text.remove(&oldest);
            }
        }
        self.by_text.insert(text.into(), (statement, self.uses));
    }
}
