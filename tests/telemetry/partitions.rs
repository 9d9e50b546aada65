//! The partitions of the logs: made ahead, dropped when they are old, and no drift.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mainstay::migrate::{Source, verify};
use mainstay::sql;
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
    let old = |client: &mut postgres::Client, table: &str, days: i32| -> Vec<String> {
        let rows = client.query(sql!("telemetry/partitions/old").text, &[&table, &days]).unwrap();
        rows.iter().map(|row| row.get("name")).collect()
    };
    assert_eq!(old(&mut client, "telemetry.audit_logs", 36500), [] as [String; 0]);
    assert_eq!(old(&mut client, "telemetry.audit_logs", 365), ["telemetry.audit_logs_2020_01"]);
    assert_eq!(old(&mut client, "telemetry.api_access_logs", 30), ["telemetry.api_access_logs_2020_01_31"]);
    client.batch_execute("ALTER TABLE telemetry.audit_logs DETACH PARTITION telemetry.audit_logs_2020_01").unwrap();
    assert_eq!(old(&mut client, "telemetry.audit_logs", 36500), ["telemetry.audit_logs_2020_01"], "half done");
    client.batch_execute("DROP TABLE telemetry.audit_logs_2020_01, telemetry.api_access_logs_2020_01_31").unwrap();
    assert_eq!(
        old(&mut client, "telemetry.api_access_logs", 1),
        [] as [String; 0],
        "yesterday has not been over for a day"
    );
    assert_eq!(partitions(&mut client, "audit_logs"), audit);
    assert_eq!(partitions(&mut client, "api_access_logs"), access);
}

/// Lets the job of this name run now, as if it had run every hour for two days.
fn hurry(client: &mut postgres::Client, name: &str) {
    let steady = "INSERT INTO ops.jobs (name, last_run_at, last_result)
        VALUES ($1, now(), jsonb_build_object('steady_since', now() - interval '2 days'))
        ON CONFLICT (name) DO UPDATE SET next_run_at = now(), last_run_at = now(), last_result = excluded.last_result";
    client.execute(steady, &[&name]).unwrap();
}

#[test]
fn whoever_reads_a_partition_that_is_dropped_holds_up_nobody() {
    let app = App::start();
    let (mut client, mut reader) = (app.database.client(), app.database.client());
    client.batch_execute(OLD).unwrap();
    let mut transaction = reader.transaction().unwrap();
    transaction.query("SELECT id FROM telemetry.audit_logs", &[]).unwrap();
    hurry(&mut client, "drop-log-partitions");
    wait_for("somebody waits for the reader", Duration::from_secs(60), || {
        let waiting =
            "SELECT FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE % DETACH PARTITION telemetry.audit_logs%'
            AND wait_event_type = 'Lock' AND datname = current_database()";
        (!client.query(waiting, &[]).unwrap().is_empty()).then_some(())
    });
    let admin = app.admin().client;
    for number in 0..10 {
        let team = serde_json::json!({ "name": "Team", "slug": format!("team-{number}") });
        admin.post("/api/teams", &team).expect(201);
    }
    let is_waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE % DETACH PARTITION telemetry.audit_logs%'
        AND state = 'active' AND datname = current_database()";
    let waiting: i64 = client.query_one(is_waiting, &[]).unwrap().get(0);
    assert_eq!(waiting, 1, "all of that while it waited");
    transaction.commit().unwrap();
    wait_for("the partition is gone", Duration::from_secs(90), || {
        hurry(&mut client, "drop-log-partitions");
        std::thread::sleep(Duration::from_millis(500));
        (!partitions(&mut client, "audit_logs").iter().any(|name| name.contains("2020"))).then_some(())
    });
}

#[test]
fn nothing_is_dropped_after_a_clock_has_jumped_and_no_job_waits_for_a_time_that_was_never_meant() {
    let mut app = App::start();
    app.stop();
    let mut client = app.database.client();
    client.batch_execute(OLD).unwrap();
    let ahead =
        "UPDATE ops.jobs SET next_run_at = now() + interval '40 days', last_run_at = now() + interval '40 days',
        lease_until = now() + interval '40 days', lease_holder = 'a server whose clock was ahead'";
    client.batch_execute(ahead).unwrap();
    app.restart();
    let run = "SELECT last_result::text FROM ops.jobs WHERE name = 'drop-log-partitions' AND last_run_at <= now()";
    let result: String = wait_for("the job has run", Duration::from_secs(60), || {
        client.query_opt(run, &[]).unwrap().map(|row| row.get(0))
    });
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["dropped"], serde_json::json!([]));
    assert_eq!(result["waiting"].as_array().unwrap().len(), 2, "{result}");
    assert!(partitions(&mut client, "audit_logs").iter().any(|name| name.contains("2020")));
}

#[test]
fn whoever_writes_makes_the_partition_that_is_missing() {
    let app = App::start();
    let mut client = app.database.client();
    let drop_all = "DO $$
        DECLARE part regclass;
        BEGIN
            FOR part IN SELECT inhrelid::regclass FROM pg_inherits
                WHERE inhparent IN ('telemetry.audit_logs'::regclass, 'telemetry.api_access_logs'::regclass, 'gateway.webhook_events'::regclass)
            LOOP
                EXECUTE format('DROP TABLE %s', part);
            END LOOP;
        END
    $$";
    let admin = app.admin().client;
    client.batch_execute(drop_all).unwrap();
    admin.post("/api/teams", &serde_json::json!({ "name": "Team", "slug": "team" })).expect(201);
    let event = serde_json::json!({ "type": "tests.made", "source": "tests", "payload": {} });
    admin.post("/api/webhook-events", &event).expect(201);
    assert_eq!(
        admin.get("/api/audit-logs?resource_type=teams").expect(200).json()["data"].as_array().unwrap().len(),
        1
    );
    wait_for("the access log is written", Duration::from_secs(30), || {
        let rows = admin.get("/api/api-access-logs?path=/api/teams&status=201").expect(200).json();
        (!rows["data"].as_array().unwrap().is_empty()).then_some(())
    });
}

#[test]
fn the_server_makes_and_drops_them_by_itself() {
    let mut app = App::start();
    app.stop();
    let mut client = app.database.client();
    client.batch_execute(OLD).unwrap();
    let newest = partitions(&mut client, "api_access_logs")[5].clone();
    client.batch_execute(&format!("DROP TABLE {newest}; UPDATE ops.jobs SET next_run_at = now()")).unwrap();
    hurry(&mut client, "drop-log-partitions");
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
