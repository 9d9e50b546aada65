//! The pools as the server has them, on a database of the test's own.

use std::time::Duration;

use mainstay::config::{Address, Config, Variables};
use mainstay::db::{Database, Purpose, Session, Statements as _, Which};
use mainstay::sql::Query;

pub const PURPOSE: Purpose = Purpose { what: "a test", request: None };
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const ONE: Query = Query { name: "test/one", text: "SELECT 1" };
pub const COUNT: Query = Query { name: "test/count", text: "SELECT count(*) FROM t" };
pub const INSERT: Query = Query { name: "test/insert", text: "INSERT INTO t (n) VALUES ($1)" };
const PID: Query = Query { name: "test/pid", text: "SELECT pg_backend_pid()" };

/// The database behind an address, with settings of the test's own.
pub fn open(address: &Address, settings: &[(&str, &str)]) -> Database {
    let settings = settings.iter().copied();
    let config = Config::from(&Variables::of(settings), |_| unreachable!("no setting names a file")).unwrap();
    Database::open(&config, address).unwrap()
}

pub fn primary(database: &Database) -> Session {
    database.session(Which::Primary, PURPOSE).unwrap()
}

/// The server's process behind a session.
pub fn pid(session: &mut Session) -> i32 {
    session.one(&PID, &[]).unwrap().get(0)
}
