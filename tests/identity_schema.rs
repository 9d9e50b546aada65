//! The schema `identity`: its rules, its keys, its notifications, and (in files of their own) its row-level security
//! and its statements.

#[path = "identity_schema/rows.rs"]
mod rows;
#[path = "identity_schema/statements.rs"]
mod statements;

use std::time::Duration;

use mainstay::identity::key;
use mainstay::migrate::{self, Options, Source, Target};
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, NoTls};
use serde_json::json;
use uuid::Uuid;

use crate::support::database::Database;
use crate::support::{self, database};

/// A database with all of mainstay's tables, and a connection to it.
pub fn migrated() -> (Database, Client) {
    let database = support::database::migrated();
    let client = database.client();
    (database, client)
}

/// A new user who is active.
fn user(client: &mut Client, email: &str, role: &str) -> Uuid {
    let statement = "INSERT INTO identity.users (email, role, status) VALUES ($1, $2, 'ACTIVE') RETURNING id";
    client.query_one(statement, &[&email, &role]).unwrap().get(0)
}

/// SQLSTATE and constraint of the error of a statement.
#[track_caller]
fn refusal(client: &mut Client, statement: &str) -> (SqlState, String) {
    let error = client.batch_execute(statement).expect_err(statement);
    let error = error.as_db_error().unwrap();
    (error.code().clone(), error.constraint().unwrap_or_default().to_owned())
}

#[test]
fn impossible_rows_are_refused_by_constraints_that_say_why() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let tokens =
        format!("INSERT INTO identity.user_tokens (user_id, expires_at, kind, token_hash) VALUES ('{id}', now(), ");
    let sessions = format!(
        "INSERT INTO identity.sessions (user_id, expires_at, family, token, user_agent) VALUES ('{id}', now(), "
    );
    let keys = format!("INSERT INTO identity.api_keys (user_id, key_hash, name, prefix, permissions) VALUES ('{id}', ");
    let hash = "sha256('a')";
    let users = "UPDATE identity.users SET";
    let teams = "INSERT INTO identity.teams (name, slug) VALUES";
    for (statement, constraint) in [
        ("INSERT INTO identity.users (email) VALUES ('ONE@example.org')".to_owned(), "users_email_is_unique"),
        (format!("{users} email = 'nobody'"), "users_email_has_the_form_of_one"),
        (format!("{users} email = E'a@b\\nBcc: c@d'"), "users_email_has_the_form_of_one"),
        (format!("{users} email = repeat('a', 250) || '@x.org'"), "users_email_has_at_most_254_characters"),
        (format!("{users} password_hash = 'admin123'"), "users_password_hash_is_bcrypt"),
        (format!("{users} phone_number = 'call me'"), "users_phone_number_has_the_form_of_one"),
        (format!("{users} role = 'ROOT'"), "users_role_is_known"),
        (format!("{users} status = 'GONE'"), "users_status_is_known"),
        (format!("{users} sso_provider = 'google'"), "users_sso_has_provider_and_subject"),
        (format!("{users} metadata = '[]'"), "users_metadata_is_an_object"),
        (format!("{users} failed_logins = -1"), "users_failed_logins_is_not_negative"),
        (format!("{teams} ('', 'a')"), "teams_name_has_1_to_255_characters"),
        (format!("{teams} ('A', 'A b')"), "teams_slug_is_lower_case_words"),
        (format!("{teams} ('A', 'a'), ('B', 'a')"), "teams_slug_is_unique"),
        (format!("{tokens}'OTHER', {hash})"), "user_tokens_kind_is_known"),
        (format!("{tokens}'VERIFY_EMAIL', 'short')"), "user_tokens_token_hash_is_sha256"),
        (format!("{sessions}{hash}, 'short', '')"), "sessions_token_is_sha256"),
        (format!("{sessions}'short', {hash}, '')"), "sessions_family_is_sha256"),
        (format!("{sessions}{hash}, {hash}, repeat('x', 1025))"), "sessions_user_agent_has_at_most_1024_characters"),
        (format!("{keys}'short', 'n', 'ctm_12345678', '{{}}')"), "api_keys_key_hash_is_sha256"),
        (format!("{keys}{hash}, '', 'ctm_12345678', '{{}}')"), "api_keys_name_has_1_to_255_characters"),
        (format!("{keys}{hash}, 'n', 'whole key', '{{}}')"), "api_keys_prefix_is_the_start_of_a_key"),
    ] {
        assert_eq!(refusal(&mut client, &statement).1, constraint, "{statement}");
    }
}

