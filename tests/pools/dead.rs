//! Connections that have died, and the price of knowing that the others live.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use mainstay::db::{Session, Statements as _, Transaction, TransactionOptions, Which};
use mainstay::error::Code;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::database;
use crate::support::pools::{COUNT, INSERT, ONE, PATIENCE, PURPOSE, open, pid, primary};
use crate::support::server::{Extras, Server, server};
use crate::support::wait::wait_for;

const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'mainstay/primary' AND datname = current_database()";

#[test]
fn a_connection_that_died_leaves_its_place_to_the_one_that_its_holder_takes_instead() {
    for max in [1, 10] {
        let home = database();
        home.client().batch_execute("CREATE TABLE t (id serial, n int)").unwrap();
        let size = max.to_string();
        let pool = open(&home.address(), &[("DB_POOL_MIN", "1"), ("DB_POOL_MAX", &size)]);
        let mut sessions: Vec<Session> = (0..max).map(|_| primary(&pool)).collect();
        for session in &mut sessions {
            session.one(&ONE, &[]).unwrap();
        }
        home.client().batch_execute(KILL).unwrap();
        let insert = |transaction: &mut Transaction<'_>| transaction.exec(&INSERT, &[&1_i32]);
        for (index, session) in sessions.iter_mut().enumerate() {
            match index % 2 {
                0 => drop(session.one(&ONE, &[]).unwrap()),
                _ => drop(session.transaction(TransactionOptions::default(), insert).unwrap()),
            }
        }
        drop(sessions);
        assert_eq!(primary(&pool).one(&COUNT, &[]).unwrap().get::<_, i64>(0), max / 2, "a pool of {max}");
    }
}

#[test]
fn a_session_whose_database_went_away_works_again_when_it_is_back() {
    let server = Server::start(Extras::default());
    let pool = open(&server.address("postgres"), &[("DB_POOL_MAX", "1"), ("DB_ACQUIRE_TIMEOUT", "200ms")]);
    let mut session = primary(&pool);
    session.one(&ONE, &[]).unwrap();
    kill_process(Pid::from_raw(pid(&mut session)).unwrap(), Signal::KILL).unwrap();
    // While PostgreSQL recovers it accepts nobody; the session says so, and is none the worse for it.
    wait_for("the same session answers", PATIENCE, || match session.one(&ONE, &[]) {
        Ok(_) => Some(()),
        Err(error) => {
            assert!(matches!(error.code, Code::DatabaseUnavailable | Code::PoolExhausted), "{error}");
            None
        }
    });
}

#[test]
fn killed_idle_connections_are_never_seen_by_a_caller() {
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
fn busy_connections_are_not_asked_whether_they_live_as_the_server_has_it() {
    const TAKES: usize = 200;
    let home = database();
    home.client()
        .batch_execute(&format!("ALTER DATABASE {} SET log_statement = 'all'", home.address().name()))
        .unwrap();
    let pool = open(&home.address(), &[("DB_POOL_MIN", "2"), ("DB_POOL_MAX", "2")]);
    let pids = Mutex::new(Vec::new());
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..TAKES {
                    let pid = pid(&mut primary(&pool));
                    pids.lock().unwrap().push(pid);
                }
            });
        }
    });
    let ran_for = start.elapsed();
    let mut pids = pids.into_inner().unwrap();
    pids.sort_unstable();
    pids.dedup();
    let log = server().log();
    let lines = |what: &str| -> usize {
        let of = |pid: &i32| log.lines().filter(|line| line.contains(&format!("[{pid}] LOG:  {what}"))).count();
        pids.iter().map(of).sum()
    };
    assert_eq!((pids.len(), lines("execute")), (2, 4 * TAKES));
    // A slow machine may have let a connection lie for longer than it is believed to live.
    assert!(lines("statement") <= 2 * (ran_for.as_millis() / 500) as usize, "asked {} times", lines("statement"));
    // After a while they are asked, once.
    let before = lines("statement");
    thread::sleep(Duration::from_millis(600));
    let asked = pid(&mut primary(&pool));
    let log = server().log();
    let now = log.lines().filter(|line| line.contains(&format!("[{asked}] LOG:  statement: "))).count();
    assert!((1..=before + 1).contains(&now), "asked {now} times");
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
