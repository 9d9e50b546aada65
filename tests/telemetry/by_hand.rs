//! The audit of what is done in SQL, by hand and in bulk.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{forget, recorded};
use crate::support::migrated;

/// How many rows there are of each action.
fn counts(client: &mut postgres::Client) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (action, ..) in recorded(client) {
        *counts.entry(action).or_insert(0) += 1;
    }
    counts
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(action, count)| ((*action).to_owned(), *count)).collect()
}

#[test]
fn what_is_done_by_hand_is_recorded_under_the_name_of_whoever_was_connected() {
    let database = migrated();
    let mut client = database.client();
    client.batch_execute("INSERT INTO ops.settings (key, value) VALUES ('a', '1')").unwrap();
    client.batch_execute("UPDATE ops.settings SET key = 'b', description = 'd'").unwrap();
    client.batch_execute("DELETE FROM ops.settings").unwrap();
    client.batch_execute("TRUNCATE ops.settings").unwrap();
    let rows = recorded(&mut client);
    let actions: Vec<&str> = rows.iter().map(|(action, ..)| action.as_str()).collect();
    assert_eq!(actions, ["settings.create", "settings.update", "settings.delete", "settings.truncate"]);
    assert_eq!(rows[1].2, json!({ "key": ["a", "b"], "description": ["", "d"] }));
    assert!(rows[0].1.is_some() && rows[0].1 == rows[2].1 && rows[3].1.is_none());
    let who = "SELECT DISTINCT database_user, user_id IS NULL AND request_id IS NULL FROM telemetry.audit_logs";
    let who = client.query_one(who, &[]).unwrap();
    assert_eq!((who.get::<_, String>(0).as_str(), who.get(1)), ("postgres", true));
}