#[test]
fn permissions_have_one_form() {
    let (_database, mut client) = migrated();
    for (permissions, is_good) in [
        ("{}", true),
        ("{admin}", true),
        ("{read:*,write:*,read:metrics,write:team-members,read:api_keys}", true),
        ("{Admin}", false),
        ("{admin,NULL}", false),
        ("{''}", false),
        ("{read}", false),
        ("{read:}", false),
        ("{read:Tasks}", false),
        ("{delete:tasks}", false),
        ("{\"read:tasks \"}", false),
        ("{\"read:tasks\nwrite:*\"}", false),
        ("{{read:a},{read:b}}", false),
    ] {
        let row = client.query_one("SELECT identity.are_permissions($1::text::text[])", &[&permissions]).unwrap();
        assert_eq!(row.get::<_, Option<bool>>(0), Some(is_good), "{permissions}");
    }
}

#[test]
fn keys_are_made_in_sql_as_the_document_of_the_ci_cd_system_makes_them() {
    let (database, mut client) = migrated();
    let id = user(&mut client, "user@company.com", "USER");
    // A new connection has the search path that the migrations have set.
    let mut later = database.client();
    let statement = "SELECT generate_api_key('My API Key', 'User@company.com', '[\"read:tasks\"]')::text";
    let made: String = later.query_one(statement, &[]).unwrap().get(0);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert!(key::is_well_formed(made["api_key"].as_str().unwrap()), "{made}");
    assert_eq!((&made["permissions"], &made["user_id"]), (&json!(["read:tasks"]), &json!(id)));
    let (state, _) = refusal(&mut later, "SELECT generate_api_key('k', 'nobody@company.com')");
    assert_eq!(state, SqlState::NO_DATA_FOUND);
}

#[test]
fn keys_made_in_sql_are_like_those_made_by_the_server_and_only_their_hash_is_kept() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let statement = "SELECT identity.generate_api_key('k' || n, $1::uuid::text, '[\"read:*\"]', now() + interval '1 day') ->> 'api_key'
        FROM generate_series(1, 300) AS n";
    let keys: Vec<String> = client.query(statement, &[&id]).unwrap().iter().map(|row| row.get(0)).collect();
    for made in &keys {
        assert!(key::is_well_formed(made), "{made}");
        let statement = "SELECT prefix FROM identity.api_keys WHERE key_hash = $1 AND user_id = $2";
        let row = client.query_one(statement, &[&key::hash(made).as_slice(), &id]).unwrap();
        assert_eq!(row.get::<_, String>(0), made[..12]);
        let stored = "SELECT count(*) FROM identity.api_keys AS k WHERE to_jsonb(k)::text LIKE '%' || $1 || '%'";
        assert_eq!(client.query_one(stored, &[&made[12..].to_owned()]).unwrap().get::<_, i64>(0), 0);
    }
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), 300);
    // The extremes, as the Rust side writes them: no digit is lost at either end.
    let widest: String =
        client.query_one("SELECT identity.base62(decode(repeat('ff', 32), 'hex'), 43)", &[]).unwrap().get(0);
    let smallest: String = client.query_one("SELECT identity.base62('\\x0001', 6)", &[]).unwrap().get(0);
    assert_eq!((widest.len(), smallest.as_str()), (43, "000001"));
    for role in ["authenticated_users", "mainstay_readonly"] {
        client.batch_execute(&format!("SET ROLE {role}")).unwrap();
        let (state, _) = refusal(&mut client, "SELECT identity.generate_api_key('k', NULL)");
        assert_eq!(state, SqlState::INSUFFICIENT_PRIVILEGE, "{role}");
        client.batch_execute("RESET ROLE").unwrap();
    }
}

