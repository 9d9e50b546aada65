//! What health, metrics and doctor say of what may run out, before and after it has.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::App;
use crate::support::binary::{Run, mainstay};
use crate::support::wait::wait_for;

fn run(app: &App, words: &[&str]) -> Run {
    let variables = app.variables_of_the_binary();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    mainstay(words, &variables)
}

/// What doctor finds of one thing.
fn doctor(app: &App, what: &str) -> Value {
    let run = run(app, &["doctor", "--quick", "--json"]);
    let findings: Value = serde_json::from_str(&run.text()).unwrap();
    let finding = findings.as_array().unwrap().iter().find(|finding| finding["what"] == what).cloned();
    finding.unwrap_or_default()
}

/// What health says in detail, as soon as the partitions are said to be so.
fn health_when_partitions_are(app: &App, word: &str) -> Value {
    wait_for(&format!("partitions are {word}"), Duration::from_secs(30), || {
        let health = app.nobody().get("/health/detailed").expect(200).json();
        (health["services"]["partitions"] == word).then_some(health)
    })
}

#[test]
fn a_disk_of_the_database_that_is_full_is_named_wherever_one_looks_and_reads_go_on() {
    let app = App::start();
    // PostgreSQL says of a full disk what this trigger says, and nothing else of it reaches a client.
    let full = "CREATE FUNCTION public.is_full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER is_full BEFORE INSERT ON identity.teams EXECUTE FUNCTION public.is_full()";
    app.database.client().batch_execute(full).unwrap();
    let admin = app.admin().client;
    let refused = admin.post("/api/teams", &json!({ "name": "x", "slug": "x" })).refuse(503, "DATABASE_UNAVAILABLE");
    assert!(refused.json()["detail"].as_str().unwrap().contains("disk"), "{}", refused.json());
    let health = admin.get("/health").expect(503).json();
    assert_eq!((&health["status"], &health["services"]["disk"]), (&json!("unhealthy"), &json!("unhealthy")));
    assert_eq!(health["services"]["database"], "healthy");
    let detailed = admin.get("/health/detailed").expect(200).json();
    assert!(detailed["findings"].to_string().contains("disk: PostgreSQL says that its disk is full"), "{detailed}");
    assert!(admin.get("/metrics").expect(200).text().contains("\nmainstay_database_disk_full 1\n"));
    admin.get("/ready").expect(200);
    admin.get("/api/teams").expect(200);
}

/// Drops the partitions of the access log from a moment on.
fn drop_from(client: &mut postgres::Client, moment: &str) {
    let statement = format!(
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT inhrelid::regclass FROM pg_inherits
         WHERE inhparent = 'telemetry.api_access_logs'::regclass
             AND right(inhrelid::regclass::text, 10) >= to_char({moment}, 'YYYY_MM_DD')
         LOOP EXECUTE 'DROP TABLE ' || name; END LOOP; END $$; UPDATE ops.jobs SET next_run_at = now()"
    );
    client.batch_execute(&statement).unwrap();
}

#[test]
fn partitions_that_are_missing_or_end_soon_are_seen_by_health_metrics_doctor_and_verify() {
    // Who writes a row of the access log makes the partition that is missing.
    let mut app = App::start_with(&[("ACCESS_LOG_TABLE", "off")]);
    let mut client = app.database.client();
    health_when_partitions_are(&app, "healthy");
    assert_eq!(doctor(&app, "partitions")["state"], "good");
    // What there is is measured by a job, at the start first.
    let drop = |app: &mut App, from: &str| {
        app.stop();
        drop_from(&mut app.database.client(), from);
        app.restart();
    };
    // Nobody makes them meanwhile.
    client
        .batch_execute(
            "INSERT INTO ops.jobs (name, enabled) VALUES ('make-log-partitions', false)
             ON CONFLICT (name) DO UPDATE SET enabled = false",
        )
        .unwrap();
    drop(&mut app, "now() AT TIME ZONE 'UTC' + interval '1 day'");
    let health = health_when_partitions_are(&app, "degraded");
    assert_eq!(health["status"], "degraded", "{health}");
    let finding = doctor(&app, "partitions");
    assert_eq!(finding["state"], "warning", "{finding}");
    assert!(finding["found"].as_str().unwrap().contains("telemetry.api_access_logs"), "{finding}");
    let end = app.nobody().get("/metrics").expect(200).text().lines().find_map(|line| {
        line.strip_prefix(r#"mainstay_partitions_end_timestamp_seconds{table="telemetry.api_access_logs"} "#)?
            .parse()
            .ok()
    });
    let now: f64 = client.query_one("SELECT extract(epoch FROM now())::float8", &[]).unwrap().get(0);
    assert!(end.is_some_and(|end: f64| end > now && end <= now + 86_400.0), "{end:?}");

    drop(&mut app, "now() AT TIME ZONE 'UTC'");
    health_when_partitions_are(&app, "unhealthy");
    assert_eq!(app.nobody().get("/health").expect(200).json()["services"]["partitions"], "degraded");
    let finding = doctor(&app, "partitions");
    assert_eq!(finding["state"], "failure", "{finding}");
    let verify = run(&app, &["migrate", "verify"]);
    let said = verify.text() + &verify.said();
    assert!(said.contains("partition for today of telemetry.api_access_logs is missing"), "{said}");
    assert_eq!(verify.code(), 1);
}

#[test]
fn doctor_says_when_the_clock_of_the_database_has_jumped() {
    let app = App::start();
    assert_eq!(doctor(&app, "clock of jobs")["state"], "good");
    let jump = "INSERT INTO ops.jobs (name, enabled, next_run_at, last_run_at)
        VALUES ('drop-log-partitions', false, now() + interval '40 days', now() + interval '40 days')
        ON CONFLICT (name) DO UPDATE
        SET enabled = false, next_run_at = excluded.next_run_at, last_run_at = excluded.last_run_at";
    app.database.client().batch_execute(jump).unwrap();
    let finding = doctor(&app, "clock of jobs");
    assert_eq!(finding["state"], "warning", "{finding}");
    assert!(finding["found"].as_str().unwrap().contains("drop-log-partitions"), "{finding}");
}
