//! One connection to PostgreSQL, with the statements that are prepared on it.

use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::Severity;
use postgres::{Client, Statement};

use super::guard::Guard;
use super::prepared::Prepared;

/// How long a connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection. Dropping it leaves the goodbye to a thread of its own, because a server that does not answer takes its
/// time.
pub struct Connection {
    /// There until it is dropped.
    client: Option<Client>,
    pub(super) guard: Guard,
    prepared: Prepared,
    pub(super) opened: Instant,
    pub(super) used: Instant,
    is_lost: bool,
    /// Nobody is to use it after whoever has it now.
    pub(super) is_spent: bool,
}

impl Connection {
    pub(super) fn new(client: Client, guard: Guard) -> Connection {
        let now = Instant::now();
        let prepared = Prepared::default();
        Connection { client: Some(client), guard, prepared, opened: now, used: now, is_lost: false, is_spent: false }
    }

    /// The client alone, for whoever waits as long as it takes.
    pub(super) fn into_unguarded(mut self) -> Option<Client> {
        self.guard.lift();
        self.client.take()
    }

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
        if let Some(statement) = self.prepared.get(text) {
            return Ok(statement);
        }
        let statement = self.client().prepare(text)?;
        self.prepared.add(text, statement.clone());
        Ok(statement)
    }

    /// Forgets all prepared statements: after a migration they may not fit the tables any more.
    pub(super) fn forget_statements(&mut self) {
        self.prepared = Prepared::default();
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
