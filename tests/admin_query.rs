//! `POST /api/database/query`: what an administrator may ask the database, and everything that must not get through.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::at_once;
use crate::support::client::{Answer, Client};
use crate::support::server::{Extras, Server};
use crate::support::serving::Serving;
use crate::support::wait::wait_for;
use crate::support::{App, folder};

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
        "SELECT set_config('session_authorization', 'postgres', false)",
        "SELECT * FROM ts_stat('SELECT to_tsvector(set_config(''role'', ''none'', false))')",
        "SELECT * FROM ts_stat('SELECT to_tsvector(password_hash) FROM identity.users')",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, password_hash::tsquery FROM identity.users')",
        "SELECT query_to_xml('SELECT password_hash FROM identity.users', true, true, '')",
        "SELECT query_to_xml('SELECT set_config(''role'', ''none'', true)', true, true, '')",
        "SELECT table_to_xml('identity.users', true, true, '')",
        "SELECT ops.answer('SELECT password_hash FROM identity.users')",
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT identity.generate_api_key('x', (SELECT email FROM identity.users LIMIT 1), '[\"admin\"]')",
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
    // What is set and locked is gone with the connection.
    for sql in ["SELECT set_config('search_path', 'nowhere', false)", "SELECT pg_advisory_lock(1)"] {
        for pool in ["primary", "readonly", "priority", "background"] {
            admin.post("/api/database/query", &json!({ "sql": sql, "pool": pool })).expect(200);
        }
    }
    assert_eq!(ask(&admin, "SELECT current_setting('search_path') = 'nowhere' AS set").json()["rows"][0]["set"], false);
    wait_for("nothing is locked", Duration::from_secs(10), || {
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database()) AND objid = 1 AND classid = 0";
        (app.database.client().query_one(locks, &[]).unwrap().get::<_, i64>(0) == 0).then_some(())
    });
    // And the connections are what they were.
    admin.post("/api/settings", &json!({ "key": "x", "value": 1 })).expect(201);
}

#[test]
fn no_function_that_takes_a_text_or_the_name_of_a_table_leads_out_of_the_role() {
    const FUNCTIONS: &str = "SELECT format('%I.%I', n.nspname, p.proname), p.proargtypes::oid[]::regtype[]::text[]
        FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE p.prokind IN ('f', 'w')
            AND p.proargtypes::oid[] && ARRAY['text'::regtype, 'regclass'::regtype, 'cstring'::regtype,
                'name'::regtype, 'xml'::regtype, 'refcursor'::regtype]::oid[]
            AND p.proname NOT IN ('pg_sleep_for')
        ORDER BY 1, 2";
    let app = App::start();
    let admin = app.admin().client;
    let hash = format!("$2b$04${}", "x".repeat(53));
    app.database.client().execute("UPDATE identity.users SET password_hash = $1", &[&hash]).unwrap();
    let functions: Vec<(String, Vec<String>)> =
        app.database.client().query(FUNCTIONS, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(functions.len() > 300, "{}", functions.len());
    let questions = ["SELECT password_hash FROM identity.users", "SELECT set_config('role', 'none', false)"];
    let value = |kind: &str, question: &str| match kind {
        "regclass" => "'identity.users'::regclass".to_owned(),
        "boolean" => "true".to_owned(),
        "text" | "cstring" | "name" | "\"any\"" | "anyelement" => format!("'{}'", question.replace('\'', "''")),
        "integer" | "bigint" | "smallint" | "numeric" | "double precision" | "oid" => "1".to_owned(),
        kind => format!("NULL::{kind}"),
    };
    at_once(4, |thread| {
        for (name, kinds) in functions.iter().skip(thread).step_by(4) {
            for question in questions {
                let values: Vec<String> = kinds.iter().map(|kind| value(kind, question)).collect();
                let sql = format!("SELECT ({name}({}))::text AS a, current_user AS who", values.join(", "));
                let body = json!({ "sql": sql, "timeout_ms": 300 });
                let answer = admin.post("/api/database/query", &body);
                assert!(!answer.text().contains("$2b$04$"), "{sql}: {}", answer.text());
                if answer.status == 200 {
                    let who = &answer.json()["rows"][0]["who"];
                    assert!(who.is_null() || who == "mainstay_readonly", "{sql}: {}", answer.text());
                }
            }
        }
    });
    let definers = "SELECT array_agg(p.pronamespace::regnamespace || '.' || p.proname) FROM pg_proc AS p
        WHERE p.prosecdef AND has_function_privilege('mainstay_readonly', p.oid, 'EXECUTE')
            AND has_schema_privilege('mainstay_readonly', p.pronamespace, 'USAGE')";
    let definers: Vec<String> = app.database.client().query_one(definers, &[]).unwrap().get(0);
    assert_eq!(definers, ["ops.answer"], "functions with the rights of others that a question may call");
    assert_eq!(count(&app), 1);
}

#[test]
fn a_role_that_may_more_than_it_should_is_asked_nothing_and_it_is_said_what_to_do() {
    // Roles are common to all databases of a server: this one is the test's own.
    let server = Server::start(Extras::default());
    let data = folder("data");
    let serving = Serving::start(&[
        ("DATABASE_URL", &format!("host={} user=postgres dbname=postgres", server.folder.display())),
        ("MAINSTAY_DATA", data.to_str().unwrap()),
        ("CREATE_ADMIN_API_KEY", "true"),
        ("ADMIN_EMAIL", "root@example.org"),
        ("ADMIN_PASSWORD", "first secret"),
        ("BCRYPT_ROUNDS", "4"),
    ]);
    serving.wait_until_ready();
    let key = std::fs::read_to_string(data.join("admin_api_key")).unwrap();
    let admin = Client::new(serving.address()).with("X-API-Key", key.trim());
    ask(&admin, "SELECT 1 AS a").expect(200);
    for (harm, mending) in [
        ("GRANT pg_read_all_data TO mainstay_readonly", "REVOKE pg_read_all_data FROM mainstay_readonly"),
        ("ALTER ROLE mainstay_readonly CREATEROLE", "ALTER ROLE mainstay_readonly NOSUPERUSER NOCREATEROLE"),
    ] {
        server.client("postgres").batch_execute(harm).unwrap();
        let detail = ask(&admin, "SELECT 1 AS a").refuse(400, "QUERY_EXECUTION_ERROR").json()["detail"].clone();
        let detail = detail.as_str().unwrap();
        assert!(detail.contains(mending), "{detail}");
        let mending = detail.rsplit_once(": ").unwrap().1;
        server.client("postgres").batch_execute(mending).unwrap();
        ask(&admin, "SELECT 1 AS a").expect(200);
    }
}

#[test]
fn what_is_no_select_is_told_so_in_words() {
    let app = App::start();
    let admin = app.admin().client;
    for (sql, word) in [("DELETE FROM identity.users", "DELETE"), ("  -- x\n update a SET b = 1", "UPDATE")] {
        let detail = ask(&admin, sql).refuse(400, "QUERY_EXECUTION_ERROR").json()["detail"].clone();
        assert_eq!(detail, json!(format!("{word} is not taken here: this is for one SELECT, which changes nothing")));
    }
    for sql in ["(SELECT 1 AS a)", "/* x */ SELECT 1 AS a", "-- x\nVALUES (1)", "with a as (select 1) table a"] {
        ask(&admin, sql).expect(200);
    }
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