#[test]
fn whoever_makes_a_team_owns_it_and_it_outlives_them() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let statement = "INSERT INTO identity.teams (name, slug, created_by) VALUES ('A', 'a', $1)";
    client.execute(statement, &[&id]).unwrap();
    let member = client.query_one("SELECT user_id, role FROM identity.team_members", &[]).unwrap();
    assert_eq!((member.get::<_, Uuid>(0), member.get::<_, String>(1)), (id, "OWNER".to_owned()));
    client.batch_execute("INSERT INTO identity.teams (name, slug) VALUES ('B', 'b')").unwrap();
    client.batch_execute("DELETE FROM identity.users").unwrap();
    let count = "SELECT (SELECT count(*) FROM identity.teams), (SELECT count(*) FROM identity.team_members)";
    let row = client.query_one(count, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 0));
}

#[test]
fn servers_hear_of_what_matters_for_callers_and_of_nothing_else() {
    let (database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let session = "INSERT INTO identity.sessions (user_id, token, family, expires_at)
        VALUES ($1, sha256('a'), sha256('a'), now())
        RETURNING id";
    let session: Uuid = client.query_one(session, &[&id]).unwrap().get(0);
    client.query_one("SELECT identity.generate_api_key('k', $1::uuid::text)", &[&id]).unwrap();
    let key: Uuid = client.query_one("SELECT id FROM identity.api_keys", &[]).unwrap().get(0);
    let mut listener = database.client();
    listener.batch_execute("LISTEN mainstay_callers").unwrap();
    let mut heard = |statement: &str| -> Vec<String> {
        client.batch_execute(statement).unwrap();
        client.batch_execute("NOTIFY mainstay_callers, 'end'").unwrap();
        let mut notifications = listener.notifications();
        let mut heard = notifications.timeout_iter(Duration::from_secs(20)).map(|note| Ok(note.payload().to_owned()));
        std::iter::from_fn(|| heard.next().unwrap()).take_while(|payload| payload != "end").collect()
    };
    let (user, session, key) = (format!("user:{id}"), format!("session:{session}"), format!("key:{key}"));
    for (statement, expected) in [
        ("UPDATE identity.users SET name = 'x', last_login = now(), failed_logins = 1, locked_until = now()", None),
        ("UPDATE identity.users SET role = role, status = status", None),
        ("UPDATE identity.users SET role = 'VIEWER'", Some(&user)),
        ("UPDATE identity.users SET status = 'SUSPENDED'", Some(&user)),
        ("UPDATE identity.users SET password_changed_at = now()", Some(&user)),
        ("UPDATE identity.sessions SET last_seen_at = now(), token = sha256('b'), family = sha256('b')", None),
        ("UPDATE identity.sessions SET expires_at = now() + interval '1 day'", Some(&session)),
        ("UPDATE identity.sessions SET revoked_at = now()", Some(&session)),
        ("UPDATE identity.api_keys SET last_used_at = now(), name = 'x', metadata = '{\"a\": 1}'", None),
        ("UPDATE identity.api_keys SET permissions = '{admin}'", Some(&key)),
        ("UPDATE identity.api_keys SET expires_at = now()", Some(&key)),
        ("UPDATE identity.api_keys SET revoked_at = now()", Some(&key)),
        ("BEGIN; UPDATE identity.api_keys SET revoked_at = NULL; ROLLBACK", None),
    ] {
        assert_eq!(heard(statement), expected.cloned().into_iter().collect::<Vec<_>>(), "{statement}");
    }
    let mut gone = heard("DELETE FROM identity.users");
    gone.sort();
    assert_eq!(gone, [key, session, user], "what goes with a user is heard of, too");
}

#[test]
fn coming_and_going_is_no_new_version_of_a_user_and_use_none_of_a_key() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    client.query_one("SELECT identity.generate_api_key('k', $1::uuid::text)", &[&id]).unwrap();
    let mut version = |statement: &str, table: &str| -> i32 {
        client.batch_execute(statement).unwrap();
        client.query_one(&format!("SELECT version FROM identity.{table}"), &[]).unwrap().get(0)
    };
    let login = "UPDATE identity.users SET last_login = now(), failed_logins = 2, locked_until = now()";
    assert_eq!(version(login, "users"), 1);
    assert_eq!(version("UPDATE identity.users SET name = 'x'", "users"), 2);
    assert_eq!(version("UPDATE identity.users SET version = 77, updated_at = '1999-01-01'", "users"), 3);
    assert_eq!(version("UPDATE identity.api_keys SET last_used_at = now()", "api_keys"), 1);
    assert_eq!(version("UPDATE identity.api_keys SET name = 'x', last_used_at = now()", "api_keys"), 2);
}

