//! What the audit must not tell.

use serde_json::{Value, json};

use super::{audit, forget, recorded};
use crate::support::app::text;
use crate::support::{App, migrated};

#[test]
fn neither_passwords_nor_keys_nor_their_hashes_are_in_the_audit() {
    let app = App::start();
    let admin = app.admin().client;
    let user = app.logged_in("USER");
    let made = user.client.post("/api/api-keys", &json!({ "name": "k", "permissions": ["read:teams"] })).expect(201);
    let path = made.header("Location").unwrap();
    let rotated = user.client.post(&format!("{path}/rotate"), &json!({})).expect(201).json();
    let change = json!({ "current_password": "right password", "new_password": "another password" });
    user.client.post("/api/auth/password", &change).expect(204);
    let rows = audit(&admin, "");
    let whole = json!(rows).to_string();
    for secret in ["$2b$", "$2a$", "right password", "another password", "\\\\x"] {
        assert!(!whole.contains(secret), "{secret} is in {whole}");
    }
    for key in [&made.json()["key"], &rotated["key"]] {
        assert!(!whole.contains(&text(key)[12..]), "a key is in {whole}");
    }
    let change = |action: &str, column: &str| -> Value {
        let mut changes = rows.iter().filter(|row| row["action"] == action).map(|row| row["changes"][column].clone());
        changes.find(|change| !change.is_null()).unwrap()
    };
    assert_eq!(change("users.create", "password_hash"), json!([null, "[redacted]"]));
    assert_eq!(change("users.update", "password_hash"), json!(["[redacted]", "[redacted]"]));
    assert_eq!(change("api_keys.create", "key_hash"), json!([null, "[redacted]"]));
}

#[test]
fn the_value_of_a_setting_is_told_only_while_it_neither_is_nor_was_secret() {
    let database = migrated();
    let mut client = database.client();
    for (statement, expected) in [
        ("INSERT INTO ops.settings (key, value) VALUES ('a', '1')", json!([null, 1])),
        ("UPDATE ops.settings SET value = '2'", json!([1, 2])),
        (
            "UPDATE ops.settings SET value = NULL, value_sealed = 'a', value_key_id = 'k', secret = true",
            json!(["[redacted]", null]),
        ),
        ("UPDATE ops.settings SET value_sealed = 'b'", Value::Null),
        ("UPDATE ops.settings SET description = 'x'", Value::Null),
        (
            "UPDATE ops.settings SET value = '5', value_sealed = NULL, value_key_id = NULL, secret = false",
            json!([null, "[redacted]"]),
        ),
        (
            "UPDATE ops.settings SET value = NULL, value_sealed = 'c', value_key_id = 'k', secret = true",
            json!(["[redacted]", null]),
        ),
        ("DELETE FROM ops.settings", json!(null)),
    ] {
        forget(&mut client);
        client.batch_execute(statement).unwrap();
        let rows = recorded(&mut client);
        assert_eq!(rows.len(), 1, "{statement}");
        assert_eq!(rows[0].2.get("value").cloned().unwrap_or_default(), expected, "{statement}");
    }
}

#[test]
fn nobody_but_the_owner_writes_the_audit_and_users_read_only_what_they_did() {
    let database = migrated();
    let mut client = database.client();
    client
        .batch_execute(
            "INSERT INTO identity.users (email) VALUES ('one@example.org'), ('two@example.org');
             BEGIN;
             SELECT ops.actor(jsonb_build_object('user_id', id)) FROM identity.users WHERE email LIKE 'one%';
             INSERT INTO ops.settings (key, value) VALUES ('a', '1');
             COMMIT;",
        )
        .unwrap();
    let mut attempt = |role: &str, user: &str, statement: &str| -> Option<u64> {
        let mut transaction = client.transaction().unwrap();
        let set = "SELECT set_config('app.current_user_id', coalesce((SELECT id::text FROM identity.users WHERE email LIKE $1), ''), true)";
        transaction.execute(set, &[&user]).unwrap();
        transaction.batch_execute(&format!("SET LOCAL ROLE {role}")).unwrap();
        transaction.execute(statement, &[]).ok()
    };
    for role in ["authenticated_users", "mainstay_readonly"] {
        for statement in [
            "INSERT INTO telemetry.audit_logs (action, resource_type) VALUES ('a', 'b')",
            "UPDATE telemetry.audit_logs SET action = 'x'",
            "DELETE FROM telemetry.audit_logs",
            "TRUNCATE telemetry.audit_logs",
            "SELECT telemetry.make_partitions()",
            "SELECT telemetry.make_today('telemetry.audit_logs', 'month')",
        ] {
            assert_eq!(attempt(role, "one%", statement), None, "{role}: {statement}");
        }
    }
    assert_eq!(attempt("mainstay_readonly", "", "SELECT * FROM telemetry.audit_logs"), Some(3));
    assert_eq!(attempt("mainstay_readonly", "", "SELECT * FROM telemetry.activity_logs"), Some(3));
    for (user, rows) in [("one%", 1), ("two%", 0), ("nobody", 0)] {
        assert_eq!(attempt("authenticated_users", user, "SELECT id FROM telemetry.audit_logs"), Some(rows), "{user}");
        assert_eq!(attempt("authenticated_users", user, "SELECT * FROM telemetry.activity_logs"), Some(rows), "{user}");
    }
    assert_eq!(attempt("authenticated_users", "one%", "SELECT ip_address FROM telemetry.audit_logs"), None);
    assert_eq!(attempt("authenticated_users", "one%", "SELECT id FROM telemetry.api_access_logs"), None);
}
