//! A database for one test: made when it asks, dropped when it ends.

use std::sync::atomic::{AtomicU32, Ordering};

use mainstay::config::Address;
use postgres::config::Host;
use postgres::{Client, NoTls};

use super::server::server;

/// A database that nobody else uses.
pub struct Database {
    name: String,
}

/// Makes a new, empty database on the cluster of this test run.
pub fn database() -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {name} TEMPLATE template0");
    server().client("postgres").batch_execute(&statement).unwrap();
    Database { name }
}

impl Database {
    pub fn address(&self) -> Address {
        server().address(&self.name)
    }

    /// The address as `DATABASE_URL` takes it.
    pub fn pairs(&self) -> String {
        let address = self.address();
        let Some(Host::Unix(folder)) = address.config.get_hosts().first() else {
            panic!("{address} is no Unix socket")
        };
        format!("host={} user=postgres dbname={}", folder.display(), address.name())
    }

    /// A new connection, as the superuser `postgres`.
    pub fn client(&self) -> Client {
        self.address().config.connect(NoTls).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // A test may have ended because the server did: then there is nothing to drop, and nothing to add.
        if let Ok(mut client) = server().address("postgres").config.connect(NoTls) {
            let _ = client.batch_execute(&statement);
        }
    }
}