#[test]
fn a_thousand_rows_in_one_statement_are_a_thousand_rows_of_the_audit_each_with_its_own_change() {
    let database = migrated();
    let mut client = database.client();
    client
        .batch_execute(
            "INSERT INTO ops.settings (key, value) SELECT 'k' || n, to_jsonb(n) FROM generate_series(1, 1000) AS n;
             UPDATE ops.settings SET value = to_jsonb(value::int + 1) WHERE value::int % 2 = 0;
             INSERT INTO ops.settings (key, value) SELECT 'k' || n, '0' FROM generate_series(999, 1001) AS n
             ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;
             UPDATE ops.settings SET value = value WHERE false;
             DELETE FROM ops.settings;",
        )
        .unwrap();
    let counts = counts(&mut client);
    assert_eq!(counts, expected(&[("settings.create", 1001), ("settings.update", 502), ("settings.delete", 1001)]));
    let wrong = "SELECT count(*) FROM telemetry.audit_logs
        WHERE action = 'settings.update'
            AND changes #>> '{value,1}' <> '0'
            AND (changes #>> '{value,1}')::int <> (changes #>> '{value,0}')::int + 1";
    assert_eq!(client.query_one(wrong, &[]).unwrap().get::<_, i64>(0), 0);
    let ids = "SELECT count(DISTINCT resource_id) FROM telemetry.audit_logs";
    assert_eq!(client.query_one(ids, &[]).unwrap().get::<_, i64>(0), 1001);
}

#[test]
fn what_goes_with_something_else_is_recorded_once_too() {
    let database = migrated();
    let mut client = database.client();
    client
        .batch_execute(
            "INSERT INTO identity.users (email) SELECT 'u' || n || '@example.org' FROM generate_series(1, 3) AS n;
             INSERT INTO identity.teams (name, slug, created_by)
             SELECT email, 't' || row_number() OVER (), id FROM identity.users;
             INSERT INTO identity.team_members (team_id, user_id)
             SELECT t.id, u.id FROM identity.teams AS t, identity.users AS u ON CONFLICT DO NOTHING;",
        )
        .unwrap();
    for name in ["one", "two"] {
        client.execute("SELECT identity.generate_api_key($1, email) FROM identity.users", &[&name]).unwrap();
    }
    let made =
        expected(&[("users.create", 3), ("teams.create", 3), ("team_members.create", 9), ("api_keys.create", 6)]);
    assert_eq!(counts(&mut client), made);
    forget(&mut client);
    client.batch_execute("DELETE FROM identity.users WHERE email < 'u3'").unwrap();
    let gone = expected(&[
        ("users.delete", 2),
        ("api_keys.delete", 4),
        ("team_members.delete", 6),
        // The teams stay without their creators.
        ("teams.update", 2),
    ]);
    assert_eq!(counts(&mut client), gone);
    let twice = "SELECT count(*) FROM (
            SELECT FROM telemetry.audit_logs GROUP BY action, resource_id HAVING count(*) > 1
        ) AS twice";
    assert_eq!(client.query_one(twice, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn an_actor_who_cannot_be_read_keeps_nothing_from_being_written_and_recorded() {
    const ACTOR: &str = "SELECT concat_ws('|', user_id, api_key_id, request_id, ip_address, user_agent)
        FROM telemetry.audit_logs";
    let database = migrated();
    let mut client = database.client();
    let id = "0192aaaa-0000-7000-8000-000000000001";
    let deep = "[".repeat(100_000);
    let long = json!({ "request_id": "r".repeat(10_000), "user_agent": "a".repeat(10_000) }).to_string();
    let all = format!(
        r#"{{"user_id":"{id}","api_key_id":"{id}","request_id":"r","ip_address":"::1","user_agent":"a","more":[]}}"#
    );
    for (context, expected) in [
        (all.as_str(), format!("{id}|{id}|r|::1|a")),
        ("", String::new()),
        ("nonsense", String::new()),
        ("null", String::new()),
        ("[3]", String::new()),
        ("\"text\"", String::new()),
        (r#"{"user_id": "#, String::new()),
        (r#"{"user_id": {"a": 1}, "request_id": ["r"]}"#, r#"["r"]"#.to_owned()),
        (r#"{"user_id": "me", "api_key_id": 7, "ip_address": "here", "request_id": "r"}"#, "r".to_owned()),
        (r#"{"user_id": "me", "ip_address": "10.0.0.1/33", "user_agent": "\u0000"}"#, String::new()),
        (r#"{"user_id": "me", "ip_address": "10.0.0.1"}"#, "10.0.0.1".to_owned()),
        (deep.as_str(), String::new()),
        (long.as_str(), format!("{}|{}", "r".repeat(255), "a".repeat(1024))),
    ] {
        forget(&mut client);
        client.execute("SELECT set_config('app.context', $1, false)", &[&context]).unwrap();
        let statement = "INSERT INTO ops.settings (key, value) VALUES (gen_random_uuid()::text, '1')";
        assert_eq!(client.execute(statement, &[]).unwrap(), 1);
        let rows = client.query(ACTOR, &[]).unwrap();
        assert_eq!(rows.len(), 1, "{context:.99}");
        assert_eq!(rows[0].get::<_, String>(0), expected, "{context:.99}");
    }
}

#[test]
fn what_is_only_noise_is_no_change_and_what_is_undone_never_was_one() {
    let database = migrated();
    let mut client = database.client();
    client.batch_execute("INSERT INTO identity.users (email) VALUES ('one@example.org')").unwrap();
    client.batch_execute("SELECT identity.generate_api_key('k', email) FROM identity.users").unwrap();
    for (statement, expected) in [
        ("UPDATE identity.users SET last_login = now(), failed_logins = 3", None),
        ("UPDATE identity.users SET name = name, version = 9, updated_at = '1999-01-01'", None),
        ("UPDATE identity.api_keys SET last_used_at = now()", None),
        ("BEGIN; UPDATE identity.users SET name = 'x'; ROLLBACK", None),
        ("BEGIN; SAVEPOINT s; UPDATE identity.users SET name = 'x'; ROLLBACK TO s; COMMIT", None),
        ("UPDATE identity.users SET name = 'x', last_login = now()", Some(json!({ "name": ["", "x"] }))),
        ("UPDATE identity.users SET phone_number = '+49 30 1'", Some(json!({ "phone_number": [null, "+49 30 1"] }))),
        ("UPDATE identity.users SET phone_number = NULL", Some(json!({ "phone_number": ["+49 30 1", null] }))),
        (
            "UPDATE identity.users SET status = 'ACTIVE'",
            Some(json!({ "status": ["PENDING_VERIFICATION", "ACTIVE"], "enabled": [false, true] })),
        ),
        ("UPDATE identity.users SET metadata = '{\"a\": 1}'", Some(json!({ "metadata": [{}, { "a": 1 }] }))),
    ] {
        forget(&mut client);
        client.batch_execute(statement).unwrap();
        let changes: Vec<Value> = recorded(&mut client).into_iter().map(|(_, _, changes)| changes).collect();
        assert_eq!(changes, expected.into_iter().collect::<Vec<_>>(), "{statement}");
    }
}

#[test]
fn a_long_value_is_cut_and_says_how_long_it_was() {
    let database = migrated();
    let mut client = database.client();
    client
        .batch_execute(
            "INSERT INTO ops.settings (key, value)
             VALUES ('text', to_jsonb(repeat('ä', 100000))), ('short', to_jsonb(repeat('a', 8000))),
                 ('list', (SELECT jsonb_agg(n) FROM generate_series(1, 10000) AS n))",
        )
        .unwrap();
    let value = |key: &str, client: &mut postgres::Client| -> Value {
        let rows = recorded(client);
        let row = rows.iter().find(|(_, _, changes)| changes["key"][1] == key).unwrap();
        row.2["value"][1].clone()
    };
    let text = value("text", &mut client);
    assert_eq!(text, format!("{}… [cut: 200002 bytes]", "ä".repeat(2000)));
    assert_eq!(value("short", &mut client), "a".repeat(8000));
    let list = value("list", &mut client);
    assert!(list.as_str().is_some_and(|list| list.starts_with("[1, 2, 3") && list.ends_with(" bytes]")), "{list}");
}

#[test]
fn a_table_is_audited_with_the_columns_that_it_has_by_now() {
    let database = migrated();
    let mut client = database.client();
    client
        .batch_execute(
            "CREATE SCHEMA trial;
             CREATE TABLE trial.things (id uuid PRIMARY KEY, secret text, actor text, skipped text, name text);
             SELECT telemetry.audit('trial.things', secret => '{secret}', noise => '{skipped}');
             INSERT INTO trial.things VALUES (gen_random_uuid(), 's', 'a', 'n', 'x');
             ALTER TABLE trial.things ADD COLUMN extra int DEFAULT 7, DROP COLUMN actor;
             UPDATE trial.things SET extra = 8, skipped = 'm', secret = 't';
             ALTER TABLE trial.things ALTER COLUMN extra TYPE text;
             UPDATE trial.things SET extra = 'nine', id = '0192aaaa-0000-7000-8000-000000000001';",
        )
        .unwrap();
    let rows = recorded(&mut client);
    assert_eq!(rows[0].2["secret"], json!([null, "[redacted]"]));
    assert_eq!(rows[0].2["actor"], json!([null, "a"]), "a column may be called like anything");
    assert_eq!(rows[1].2, json!({ "extra": [7, 8], "secret": ["[redacted]", "[redacted]"] }));
    let moved = &rows[2..];
    assert_eq!(moved.len(), 2, "a row whose id has changed is known under both: {moved:?}");
    assert!(moved.iter().any(|(_, _, changes)| changes["extra"] == json!([null, "nine"])), "{moved:?}");
    let error = client.batch_execute("SELECT telemetry.audit('ops.jobs', secret => '{pasword}')").unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "jobs has no column pasword");
}
