//! A database for one test: made when it asks, dropped when it ends.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mainstay::config::Address;
use mainstay::migrate::{self, Options, Source};
use postgres::config::Host;
use postgres::{Client, NoTls};

use super::server::server;

/// A database that nobody else uses.
pub struct Database {
    name: String,
}

/// Makes a new, empty database on the cluster of this test run.
pub fn database() -> Database {
    create("template0")
}

/// Makes a new database with mainstay's own migrations. They run once in a test run; the rest are copies.
pub fn migrated() -> Database {
    let template = template();
    let database = create(TEMPLATE);
    let mut client = server().client("postgres");
    for (setting, value) in &template.settings {
        // By way of a session's own setting, so that nobody here has to know how a list is quoted.
        client.execute("SELECT set_config($1, $2, false)", &[setting, value]).unwrap();
        client.batch_execute(&format!("ALTER DATABASE {} SET {setting} FROM CURRENT", database.name)).unwrap();
    }
    database
}

const TEMPLATE: &str = "migrated_template";

/// What a copy of the template does not bring along.
struct Template {
    /// What the migrations set with `ALTER DATABASE`: names and values.
    settings: Vec<(String, String)>,
}

fn template() -> &'static Template {
    static MADE: OnceLock<Template> = OnceLock::new();
    MADE.get_or_init(make_template)
}

/// Nobody is connected to it afterwards: PostgreSQL copies only what nobody uses.
fn make_template() -> Template {
    const SETTINGS: &str = "SELECT unnest(setconfig)
        FROM pg_db_role_setting
        WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = $1)";
    let mut admin = server().client("postgres");
    admin.batch_execute(&format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0")).unwrap();
    let mut client = server().client(TEMPLATE);
    let migrations = Source::Embedded.read().unwrap();
    migrate::migrate(&mut client, &migrations, &Options::default(), &mut |_| {}).unwrap();
    client.close().unwrap();
    let settings = admin.query(SETTINGS, &[&TEMPLATE]).unwrap();
    let split = |row: &postgres::Row| row.get::<_, &str>(0).split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
    Template { settings: settings.iter().filter_map(split).collect() }
}

fn create(template: &str) -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
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
