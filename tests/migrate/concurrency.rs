//! Several at once, and others in the way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::support::database;
use crate::support::wait::wait_for;

const SOON: Duration = Duration::from_secs(60);

/// Options for when somebody is known to be in the way.
fn impatient() -> Options {
    Options {
        lock_timeout: Duration::from_millis(20),
        lock_timeout_concurrent: Duration::from_millis(100),
        attempts: 3,
        pause: Duration::from_millis(10),
        wait: Duration::from_millis(200),
        ..options()
    }
}

#[test]
fn ten_at_once_apply_each_migration_once_and_none_fails() {
    let database = database();
    let folder = Folder::new(&[]);
    for number in 1..=20 {
        folder.write(
            &format!("{number:03}_t.sql"),
            format!("CREATE TABLE t{number} (id int);\nINSERT INTO t{number} VALUES (1);"),
        );
    }
    let migrations = folder.read();
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let starters: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| migrate::migrate(&mut database.client(), &migrations, &options(), &mut |_| {}).unwrap())
            })
            .collect();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect()
    });
    let mut versions: Vec<i64> = outcomes.iter().flat_map(|outcome| outcome.versions.clone()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<i64>>());
    assert!(outcomes.iter().all(|outcome| outcome.version == Some(20)));
    assert_eq!(ask::<i64>(&mut database.client(), "SELECT count(*) FROM t7"), 1);
}

#[test]
fn an_index_is_built_concurrently_while_others_wait_their_turn() {
    let database = database();
    let mut blocker = database.client();
    let setup = Folder::new(&[("001_t.sql", "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 1000) AS g;")]);
    run(&mut blocker, &setup).unwrap();
    setup.write("002_i.sql", "-- mainstay: no-transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id);");
    let migrations = setup.read();
    // The build has to wait for this transaction, so the others surely come while it is going on.
    let mut old = blocker.transaction().unwrap();
    old.batch_execute("SELECT count(*) FROM t; INSERT INTO t VALUES (0)").unwrap();
    let waiting = AtomicU32::new(0);
    thread::scope(|scope| {
        let starters: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut watch = |event| {
                        if let Event::Waiting { holders } = event {
                            assert!(holders.len() <= 1, "{holders:?}");
                            waiting.fetch_add(1, Ordering::Relaxed);
                        }
                    };
                    migrate::migrate(&mut database.client(), &migrations, &options(), &mut watch).unwrap()
                })
            })
            .collect();
        wait_for("five wait for the sixth", SOON, || (waiting.load(Ordering::Relaxed) == 5).then_some(()));
        old.commit().unwrap();
        let applied = starters.into_iter().map(|starter| starter.join().unwrap().versions.len()).sum::<usize>();
        assert_eq!(applied, 1);
    });
    assert!(ask::<bool>(&mut database.client(), "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_id'::regclass"));
}

#[test]
fn waiting_for_another_migrator_ends_and_names_it() {
    let database = database();
    let mut holder = database.client();
    let key = i64::from_be_bytes(*b"mainstay");
    holder.batch_execute(&format!("SET application_name = 'slow one'; SELECT pg_advisory_lock({key})")).unwrap();
    let pid: i32 = ask(&mut holder, "SELECT pg_backend_pid()");
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);")]);
    let mut client = database.client();
    let (result, events) = run_with(&mut client, &folder, &impatient());
    let message = message(result);
    assert!(message.contains(&format!("process {pid} (slow one, role postgres, idle since 20")), "{message}");
    assert!(matches!(&events[..], [.., Event::Waiting { holders }] if holders[0].pid == pid), "{events:?}");
    assert!(!exists(&mut client, "a"));
}

#[test]
fn where_nothing_is_pending_no_lock_is_asked_for() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);")]);
    run(&mut client, &folder).unwrap();
    let mut holder = database.client();
    let key = i64::from_be_bytes(*b"mainstay");
    holder.batch_execute(&format!("SELECT pg_advisory_lock({key})")).unwrap();
    let (result, events) = run_with(&mut client, &folder, &impatient());
    assert_eq!((result.unwrap().version, events.len()), (Some(1), 0));
}

#[test]
fn the_lock_is_free_again_after_success_and_after_failure() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "SELECT 1;"), ("002_b.sql", "SELECT nothing;")]);
    run(&mut client, &folder).unwrap_err();
    assert_eq!(
        ask::<i64>(&mut client, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"),
        0
    );
}

