//! Pools and sessions: what callers see when connections die, servers fall silent, and everything is taken.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mainstay::config::{Address, Config, Variables};
use mainstay::db::{Database, Isolation, Purpose, Session, Statements, TransactionOptions, Which};
use mainstay::error::Code;
use mainstay::sql::Query;

use crate::support::database;
use crate::support::proxy::{Cut, Proxy};
use crate::support::wait::wait_for;

const PURPOSE: Purpose = Purpose { what: "a test", request: None };
const PATIENCE: Duration = Duration::from_secs(20);

const ONE: Query = Query { name: "test/one", text: "SELECT 1" };
const PID: Query = Query { name: "test/pid", text: "SELECT pg_backend_pid()" };
const COUNT: Query = Query { name: "test/count", text: "SELECT count(*) FROM t" };
const INSERT: Query = Query { name: "test/insert", text: "INSERT INTO t (n) VALUES ($1)" };
const ADD: Query = Query { name: "test/add", text: "UPDATE t SET n = n + 1 WHERE id = $1" };

/// The database behind an address, with settings of the test's own.
fn open(address: &Address, settings: &[(&str, &str)]) -> Database {
    let settings = settings.iter().copied();
    let config = Config::from(&Variables::of(settings), |_| unreachable!("no setting names a file")).unwrap();
    Database::open(&config, address).unwrap()
}

fn primary(database: &Database) -> Session {
    database.session(Which::Primary, PURPOSE).unwrap()
}

fn pid(session: &mut Session) -> i32 {
    session.one(&PID, &[]).unwrap().get(0)
}

#[test]
fn killed_idle_connections_are_never_seen_by_a_caller() {
    const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'mainstay/primary' AND datname = current_database()";
    let home = database();
    home.client().batch_execute("CREATE TABLE t (id serial, n int)").unwrap();
    let pool = open(&home.address(), &[("DB_POOL_MIN", "20"), ("DB_POOL_MAX", "20")]);
    let mut admin = home.client();
    for round in 1..=2 {
        let sessions: Vec<Session> = (0..20).map(|_| primary(&pool)).collect();
        drop(sessions);
        // Reads at once, although the connections look as if they had been used a moment ago.
        admin.batch_execute(KILL).unwrap();
        for _ in 0..20 {
            primary(&pool).one(&ONE, &[]).unwrap();
        }
        // Writes when they have been idle for a while.
        admin.batch_execute(KILL).unwrap();
        thread::sleep(Duration::from_millis(600));
        for n in 0..20_i32 {
            primary(&pool).exec(&INSERT, &[&n]).unwrap();
        }
        let count: i64 = primary(&pool).one(&COUNT, &[]).unwrap().get(0);
        assert_eq!(count, 20 * round);
    }
}

#[test]
fn a_busy_connection_is_not_asked_whether_it_lives() {
    let home = database();
    let pool = open(&home.address(), &[("DB_POOL_MIN", "1"), ("DB_POOL_MAX", "1")]);
    let first = pid(&mut primary(&pool));
    let sessions = |admin: &mut postgres::Client| -> String {
        let text = "SELECT query FROM pg_stat_activity WHERE pid = $1";
        admin.query_one(text, &[&first]).unwrap().get(0)
    };
    let mut admin = home.client();
    drop(primary(&pool));
    assert_eq!(sessions(&mut admin), PID.text, "taking it has asked the server something");
    thread::sleep(Duration::from_millis(600));
    drop(primary(&pool));
    assert_eq!(sessions(&mut admin), "", "after a while it is asked");
}

