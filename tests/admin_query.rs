//! `POST /api/database/query`: what an administrator may ask the database, and everything that must not get through.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::App;
use crate::support::client::{Answer, Client};

fn ask(client: &Client, sql: &str) -> Answer {
    client.post("/api/database/query", &json!({ "sql": sql }))
}

#[test]
fn a_select_is_answered_with_its_rows_as_they_are() {
    let app = App::start();
    let admin = app.admin();
    let answer = ask(&admin.client, "SELECT email, role FROM users ORDER BY created_at -- mine\n;").expect(200).json();
    assert_eq!(answer["rows"], json!([{ "email": admin.email, "role": "ADMIN" }]));
    assert_eq!((&answer["row_count"], &answer["is_truncated"]), (&json!(1), &json!(false)));
    for (sql, rows) in [
        ("WITH n AS (SELECT 1 AS a) SELECT a FROM n", json!([{ "a": 1 }])),
        ("VALUES (1, 'x')", json!([{ "column1": 1, "column2": "x" }])),
        ("SELECT 1 AS a WHERE false", json!([])),
        ("SELECT 1 AS answer, 2 AS lines", json!([{ "answer": 1, "lines": 2 }])),
    ] {
        assert_eq!(ask(&admin.client, sql).expect(200).json()["rows"], rows, "{sql}");
    }
    for pool in ["primary", "readonly", "priority", "background"] {
        admin.client.post("/api/database/query", &json!({ "sql": "SELECT 1 AS a", "pool": pool })).expect(200);
    }
}

#[test]
fn only_administrators_may_ask() {
    let app = App::start();
    ask(&app.nobody(), "SELECT 1").refuse(401, "MISSING_API_KEY");
    ask(&app.user().client, "SELECT 1").refuse(403, "INSUFFICIENT_PERMISSIONS");
    ask(&app.somebody("ADMIN", &["read:*", "write:*"]).client, "SELECT 1").refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn nothing_is_changed_nobody_else_becomes_anybody_and_no_secret_is_read() {
    let app = App::start();
    let admin = app.admin().client;
    let before: i64 = count(&app);
    for sql in [
        "INSERT INTO ops.jobs (name) VALUES ('x') RETURNING id",
        "UPDATE ops.jobs SET enabled = false RETURNING id",
        "DELETE FROM identity.users RETURNING id",
        "WITH gone AS (DELETE FROM identity.users RETURNING id) SELECT * FROM gone",
        "SELECT 1; DELETE FROM identity.users",
        "SELECT 1) AS answer) AS lines; DELETE FROM identity.users; --",
        "COMMIT; DELETE FROM identity.users",
        "COMMIT",
        "ROLLBACK",
        "SET ROLE postgres",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION DEFAULT",
        "BEGIN",
        "DROP TABLE identity.users",
        "TRUNCATE identity.users",
        "CREATE TABLE public.x (a int)",
        "COPY identity.users TO '/dev/null'",
        "DO $$ BEGIN DELETE FROM identity.users; END $$",
        "CALL nothing()",
        "LOCK identity.users",
        "NOTIFY mainstay_callers",
        "SELECT set_config('role', 'none', false)",
        "SELECT SET_CONFIG('role', 'none', true), query_to_xml('select 1', true, true, '')",
        "SELECT U&\"set\\005fconfig\"('role', 'none', false)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_read_binary_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT dblink('dbname=postgres', 'select 1')",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT identity.generate_api_key('x', (SELECT id FROM identity.users LIMIT 1), '{admin}')",
        "SELECT password_hash FROM identity.users",
        "SELECT * FROM identity.users",
        "SELECT u FROM identity.users AS u",
        "SELECT to_jsonb(u) FROM identity.users AS u",
        "SELECT key_hash FROM identity.api_keys",
        "SELECT token FROM identity.sessions",
        "SELECT token_hash FROM identity.user_tokens",
        "SELECT value FROM ops.settings",
        "SELECT response_body FROM ops.idempotency_keys",
        "SELECT rolpassword FROM pg_authid",
        "TABLE pg_shadow",
        "SELECT nextval('nothing')",
        "",
        "nonsense",
    ] {
        let answer = ask(&admin, sql);
        let is_refused = matches!(answer.status, 400 | 403 | 422 | 503);
        assert!(is_refused, "{sql}: {} {}", answer.status, answer.text());
    }
    assert_eq!(count(&app), before);
    let who =
        ask(&admin, "SELECT current_user AS who, current_setting('transaction_read_only') AS ro").expect(200).json();
    assert_eq!(who["rows"][0], json!({ "who": "mainstay_readonly", "ro": "on" }));
    // And the connections are what they were.
    admin.post("/api/settings", &json!({ "key": "x", "value": 1 })).expect(201);
}

fn count(app: &App) -> i64 {
    app.database.client().query_one("SELECT count(*) FROM identity.users", &[]).unwrap().get(0)
}

#[test]
fn a_query_ends_with_its_time_and_leaves_nothing_behind() {
    let app = App::start();
    let admin = app.admin().client;
    let start = Instant::now();
    let slow = json!({ "sql": "SELECT pg_sleep(30)", "timeout_ms": 200 });
    admin.post("/api/database/query", &slow).refuse(504, "QUERY_TIMEOUT");
    assert!(start.elapsed() < Duration::from_secs(10));
    let quick = json!({ "sql": "SELECT current_setting('statement_timeout') AS t", "pool": "primary" });
    admin.post("/api/database/query", &quick).expect(200);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(app.database.client().query_one(locks, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn rows_and_bytes_have_a_limit_and_the_answer_says_so() {
    let app = App::start();
    let admin = app.admin().client;
    let many = ask(&admin, "SELECT n FROM generate_series(1, 5000) AS n").expect(200).json();
    assert_eq!((&many["row_count"], &many["is_truncated"]), (&json!(1000), &json!(true)));
    let long = ask(&admin, "SELECT repeat('x', 1000000) AS x FROM generate_series(1, 100)").expect(200);
    assert!(long.body.len() < 5 << 20 && long.json()["is_truncated"] == true, "{} bytes", long.body.len());
}

#[test]
fn an_error_is_told_in_postgresql_s_own_words_with_its_place() {
    let app = App::start();
    let answer = ask(&app.admin().client, "SELECT no_such_column FROM ops.jobs");
    assert_eq!((answer.status, answer.code().as_str()), (400, "QUERY_EXECUTION_ERROR"));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("\"no_such_column\" does not exist") && detail.contains("character 8"), "{detail}");
}

#[test]
fn every_question_is_in_the_audit_with_who_asked_it() {
    let app = App::start();
    let admin = app.admin();
    ask(&admin.client, "SELECT 42 AS answer").expect(200);
    ask(&admin.client, "SELECT wrong").expect(400);
    let rows = "SELECT changes, user_id::text FROM telemetry.audit_logs WHERE action = 'database.query' ORDER BY id";
    let rows = app.database.client().query(rows, &[]).unwrap();
    let asked: Vec<(Value, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(asked.len(), 2);
    assert_eq!((&asked[0].0["sql"][1], &asked[0].1), (&json!("SELECT 42 AS answer"), &admin.id));
}
