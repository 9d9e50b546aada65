//! Sessions: statements and transactions, when tables change, others are in the way, and the wire breaks.

use std::borrow::Cow;
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mainstay::config::Address;
use mainstay::db::{Isolation, Statements as _, TransactionOptions};
use mainstay::error::Code;
use mainstay::sql::Query;

use crate::support::other::{Other, part_folder, tell};
use crate::support::pools::{COUNT, INSERT, ONE, open, primary};
use crate::support::proxy::{Cut, Proxy};
use crate::support::wait::wait_for;
use crate::support::{database, folder};

const ADD: Query = Query { name: "test/add", text: "UPDATE t SET n = n + 1 WHERE id = $1" };

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
fn a_commit_whose_answer_was_lost_is_told_as_unknown_and_never_done_twice() {
    for delivers in [true, false] {
        let home = database();
        home.client().batch_execute("CREATE TABLE t (id serial, n int)").unwrap();
        let proxy = Proxy::start(home.address());
        let pool = open(&proxy.address("disable"), &[("DB_POOL_MIN", "0")]);
        let mut attempts = 0;
        let mut session = primary(&pool);
        let error = session
            .transaction(TransactionOptions::default(), |transaction| {
                attempts += 1;
                transaction.exec(&INSERT, &[&1_i32])?;
                proxy.cut(Cut { at: b"COMMIT", delivers });
                Ok(())
            })
            .unwrap_err();
        assert_eq!(error.code, Code::DatabaseUnavailable);
        assert!(error.message.contains("not known whether the change was made"), "{}", error.message);
        assert_eq!(attempts, 1, "delivered: {delivers}");
        let expected = i64::from(delivers);
        wait_for("what the server made of it", Duration::from_secs(10), || {
            let count = primary(&pool).one(&COUNT, &[]).ok()?.get::<_, i64>(0);
            (count == expected).then_some(())
        });
        assert!(proxy.accepted() >= 2);
    }
}

#[test]
fn a_thousand_different_statements_leave_no_thousand_prepared() {
    const PREPARED: Query = Query { name: "test/prepared", text: "SELECT count(*) FROM pg_prepared_statements" };
    const FIRST_PREPARED: Query = Query {
        name: "test/first_prepared",
        text: "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 1'",
    };
    let home = database();
    let pool = open(&home.address(), &[("DB_POOL_MAX", "1")]);
    let mut session = primary(&pool);
    for n in 1..=1000_i32 {
        let rows = session.all_of("test/many", Cow::Owned(format!("SELECT {n} + 0")), &[]).unwrap();
        assert_eq!(rows[0].get::<_, i32>(0), n);
        // One that is used all the time is not the one to go.
        session.one(&ONE, &[]).unwrap();
    }
    let prepared: i64 = session.one(&PREPARED, &[]).unwrap().get(0);
    assert!((250..=260).contains(&prepared), "{prepared} statements are prepared");
    assert_eq!(session.one(&FIRST_PREPARED, &[]).unwrap().get::<_, i64>(0), 1);
}

#[test]
fn a_prepared_statement_that_the_server_forgot_is_prepared_anew() {
    const FORGET: Query = Query { name: "test/forget", text: "DEALLOCATE ALL" };
    let home = database();
    let pool = open(&home.address(), &[("DB_POOL_MAX", "1")]);
    let mut session = primary(&pool);
    session.one(&ONE, &[]).unwrap();
    session.exec(&FORGET, &[]).unwrap();
    assert_eq!(session.one(&ONE, &[]).unwrap().get::<_, i32>(0), 1);
    session.exec(&FORGET, &[]).unwrap();
    session.transaction(TransactionOptions::default(), |transaction| transaction.one(&ONE, &[])).unwrap();
}

/// Tells everything that mainstay logs, however unimportant. What the driver says, the server's log leaves out.
struct Teller;

impl log::Log for Teller {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("mainstay")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            tell(&format!("{} {}: {}", record.level(), record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// The process that runs a slow statement, on the database that a file in the folder names.
#[test]
#[ignore = "a part that another test plays"]
fn slow_statements() {
    const SLOW: Query = Query { name: "test/slow", text: "SELECT pg_sleep(0.05), $1::text" };
    let Some(folder) = part_folder() else { return };
    log::set_logger(&Teller).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let address = Address::parse(&fs::read_to_string(folder.join("address")).unwrap()).unwrap();
    let pool = open(&address, &[("DB_SLOW_QUERY", "50ms"), ("DB_POOL_MIN", "0")]);
    let mut session = primary(&pool);
    session.one(&SLOW, &[&"hunter2"]).unwrap();
    session.transaction(TransactionOptions::default(), |transaction| transaction.one(&SLOW, &[&"hunter2"])).unwrap();
    session.one(&ONE, &[]).unwrap();
    tell("the end");
}

#[test]
fn slow_statements_are_logged_by_the_name_of_their_file_and_never_with_parameters() {
    let home = database();
    let folder = folder("slow");
    fs::write(folder.join("address"), home.pairs()).unwrap();
    let mut other = Other::play("sessions::slow_statements", &folder);
    let lines: Vec<String> = std::iter::from_fn(|| Some(other.line()).filter(|line| line != "the end")).collect();
    let slow: Vec<&String> = lines.iter().filter(|line| line.starts_with("WARN mainstay::slow: ")).collect();
    assert_eq!(slow.len(), 2, "{lines:#?}");
    for line in slow {
        assert!(line.contains("test/slow took ") && line.contains(" ms"), "{line}");
    }
    assert!(!lines.iter().any(|line| line.contains("hunter2")), "{lines:#?}");
    other.finish();
}