#[test]
fn a_server_that_accepts_and_says_nothing_fails_within_the_connect_time_and_costs_no_slot() {
    let home = database();
    let proxy = Proxy::start(home.address());
    proxy.hold_still(true);
    let settings =
        [("DB_POOL_MAX", "2"), ("DB_CONNECT_TIMEOUT", "100ms"), ("DB_ACQUIRE_TIMEOUT", "1s"), ("DB_POOL_MIN", "0")];
    let pool = open(&proxy.address("disable"), &settings);
    let start = Instant::now();
    let error = pool.session(Which::Primary, PURPOSE).err().unwrap();
    assert_eq!(error.code, Code::DatabaseUnavailable, "{error}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    proxy.hold_still(false);
    wait_for("both slots", PATIENCE, || {
        let both = (pool.session(Which::Primary, PURPOSE), pool.session(Which::Primary, PURPOSE));
        (both.0.is_ok() && both.1.is_ok()).then_some(())
    });
}

#[test]
fn a_server_that_falls_silent_holds_no_caller_past_its_time() {
    let home = database();
    let proxy = Proxy::start(home.address());
    let pool = open(&proxy.address("disable"), &[("DB_QUERY_TIMEOUT", "200ms"), ("DB_POOL_MIN", "0")]);
    let mut session = primary(&pool);
    session.one(&ONE, &[]).unwrap();
    proxy.hold_still(true);
    let start = Instant::now();
    let error = session.one(&ONE, &[]).unwrap_err();
    assert_eq!(error.code, Code::QueryTimeout, "{error}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    // Nor does dropping it hold anybody.
    let start = Instant::now();
    drop(session);
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    proxy.hold_still(false);
    wait_for("a new connection", PATIENCE, || pool.session(Which::Primary, PURPOSE).ok()?.one(&ONE, &[]).ok());
}

#[test]
fn exhaustion_is_told_after_the_acquire_time_with_who_holds_the_connections() {
    let home = database();
    let pool = open(&home.address(), &[("DB_POOL_MAX", "2"), ("DB_ACQUIRE_TIMEOUT", "2s")]);
    let held = [primary(&pool), primary(&pool)];
    let before = pool.stats().pools["primary"].wait_count;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.session(Which::Primary, PURPOSE).err().unwrap());
        wait_for("somebody who waits", PATIENCE, || (pool.stats().pools["primary"].waiting == 1).then_some(()));
        let error = waiter.join().unwrap();
        assert_eq!(error.code, Code::PoolExhausted);
        assert!(error.message.contains("a test for") && error.retry_after.is_some(), "{error}");
    });
    let stats = pool.stats().pools["primary"].clone();
    let shown = (stats.in_use, stats.open_connections, stats.waiting, stats.wait_count - before);
    assert_eq!(shown, (2, 2, 0, 1));
    assert!(stats.wait_duration >= Duration::from_secs(2));
    drop(held);
    assert_eq!(pool.stats().pools["primary"].in_use, 0);
}

#[test]
fn the_statistics_are_named_as_collex_shows_them() {
    let home = database();
    let pool = open(&home.address(), &[]);
    let shown = serde_json::to_value(pool.stats()).unwrap();
    for name in [
        "max_open_connections",
        "open_connections",
        "in_use",
        "idle",
        "wait_count",
        "wait_duration",
        "max_idle_closed",
        "max_idle_time_closed",
        "max_lifetime_closed",
        "waiting",
    ] {
        assert!(!shown[name].is_null() && !shown["pools"]["background"][name].is_null(), "{name} in {shown}");
    }
    assert_eq!((&shown["max_open_connections"], &shown["wait_duration"]), (&20.into(), &"0s".into()));
}

#[test]
fn old_and_surplus_connections_are_closed_and_counted() {
    let home = database();
    let settings = [("DB_POOL_MAX", "4"), ("DB_MAX_IDLE_CONNS", "1"), ("DB_POOL_MIN", "0")];
    let pool = open(&home.address(), &settings);
    let sessions: Vec<Session> = (0..4).map(|_| primary(&pool)).collect();
    drop(sessions);
    wait_for("surplus connections to be closed", PATIENCE, || {
        let stats = pool.stats().pools["primary"].clone();
        (stats.max_idle_closed == 3 && stats.idle == 1).then_some(())
    });
    let pool = open(&home.address(), &[("DB_CONN_MAX_LIFETIME", "50ms"), ("DB_POOL_MIN", "0")]);
    let session = primary(&pool);
    thread::sleep(Duration::from_millis(60));
    drop(session);
    assert_eq!(pool.stats().pools["primary"].max_lifetime_closed, 1);
}

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
fn a_statement_prepared_before_a_migration_is_prepared_anew() {
    const ALL: Query = Query { name: "test/all", text: "SELECT * FROM t" };
    let home = database();
    let mut admin = home.client();
    admin.batch_execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").unwrap();
    let pool = open(&home.address(), &[("DB_POOL_MAX", "1")]);
    assert_eq!(primary(&pool).one(&ALL, &[]).unwrap().len(), 1);
    admin.batch_execute("ALTER TABLE t ADD COLUMN more int").unwrap();
    assert_eq!(primary(&pool).one(&ALL, &[]).unwrap().len(), 2);
    admin.batch_execute("ALTER TABLE t ADD COLUMN most int").unwrap();
    let mut session = primary(&pool);
    let row = session.transaction(TransactionOptions::default(), |transaction| transaction.one(&ALL, &[])).unwrap();
    assert_eq!(row.len(), 3);
}