#[test]
fn a_table_that_somebody_holds_is_tried_again_and_then_the_holder_is_named() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE SCHEMA s; CREATE TABLE s.a (id int);")]);
    run(&mut client, &folder).unwrap();
    let mut holder = database.client();
    let pid: i32 = ask(&mut holder, "SELECT pg_backend_pid()");
    let mut held = holder.transaction().unwrap();
    held.batch_execute("SET application_name = 'report'; LOCK TABLE s.a IN ACCESS SHARE MODE").unwrap();
    folder.write("002_b.sql", "CREATE TABLE b (id int);\n  ALTER TABLE s.a ADD COLUMN name text;");
    let (result, events) = run_with(&mut client, &folder, &impatient());
    let message = message(result);
    assert!(message.starts_with("002_b.sql:2:3: canceling statement due to lock timeout"), "{message}");
    let named = format!("held by process {pid} (report, role postgres, idle in transaction since 20");
    assert!(
        message.contains("in 3 attempts") && message.contains(&named) && message.contains("holds s.a"),
        "{message}"
    );
    assert!(message.ends_with("the database is at version 1."), "{message}");
    let retried =
        events.iter().filter(|event| matches!(event, Event::Retrying { holders, .. } if holders[0].pid == pid));
    assert_eq!(retried.count(), 2, "{events:?}");
    assert!(!exists(&mut client, "b"));
    held.rollback().unwrap();
    assert_eq!(run(&mut client, &folder).unwrap().versions, [2]);
}

#[test]
fn a_lock_that_is_given_up_in_time_fails_nothing() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);")]);
    run(&mut client, &folder).unwrap();
    folder.write("002_b.sql", "ALTER TABLE a ADD COLUMN name text;");
    let mut holder = database.client();
    let mut held = Some(holder.transaction().unwrap());
    held.as_mut().unwrap().batch_execute("SELECT * FROM a").unwrap();
    let result = migrate::migrate(&mut client, &folder.read(), &impatient(), &mut |event| {
        if matches!(event, Event::Retrying { .. })
            && let Some(held) = held.take()
        {
            held.rollback().unwrap();
        }
    });
    assert_eq!(result.unwrap().versions, [2]);
    assert!(held.is_none());
}

#[test]
fn an_invalid_index_of_a_failed_attempt_is_dropped_and_built_anew() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1);")]);
    run(&mut client, &folder).unwrap();
    let build = "-- mainstay: no-transaction\nCREATE TABLE IF NOT EXISTS b (id int);\nCREATE UNIQUE INDEX CONCURRENTLY IF \
                 NOT EXISTS \"a Id\" ON a USING btree (id);";
    folder.write("002_b.sql", build);
    let message = message(run(&mut client, &folder));
    assert!(message.starts_with("002_b.sql:3:1: could not create unique index \"a Id\""), "{message}");
    assert!(message.contains("The INVALID index public.\"a Id\" is left; the next run drops it first."), "{message}");
    assert!(exists(&mut client, "b") && exists(&mut client, "\"a Id\""));
    client.batch_execute("DELETE FROM a").unwrap();
    let (result, events) = run_with(&mut client, &folder, &options());
    assert_eq!(result.unwrap().versions, [2]);
    let dropped =
        |event: &Event| matches!(event, Event::DroppedInvalidIndex { index, .. } if index == "public.\"a Id\"");
    assert!(events.iter().any(dropped), "{events:?}");
    assert!(ask::<bool>(&mut client, "SELECT indisvalid FROM pg_index WHERE indexrelid = '\"a Id\"'::regclass"));
}

#[test]
fn a_concurrent_build_that_cannot_get_its_lock_is_tried_again() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);")]);
    run(&mut client, &folder).unwrap();
    folder.write("002_b.sql", "-- mainstay: no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);");
    let mut holder = database.client();
    let mut held = Some(holder.transaction().unwrap());
    held.as_mut().unwrap().batch_execute("INSERT INTO a VALUES (1)").unwrap();
    let begun = Instant::now();
    let mut events = Vec::new();
    let result = migrate::migrate(&mut client, &folder.read(), &impatient(), &mut |event| {
        if matches!(event, Event::Retrying { .. })
            && let Some(held) = held.take()
        {
            held.rollback().unwrap();
        }
        events.push(event);
    });
    assert_eq!(result.unwrap().versions, [2], "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::DroppedInvalidIndex { .. })), "{events:?}");
    assert!(begun.elapsed() < SOON);
}

#[test]
fn an_index_without_a_name_is_not_built_concurrently() {
    let database = database();
    let folder = Folder::new(&[("001_a.sql", "-- mainstay: no-transaction\nCREATE INDEX CONCURRENTLY ON a (id);")]);
    let message = message(run(&mut database.client(), &folder));
    assert!(message.starts_with("001_a.sql:2:1: give this index a name"), "{message}");
}
