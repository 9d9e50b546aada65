//! The four pools, each with its own rules.

use std::time::{Duration, Instant};

use mainstay::db::{Statements as _, Which};
use mainstay::error::Code;
use mainstay::sql::Query;

use crate::support::database;
use crate::support::pools::{COUNT, INSERT, PURPOSE, open};

#[test]
fn the_readonly_pool_cannot_change_anything() {
    let home = database();
    home.client().batch_execute("CREATE TABLE t (id serial, n int)").unwrap();
    let pool = open(&home.address(), &[]);
    let mut session = pool.session(Which::Readonly, PURPOSE).unwrap();
    session.exec(&INSERT, &[&1_i32]).unwrap_err();
    assert_eq!(session.one(&COUNT, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn each_pool_tells_the_server_its_name_and_its_times() {
    const SETTINGS: Query = Query {
        name: "test/settings",
        text: "SELECT concat_ws(' ', current_setting('application_name'), current_setting('statement_timeout'),
                   current_setting('lock_timeout'), current_setting('default_transaction_read_only'),
                   current_setting('timezone'))",
    };
    let home = database();
    let pool = open(&home.address(), &[("DB_QUERY_TIMEOUT", "20s")]);
    let shown =
        Which::ALL.map(|which| -> String { pool.session(which, PURPOSE).unwrap().one(&SETTINGS, &[]).unwrap().get(0) });
    let expected = [
        "mainstay/primary 20s 10s off UTC",
        "mainstay/readonly 20s 10s on UTC",
        "mainstay/priority 5s 5s off UTC",
        "mainstay/background 200s 10s off UTC",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_statement_that_takes_too_long_is_ended_by_the_server_where_its_pool_says_so() {
    const SLEEP: Query = Query { name: "test/sleep", text: "SELECT pg_sleep($1)" };
    let home = database();
    let pool = open(&home.address(), &[("DB_QUERY_TIMEOUT", "300ms")]);
    for which in [Which::Primary, Which::Readonly, Which::Priority] {
        let start = Instant::now();
        let mut session = pool.session(which, PURPOSE).unwrap();
        let error = session.one(&SLEEP, &[&30.0_f64]).unwrap_err();
        assert_eq!(error.code, Code::QueryTimeout, "{which:?}: {error}");
        assert!(start.elapsed() < Duration::from_secs(10), "{which:?}");
        // The connection is as good as before.
        session.one(&SLEEP, &[&0.0_f64]).unwrap();
        assert_eq!(pool.pool(which).stats().in_use, 1);
    }
    let mut background = pool.session(Which::Background, PURPOSE).unwrap();
    background.one(&SLEEP, &[&0.6_f64]).unwrap();
}

#[test]
fn a_replica_serves_the_readonly_pool_and_nobody_else() {
    const NAME: Query = Query { name: "test/name", text: "SELECT current_database()::text" };
    let (home, replica) = (database(), database());
    let pool = open(&home.address(), &[("DB_READONLY_URL", &replica.pairs())]);
    for which in Which::ALL {
        let name: String = pool.session(which, PURPOSE).unwrap().one(&NAME, &[]).unwrap().get(0);
        let expected = if which == Which::Readonly { replica.address() } else { home.address() };
        assert_eq!(name, expected.name(), "{which:?}");
    }
}
