//! The files in `sql/`, each against the migrated schema.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use postgres::Client;

use crate::identity_schema::migrated;

/// Statements that read the hash of a secret: the server compares passwords itself, as PostgreSQL has no bcrypt.
const READING_SECRETS: [&str; 2] = ["identity/users/login.sql", "identity/users/password.sql"];

/// Statements that write what nobody asked for: what is old is removed, the use of a key is noted, a hash is brought up to
/// date, a reply is kept, a delivery is made, a secret is sealed again, a service is looked at, a declaration is noted when
/// its table is made.
const WRITING_WITHOUT_ACTOR: [&str; 35] = [
    "devx/activity/clean.sql",
    "devx/generations/give_up.sql",
    "devx/health_checks/clean.sql",
    "devx/health_checks/due.sql",
    "devx/health_checks/write.sql",
    "entities/definitions/forget.sql",
    "entities/definitions/write.sql",
    "gateway/webhook_deliveries/claim.sql",
    "gateway/webhook_deliveries/clean.sql",
    "gateway/webhook_deliveries/complete.sql",
    "gateway/webhook_deliveries/expire.sql",
    "ops/settings/reseal.sql",
    "ops/settings/stale.sql",
    "devx/services/reseal.sql",
    "devx/services/stale.sql",
    "gateway/webhooks/lock_due.sql",
    "gateway/webhooks/lock_of.sql",
    "gateway/webhooks/reseal.sql",
    "gateway/webhooks/stale.sql",
    "identity/sessions/clean.sql",
    "identity/user_tokens/clean.sql",
    "identity/api_keys/touch.sql",
    "identity/users/rehash.sql",
    "ops/idempotency_keys/clean.sql",
    "ops/idempotency_keys/insert.sql",
    "ops/jobs/claim.sql",
    "ops/jobs/complete.sql",
    "ops/jobs/hurry.sql",
    "telemetry/api_access_logs/write.sql",
    "telemetry/notifications/clean.sql",
    "telemetry/performance_metrics/clean.sql",
    "telemetry/performance_metrics/write.sql",
    "telemetry/system_metrics/clean.sql",
    "telemetry/system_metrics/write.sql",
    "templates/downloads/count.sql",
];

/// All statements, by their paths below `sql/`. Migrations are no statements: they have tests of their own.
fn files() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let (mut folders, mut files) = (vec![root.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (inner, found): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
        folders.extend(inner.into_iter().filter(|path| *path != root.join("migrations")));
        for path in found {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    files
}

/// The columns that a statement answers, each with its type.
fn columns(client: &mut Client, text: &str) -> Vec<String> {
    let statement = client.prepare(text).unwrap();
    statement.columns().iter().map(|column| format!("{} {}", column.name(), column.type_())).collect()
}

#[test]
fn every_statement_fits_the_schema() {
    let (_database, mut client) = migrated();
    let files = files();
    assert!(files.len() > 40, "{}", files.len());
    for (name, text) in files {
        if let Err(error) = client.prepare(&text) {
            let error = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
            panic!("sql/{name}: {error}");
        }
    }
}

#[test]
fn every_statement_opens_with_what_it_is_for_and_can_be_put_into_another() {
    for (name, text) in files() {
        assert!(text.starts_with("-- "), "sql/{name} has no comment at its top");
        assert!(text.ends_with('\n'), "sql/{name} does not end its last line");
        assert!(!text.trim_end().ends_with(';'), "sql/{name} ends with a semicolon");
    }
}

#[test]
fn every_resource_answers_the_same_columns_however_it_is_read_or_written() {
    let (_database, mut client) = migrated();
    let files = files();
    let tables: Vec<&str> = files.keys().filter_map(|name| name.strip_suffix("/update.sql")).collect();
    assert!(tables.contains(&"identity/users"), "{tables:?}");
    for table in tables {
        let expected = columns(&mut client, &files[&format!("{table}/select.sql")]);
        for verb in ["insert", "update"] {
            let found = columns(&mut client, &files[&format!("{table}/{verb}.sql")]);
            assert_eq!(found, expected, "sql/{table}/{verb}.sql");
        }
        assert_eq!(columns(&mut client, &files[&format!("{table}/delete.sql")]), ["id uuid"], "sql/{table}/delete.sql");
    }
}

#[test]
fn no_statement_answers_the_hash_of_a_secret_but_those_that_compare_passwords() {
    let (_database, mut client) = migrated();
    for (name, text) in files().into_iter().filter(|(name, _)| !READING_SECRETS.contains(&name.as_str())) {
        for column in client.prepare(&text).unwrap().columns() {
            let secrets = ["password_hash", "key_hash", "token", "family", "token_hash"];
            assert!(!secrets.contains(&column.name()), "sql/{name} answers {}", column.name());
        }
    }
}

#[test]
fn every_statement_that_a_request_writes_with_names_its_actor() {
    for (name, text) in files() {
        let writes = ["INSERT INTO", "UPDATE ", "DELETE FROM"].iter().any(|verb| text.contains(verb));
        let is_expected = writes && !WRITING_WITHOUT_ACTOR.contains(&name.as_str());
        assert_eq!(text.contains("ops.actor($1)"), is_expected, "sql/{name}");
    }
}