#[test]
fn serialization_failures_and_deadlocks_are_run_again_until_all_have_their_turn() {
    let home = database();
    home.client().batch_execute("CREATE TABLE t (id int, n int); INSERT INTO t VALUES (1, 0), (2, 0)").unwrap();
    let pool = open(&home.address(), &[("DB_POOL_MAX", "2")]);
    let start = Barrier::new(2);
    for isolation in [Isolation::Serializable, Isolation::ReadCommitted] {
        let options = TransactionOptions { isolation, ..TransactionOptions::default() };
        let run = |first: i32, second: i32| {
            let mut is_first_attempt = true;
            primary(&pool)
                .transaction(options, |transaction| {
                    transaction.exec(&ADD, &[&first])?;
                    // Both have changed their first row before either goes on to the other's.
                    if std::mem::take(&mut is_first_attempt) {
                        start.wait();
                    }
                    transaction.exec(&ADD, &[&second])
                })
                .unwrap();
        };
        thread::scope(|scope| {
            scope.spawn(|| run(1, 2));
            scope.spawn(|| run(2, 1));
        });
    }
    let sums: Vec<i32> = home.client().query("SELECT n FROM t", &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(sums, [4, 4]);
}

#[test]
fn a_transaction_whose_statement_failed_is_an_error_even_if_nobody_minded() {
    const WRONG: Query = Query { name: "test/wrong", text: "SELECT 1 / 0" };
    let home = database();
    home.client().batch_execute("CREATE TABLE t (id serial, n int)").unwrap();
    let pool = open(&home.address(), &[]);
    let result = primary(&pool).transaction(TransactionOptions::default(), |transaction| {
        transaction.exec(&INSERT, &[&1_i32])?;
        let _ = transaction.one(&WRONG, &[]);
        Ok(())
    });
    assert_eq!(result.unwrap_err().code, Code::InternalError);
    assert_eq!(primary(&pool).one(&COUNT, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn a_commit_whose_answer_was_lost_is_resolved_to_the_truth() {
    for delivers in [true, false] {
        let home = database();
        home.client().batch_execute("CREATE TABLE t (id serial, n int)").unwrap();
        let proxy = Proxy::start(home.address());
        let pool = open(&proxy.address("disable"), &[("DB_POOL_MIN", "0")]);
        let mut attempts = 0;
        let mut session = primary(&pool);
        session
            .transaction(TransactionOptions::default(), |transaction| {
                attempts += 1;
                transaction.exec(&INSERT, &[&1_i32])?;
                if attempts == 1 {
                    proxy.cut(Cut { at: b"COMMIT", delivers });
                }
                Ok(())
            })
            .unwrap();
        // Committed: the caller is told so, and it is not done twice. Not committed: it was done again.
        assert_eq!(attempts, if delivers { 1 } else { 2 }, "delivered: {delivers}");
        assert_eq!(primary(&pool).one(&COUNT, &[]).unwrap().get::<_, i64>(0), 1, "delivered: {delivers}");
        assert!(proxy.accepted() >= 2);
    }
}

#[test]
fn a_pool_is_there_before_its_database_and_finds_it_when_it_comes() {
    let home = database();
    let name = format!("{}_late", home.address().name());
    let late = home.address().with_name(&name);
    let pool = open(&late, &[("DB_ACQUIRE_TIMEOUT", "100ms")]);
    let error = pool.session(Which::Primary, PURPOSE).err().unwrap();
    assert_eq!(error.code, Code::DatabaseUnavailable, "{error}");
    home.client().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    wait_for("the database", PATIENCE, || pool.session(Which::Primary, PURPOSE).ok()?.one(&ONE, &[]).ok());
    drop(pool);
    home.client().batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
}
