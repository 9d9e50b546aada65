//! The partitions of the logs: made ahead, dropped when they are old, and no drift.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mainstay::migrate::{Source, verify};
use postgres::NoTls;

use crate::support::database::Database;
use crate::support::wait::wait_for;
use crate::support::{App, migrated};

/// The names of a log's partitions.
fn partitions(client: &mut postgres::Client, log: &str) -> Vec<String> {
    const NAMES: &str =
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass ORDER BY 1";
    client.query(NAMES, &[&format!("telemetry.{log}")]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn names(client: &mut postgres::Client, statement: &str) -> Vec<String> {
    client.query(statement, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

const OLD: &str = "
    CREATE TABLE telemetry.audit_logs_2020_01 PARTITION OF telemetry.audit_logs
    FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-02-01 00:00:00+00');
    CREATE TABLE telemetry.api_access_logs_2020_01_31 PARTITION OF telemetry.api_access_logs
    FOR VALUES FROM ('2020-01-31 00:00:00+00') TO ('2020-02-01 00:00:00+00');";

#[test]
fn the_first_partitions_reach_a_year_and_a_month_ahead() {
    let database = migrated();
    let mut client = database.client();
    assert!((13..=14).contains(&partitions(&mut client, "audit_logs").len()));
    assert_eq!(partitions(&mut client, "api_access_logs").len(), 32);
    for month in 0..=12 {
        let insert = "INSERT INTO telemetry.audit_logs (action, resource_type, created_at)
            VALUES ('a', 'b', date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => $1))";
        client.execute(insert, &[&month]).unwrap();
    }
    let places = "SELECT count(DISTINCT tableoid) FROM telemetry.audit_logs";
    assert_eq!(client.query_one(places, &[]).unwrap().get::<_, i64>(0), 13);
    let beyond = "INSERT INTO telemetry.audit_logs (action, resource_type, created_at) VALUES ('a', 'b', '2019-01-01')";
    assert!(client.batch_execute(beyond).is_err(), "there is no partition for what fits no other");
}

#[test]
fn partitions_are_made_once_whoever_asks_and_in_any_time_zone() {
    let database = migrated();
    let mut client = database.client();
    assert_eq!(names(&mut client, "SELECT telemetry.make_partitions()"), [] as [String; 0]);
    let before = partitions(&mut client, "api_access_logs");
    for name in &before[3..6] {
        client.batch_execute(&format!("DROP TABLE {name}")).unwrap();
    }
    let barrier = Barrier::new(4);
    let make = || {
        let mut client = database.client();
        client.batch_execute("SET timezone = 'Pacific/Auckland'; SET datestyle = 'German'").unwrap();
        barrier.wait();
        names(&mut client, "SELECT telemetry.make_partitions()").len()
    };
    let made: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(made, 3);
    assert_eq!(partitions(&mut client, "api_access_logs"), before);
    assert_eq!(names(&mut client, "SELECT telemetry.make_partitions(13, 31)").len(), 2);
}

#[test]
fn only_partitions_in_which_everything_is_old_are_dropped() {
    let database = migrated();
    let mut client = database.client();
    let (audit, access) = (partitions(&mut client, "audit_logs"), partitions(&mut client, "api_access_logs"));
    client.batch_execute(OLD).unwrap();
    client.batch_execute("SET datestyle = 'German'; SET timezone = 'Pacific/Auckland'").unwrap();
    let drop = |client: &mut postgres::Client, days: &str| {
        names(client, &format!("SELECT telemetry.drop_old_partitions({days})"))
    };
    assert_eq!(drop(&mut client, "NULL, NULL"), [] as [String; 0]);
    assert_eq!(drop(&mut client, "36500, 36500"), [] as [String; 0]);
    assert_eq!(drop(&mut client, "365, NULL"), ["telemetry.audit_logs_2020_01"]);
    assert_eq!(drop(&mut client, "365, 30"), ["telemetry.api_access_logs_2020_01_31"]);
    assert_eq!(drop(&mut client, "1, 1"), [] as [String; 0], "yesterday has not been over for a day");
    assert_eq!(partitions(&mut client, "audit_logs"), audit);
    assert_eq!(partitions(&mut client, "api_access_logs"), access);
}

#[test]
fn dropping_waits_for_readers_only_so_long() {
    let database = migrated();
    let (mut client, mut reader) = (database.client(), database.client());
    client.batch_execute(OLD).unwrap();
    let mut transaction = reader.transaction().unwrap();
    transaction.query("SELECT id FROM telemetry.audit_logs", &[]).unwrap();
    let error = client.query("SELECT telemetry.drop_old_partitions(365, 30)", &[]).unwrap_err();
    assert_eq!(error.code(), Some(&postgres::error::SqlState::LOCK_NOT_AVAILABLE));
    transaction.commit().unwrap();
    assert_eq!(names(&mut client, "SELECT telemetry.drop_old_partitions(365, 30)").len(), 2);
}

#[test]
fn the_server_makes_and_drops_them_by_itself() {
    let mut app = App::start();
    app.stop();
    let mut client = app.database.client();
    client.batch_execute(OLD).unwrap();
    let newest = partitions(&mut client, "api_access_logs")[5].clone();
    client.batch_execute(&format!("DROP TABLE {newest}; UPDATE ops.jobs SET next_run_at = now()")).unwrap();
    app.restart();
    wait_for("the jobs have run", Duration::from_secs(30), || {
        let names = [partitions(&mut client, "audit_logs"), partitions(&mut client, "api_access_logs")].concat();
        (names.contains(&newest) && !names.iter().any(|name| name.contains("2020"))).then_some(())
    });
}

/// Drift, by the names of its objects.
fn drift(database: &Database) -> Vec<String> {
    let mut connect = |name: &str| Ok(database.address().with_name(name).config.connect(NoTls)?);
    let verification = verify(&mut database.client(), &Source::Embedded.read().unwrap(), &mut connect).unwrap();
    verification.drift.iter().map(ToString::to_string).collect()
}

#[test]
fn partitions_that_come_and_go_are_no_drift_and_what_was_done_to_one_by_hand_is() {
    let database = migrated();
    let mut client = database.client();
    let last = partitions(&mut client, "audit_logs").pop().unwrap();
    client.batch_execute(OLD).unwrap();
    client.batch_execute(&format!("DROP TABLE {last}; SELECT telemetry.make_partitions(0, 60)")).unwrap();
    assert_eq!(drift(&database), [] as [String; 0]);
    client.batch_execute("ALTER TABLE telemetry.audit_logs DETACH PARTITION telemetry.audit_logs_2020_01").unwrap();
    assert!(drift(&database).iter().any(|line| line.contains("audit_logs_2020_01")));
}

#[test]
fn the_history_of_one_resource_is_found_by_an_index_of_each_partition() {
    let database = migrated();
    let mut client = database.client();
    client
        .batch_execute(
            "INSERT INTO telemetry.audit_logs (action, resource_type, resource_id, user_id, request_id, created_at)
             SELECT 'routes.update', 'routes', gen_random_uuid(), gen_random_uuid(), n::text,
                 date_trunc('month', now() - interval '1 day') + make_interval(months => n % 13) + interval '1 day'
             FROM generate_series(1, 20000) AS n;
             ANALYZE telemetry.audit_logs;",
        )
        .unwrap();
    // On the first of a month there is one partition more, in which nothing is.
    let places = 13;
    let base = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/telemetry/audit_logs/select.sql"));
    let base = base.unwrap();
    for (condition, index) in [
        ("resource_type = 'routes' AND t.resource_id = '0192aaaa-0000-7000-8000-000000000001'", "_resource_id_"),
        ("user_id = '0192aaaa-0000-7000-8000-000000000001'", "_user_id_"),
        ("request_id = 'r'", "_request_id_"),
    ] {
        let query = format!("EXPLAIN SELECT * FROM ({base}) AS t WHERE t.{condition} ORDER BY t.id DESC LIMIT 51");
        let plan: Vec<String> = names(&mut client, &query);
        let scans = plan.iter().filter(|line| line.contains("Index") && line.contains(index)).count();
        assert!(plan.iter().filter(|line| line.contains("Seq Scan")).count() < 2, "{plan:#?}");
        assert!(scans >= places, "{scans} of {places}: {plan:#?}");
    }
}
