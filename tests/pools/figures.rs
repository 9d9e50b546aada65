//! What a pool says of itself.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mainstay::db::{Database, PoolStats, Session, Statements as _, Which};
use mainstay::error::Code;
use mainstay::metrics::Snapshot;

use crate::support::database;
use crate::support::pools::{ONE, PATIENCE, PURPOSE, open, primary};
use crate::support::wait::{AtEnd, wait_for};

fn stats(pool: &Database) -> PoolStats {
    pool.pool(Which::Primary).stats()
}

fn waits(pool: &Database) -> Snapshot {
    pool.pool(Which::Primary).waits()
}

#[test]
fn exhaustion_is_told_after_the_acquire_time_with_who_holds_the_connections() {
    let home = database();
    let pool = open(&home.address(), &[("DB_POOL_MAX", "2"), ("DB_ACQUIRE_TIMEOUT", "2s")]);
    let held = [primary(&pool), primary(&pool)];
    let before = pool.stats().pools["primary"].wait_count;
    assert_eq!(before, 0, "who gets a new connection waits for nobody");
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
    // Whoever waited for 2 s is in the last bucket only, which has all three.
    let waits = waits(&pool);
    let (bounds, counts): (Vec<f64>, Vec<u64>) = waits.buckets.iter().copied().unzip();
    assert_eq!(bounds, [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0]);
    assert!(counts[6] <= 2 && counts[7] == 3 && waits.count == 3, "{waits:?}");
    assert!(waits.sum_seconds >= 2.0);
    drop(held);
    assert_eq!(pool.stats().pools["primary"].in_use, 0);
}

#[test]
fn the_statistics_are_shown_exactly_as_collex_shows_them_and_who_waits() {
    let home = database();
    let pool = open(&home.address().with_name("nowhere"), &[("DB_POOL_MIN", "0"), ("DB_POOL_BACKGROUND_MIN", "0")]);
    let shown = serde_json::to_string(&pool.pool(Which::Background).stats()).unwrap();
    let expected = r#"{"max_open_connections":2,"open_connections":0,"in_use":0,"idle":0,"wait_count":0,
        "wait_duration":"0s","max_idle_closed":0,"max_idle_time_closed":0,"max_lifetime_closed":0,"waiting":0}"#;
    assert_eq!(shown, expected.split_whitespace().collect::<String>());
    let all = serde_json::to_value(pool.stats()).unwrap();
    assert_eq!(all["max_open_connections"], 10, "as DB_MAX_OPEN_CONNS says");
    assert_eq!(all["pools"].as_object().unwrap().len(), 4);
}

#[test]
fn the_figures_add_up_while_many_callers_come_and_go() {
    const CALLERS: usize = 8;
    const TAKES: u64 = 100;
    let home = database();
    let pool = open(&home.address(), &[("DB_POOL_MIN", "3"), ("DB_POOL_MAX", "3")]);
    let is_over = AtomicBool::new(false);
    let (mut waited, mut took) = (Duration::ZERO, 0);
    thread::scope(|scope| {
        let end = AtEnd(&is_over);
        let watcher = scope.spawn(|| {
            let mut was = PoolStats::default();
            while !is_over.load(Ordering::Relaxed) {
                let now = stats(&pool);
                assert!(now.open_connections <= 3 && now.in_use + now.idle == now.open_connections, "{now:?}");
                assert!(now.waiting <= CALLERS as u64 && now.wait_count >= was.wait_count, "{now:?} after {was:?}");
                assert!(now.wait_duration >= was.wait_duration, "{now:?} after {was:?}");
                was = now;
            }
        });
        let caller = || {
            for _ in 0..TAKES {
                primary(&pool).one(&ONE, &[]).unwrap();
            }
        };
        let callers = [(); CALLERS].map(|()| scope.spawn(caller));
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        drop(end);
        watcher.join().unwrap();
        let now = stats(&pool);
        (waited, took) = (now.wait_duration, now.wait_count);
        assert_eq!((now.in_use, now.idle, now.waiting), (0, 3, 0));
    });
    let waits = waits(&pool);
    assert_eq!(waits.count, CALLERS as u64 * TAKES);
    assert!(took > 0 && took <= waits.count && waited.as_secs_f64() <= waits.sum_seconds + 1e-6);
    assert!(waits.buckets.is_sorted_by_key(|(_, count)| *count), "{waits:?}");
}

#[test]
fn those_who_hold_a_connection_and_those_who_wait_are_counted_exactly() {
    let home = database();
    let pool = open(&home.address(), &[("DB_POOL_MIN", "0"), ("DB_POOL_MAX", "3")]);
    let (taken, counted) = (Barrier::new(4), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let _held = primary(&pool);
                taken.wait();
                counted.wait();
            });
        }
        taken.wait();
        let waiters = [(); 5].map(|()| scope.spawn(|| drop(primary(&pool))));
        wait_for("five who wait", PATIENCE, || (stats(&pool).waiting == 5).then_some(()));
        let now = stats(&pool);
        assert_eq!((now.in_use, now.idle, now.open_connections), (3, 0, 3));
        counted.wait();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
    let now = stats(&pool);
    assert_eq!((now.in_use, now.waiting), (0, 0));
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
