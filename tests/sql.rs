//! The files in `sql/`, each against the migrated schema.

use std::fs;
use std::path::{Path, PathBuf};

use crate::identity_schema::migrated;

/// All statements, with their paths below `sql/`. Migrations are no statements: they have tests of their own.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries.into_iter().filter(|path| *path != root.join("migrations")) {
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    files.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    files
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
fn every_statement_opens_with_what_it_is_for_and_is_one_that_others_can_be_put_around() {
    for (name, text) in files() {
        assert!(text.starts_with("-- "), "sql/{name} has no comment at its top");
        assert!(
            text.ends_with('\n') && !text.trim_end().ends_with(';'),
            "sql/{name} ends with a semicolon, or without a line"
        );
        assert!(text.lines().all(|line| line.len() <= 120), "sql/{name} has a line of more than 120 characters");
    }
}

#[test]
fn every_list_of_columns_is_the_same_in_the_statements_of_a_table() {
    let (_database, mut client) = migrated();
    let files = files();
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with("/select.sql")) {
        let mut columns = |text: &str| -> Vec<String> {
            let statement = client.prepare(text).unwrap();
            statement.columns().iter().map(|column| format!("{} {}", column.name(), column.type_())).collect()
        };
        let expected = columns(text);
        for verb in ["insert.sql", "update.sql"] {
            let other = name.replace("select.sql", verb);
            // Sessions are made by a login, which has an insert of its own kind.
            if let Some((_, text)) = files.iter().find(|(name, _)| *name == other && !name.contains("/sessions/")) {
                assert_eq!(columns(text), expected, "sql/{other}");
            }
        }
    }
}

#[test]
fn no_statement_of_a_resource_answers_a_secret() {
    let (_database, mut client) = migrated();
    for (name, text) in files() {
        let is_for_the_server = ["users/login.sql"].iter().any(|file| name.ends_with(file));
        for column in client.prepare(&text).unwrap().columns() {
            let is_secret =
                ["password_hash", "key_hash", "token", "previous_token", "token_hash"].contains(&column.name());
            assert!(is_for_the_server || !is_secret, "sql/{name} answers {}", column.name());
        }
    }
}

#[test]
fn every_statement_that_a_request_writes_with_names_its_actor() {
    // Work that nobody asked for: what is old is removed, and the use of a key is noted.
    let own = ["identity/sessions/clean.sql", "identity/user_tokens/clean.sql", "identity/api_keys/touch.sql"];
    for (name, text) in files().into_iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        let writes = ["INSERT INTO", "UPDATE ", "DELETE FROM"].iter().any(|verb| text.contains(verb));
        assert!(!writes || text.contains("ops.actor($1)"), "sql/{name} writes without an actor");
    }
}