/// A role that owns the database and is no superuser, as in any installation that takes care.
fn owner(database: &Database) -> Client {
    let mut client = database.client();
    let name = database.address().name().to_owned();
    let role = format!("owner_of_{name}");
    // Other tests make the same roles at the same time.
    for group in ["authenticated_users", "mainstay_readonly"] {
        let _ = client.batch_execute(&format!("CREATE ROLE {group} NOLOGIN"));
    }
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN CREATEDB; ALTER DATABASE {name} OWNER TO {role}")).unwrap();
    client.batch_execute(&format!("GRANT authenticated_users, mainstay_readonly TO {role}")).unwrap();
    database.address().config.user(&role).connect(NoTls).unwrap()
}

#[test]
fn an_owner_who_is_no_superuser_migrates_verifies_works_and_goes_back() {
    let database = database();
    let (mut client, migrations) = (owner(&database), Source::Embedded.read().unwrap());
    let options = Options::default();
    migrate::migrate(&mut client, &migrations, &options, &mut |_| {}).unwrap();
    let role = format!("owner_of_{}", database.address().name());
    let mut connect = |name: &str| {
        let mut address = database.address();
        Ok(address.config.user(&role).dbname(name).connect(NoTls)?)
    };
    let verification = migrate::verify(&mut client, &migrations, &mut connect).unwrap();
    assert!(verification.drift.is_empty() && verification.problems.is_empty(), "{verification:?}");

    // Forced row-level security holds for owners, too, and lets this one do its work.
    let id = user(&mut client, "one@example.org", "ADMIN");
    client.query_one("SELECT identity.generate_api_key('k', $1::uuid::text)", &[&id]).unwrap();
    client.execute("INSERT INTO identity.teams (name, slug, created_by) VALUES ('A', 'a', $1)", &[&id]).unwrap();
    client.batch_execute("SET ROLE authenticated_users").unwrap();
    assert_eq!(client.query("SELECT id FROM identity.users", &[]).unwrap().len(), 0);
    client.batch_execute(&format!("SET app.current_user_id = '{id}'")).unwrap();
    assert_eq!(client.query("SELECT id FROM identity.team_members", &[]).unwrap().len(), 1);
    assert_eq!(client.execute("UPDATE identity.users SET status = 'INACTIVE'", &[]).unwrap(), 1);
    client.batch_execute("RESET ROLE").unwrap();
    assert_eq!(client.execute("DELETE FROM identity.users", &[]).unwrap(), 1);

    migrate::rollback(&mut client, &migrations, Target::Steps(usize::MAX), &options, &mut |_| {}).unwrap();
    drop(database);
}
