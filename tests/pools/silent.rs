//! Servers that accept and say nothing, or stop in the middle.

use std::time::{Duration, Instant};

use mainstay::config::Address;
use mainstay::db::{Database, Statements as _, Which};
use mainstay::error::{Code, Error};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::database;
use crate::support::pools::{ONE, PATIENCE, PURPOSE, open, pid, primary};
use crate::support::proxy::Proxy;
use crate::support::server::{Extras, Server};
use crate::support::wait::wait_for;

/// Processes of PostgreSQL that stand still, as under a debugger or in a frozen container, until this is dropped.
struct Stopped(Vec<i32>);

impl Stopped {
    fn new(pids: &[i32]) -> Stopped {
        signal(pids, Signal::STOP);
        Stopped(pids.to_vec())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(&self.0, Signal::CONT);
    }
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        // One that goes on may have ended by itself.
        let _ = kill_process(Pid::from_raw(*pid).unwrap(), signal);
    }
}

/// Runs something and says how long it took.
fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (act(), start.elapsed())
}

fn no_session(pool: &Database) -> Error {
    pool.session(Which::Primary, PURPOSE).err().unwrap()
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

/// The whole life of a pool whose server stops and goes on.
fn outlives_a_stopped_server(server: &Server, address: &Address) {
    const MUCH: Duration = Duration::from_secs(8);
    let settings = [
        ("DB_QUERY_TIMEOUT", "200ms"),
        ("DB_CONNECT_TIMEOUT", "200ms"),
        ("DB_ACQUIRE_TIMEOUT", "500ms"),
        ("DB_POOL_MIN", "0"),
        ("DB_POOL_MAX", "2"),
    ];
    let pool = open(address, &settings);
    let (mut first, mut second) = (primary(&pool), primary(&pool));
    let backends = [pid(&mut first), pid(&mut second)];
    let stopped = Stopped::new(&[backends[0], backends[1], server.postmaster()]);
    // A statement that is running, or begins.
    let (result, took) = timed(|| first.one(&ONE, &[]));
    assert_eq!(result.unwrap_err().code, Code::QueryTimeout);
    assert!(took < MUCH, "a statement took {took:?}");
    // A transaction.
    let (result, took) = timed(|| second.transaction(Default::default(), |transaction| transaction.one(&ONE, &[])));
    assert_eq!(result.unwrap_err().code, Code::QueryTimeout);
    assert!(took < MUCH, "a transaction took {took:?}");
    // Putting them back.
    let ((), took) = timed(|| drop((first, second)));
    assert!(took < Duration::from_millis(500), "dropping took {took:?}");
    // Asking for another.
    let (error, took) = timed(|| no_session(&pool));
    assert_eq!(error.code, Code::DatabaseUnavailable, "{error}");
    assert!(took < MUCH, "asking took {took:?}");
    drop(stopped);
    wait_for("the server to go on", PATIENCE, || pool.session(Which::Primary, PURPOSE).ok()?.one(&ONE, &[]).ok());
}

#[test]
fn a_stopped_server_holds_nobody_past_the_time_on_either_kind_of_socket() {
    let server = Server::start(Extras { listens: true, ..Extras::default() });
    outlives_a_stopped_server(&server, &server.address("postgres"));
    outlives_a_stopped_server(&server, &server.tcp("127.0.0.1", "postgres", "sslmode=disable"));
}

#[test]
fn saying_goodbye_to_a_stopped_server_holds_up_no_other_goodbye_for_long() {
    let server = Server::start(Extras::default());
    let pool = open(&server.address("postgres"), &[("DB_POOL_MIN", "0"), ("DB_CONN_MAX_LIFETIME", "1ms")]);
    let mut sessions = [primary(&pool), primary(&pool)];
    let pids = sessions.each_mut().map(pid);
    let _stopped = Stopped::new(&pids[..1]);
    let [first, second] = sessions;
    drop(first);
    drop(second);
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    let mut admin = server.client("postgres");
    wait_for("the second to be closed", PATIENCE, || {
        (admin.query_one(gone, &[&pids[1]]).unwrap().get::<_, i64>(0) == 0).then_some(())
    });
}
