//! What files may be called and contain, and how new ones are made.

use std::fs;

use mainstay::migrate::{Source, create};

use super::*;
use crate::support::database;

#[test]
fn the_binary_has_the_files_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/migrations");
    let (embedded, on_disk) = (Source::Embedded.read().unwrap(), Source::Folder(folder).read().unwrap());
    let sums = |migrations: &Migrations| -> Vec<_> {
        migrations.list.iter().map(|it| (it.file_name().to_owned(), it.checksum.clone())).collect()
    };
    assert_eq!(sums(&embedded), sums(&on_disk));
    assert!(!embedded.list.is_empty());
    assert_eq!(embedded.warnings, Vec::<String>::new());
}

#[test]
fn line_ends_and_byte_order_marks_do_not_change_a_checksum() {
    let text = "-- Migration: A\nSELECT 'ä';\n";
    let marked = format!("\u{feff}{text}");
    let sums: Vec<String> = [text, &text.replace('\n', "\r\n"), &marked, &text.replace('\n', "\r")]
        .iter()
        .map(|text| Folder::new(&[("001_a.sql", text)]).read().list[0].checksum.clone())
        .collect();
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    let other = Folder::new(&[("001_a.sql", "-- Migration: A\nSELECT 'a';\n")]).read();
    assert_ne!(other.list[0].checksum, sums[0]);
}

#[test]
fn crlf_and_byte_order_marks_run_and_lines_count_right() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[]);
    folder.write("001_a.sql", "\u{feff}-- Migration: A\r\nCREATE TABLE a (\r\n    id int\r\n);\r\n");
    run(&mut client, &folder).unwrap();
    folder.write("002_b.sql", "\u{feff}\r\nSELECT\r\n    nothing;\r\n");
    let message = message(run(&mut client, &folder));
    assert!(message.starts_with("002_b.sql:3:5: column \"nothing\" does not exist"), "{message}");
}

#[test]
fn somebody_elses_folder_is_read_with_warnings() {
    let folder = Folder::new(&[
        ("001_initial_schema.sql", "CREATE TABLE a (id int);"),
        ("0002_more.sql", "-- Migration: More\n-- Version: 003\nCREATE TABLE b (id int);"),
        ("2_rollback.sql", "DROP TABLE b;"),
        ("009_rollback.sql", "SELECT 1;"),
        ("run.ts", "import x"),
        (".001_initial_schema.sql", "an editor's own file"),
        ("README.md", "about"),
    ]);
    fs::create_dir(folder.path().join("003_folder.sql")).unwrap();
    let migrations = folder.read();
    let versions: Vec<i64> = migrations.list.iter().map(|migration| migration.version).collect();
    assert_eq!(versions, [1, 2]);
    let warnings = migrations.warnings.join("\n");
    for warning in [
        "001_initial_schema.sql: no header",
        "001_initial_schema.sql: there is no 001_rollback.sql",
        "0002_more.sql: its header says version 3; the name counts",
        "009_rollback.sql: there is no migration 9",
    ] {
        assert!(warnings.contains(warning), "{warning}: {warnings}");
    }
    assert_eq!(migrations.warnings.len(), 4);
}

#[test]
fn all_that_is_wrong_with_names_is_said_at_once_with_what_to_do() {
    let folder = Folder::new(&[
        ("001_a.sql", ""),
        ("1_b.sql", ""),
        ("002_c.sql", ""),
        ("002_rollback.sql", ""),
        ("02_rollback.sql", ""),
        ("schema.sql", ""),
        ("V1__init.sql", ""),
        ("003_a.down.sql", ""),
        ("1234567890123456789_long.sql", ""),
        ("004_dbmate.sql", "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE a;"),
        ("005_typo.sql", "-- mainstay: no-transactions\nSELECT 1;"),
    ]);
    folder.write("006_bytes.sql", b"SELECT 1;\nSELECT '\xff';");
    folder.write("007_wide.sql", b"\xff\xfeS\0");
    folder.write("008_nul.sql", b"SELECT 1;\0");
    let message = folder.try_read().unwrap_err().to_string();
    for problem in [
        "001_a.sql and 1_b.sql have the same number: give the newer one the next free number",
        "002_rollback.sql and 02_rollback.sql: two rollbacks",
        "schema.sql: the name has no number and underscore in front: rename it to NNN_name.sql",
        "V1__init.sql: \"V1\" is not a number",
        "003_a.down.sql: a name is letters, digits",
        "1234567890123456789_long.sql: the number has more than 18 digits",
        "004_dbmate.sql is in the format of dbmate",
        "005_typo.sql has the line `-- mainstay: no-transactions`; only `-- mainstay: no-transaction` is known",
        "006_bytes.sql is not UTF-8 in line 2",
        "007_wide.sql is UTF-16",
        "008_nul.sql has a NUL byte",
    ] {
        assert!(message.contains(problem), "{problem}\n{message}");
    }
    assert_eq!(message.lines().count(), 12, "{message}");
}

#[test]
fn a_missing_folder_is_named() {
    let message = Source::Folder("/nonexistent/migrations".into()).read().unwrap_err().to_string();
    assert!(message.contains("/nonexistent/migrations") && message.contains("DB_MIGRATE_PATH"), "{message}");
}

#[test]
fn a_new_pair_of_files_has_the_next_number_and_the_header() {
    let folder = Folder::new(&[("007_a.sql", "SELECT 1;")]);
    let created = create(folder.path(), "  Add user-preferences: table ").unwrap();
    assert_eq!(created.version, 8);
    assert_eq!(created.migration, folder.path().join("008_add_user_preferences_table.sql"));
    assert_eq!(created.rollback, folder.path().join("008_rollback.sql"));
    let text = fs::read_to_string(&created.migration).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        ["-- Migration: Add User-preferences: Table", "-- Version: 008", "-- Description: Add user-preferences: table"]
    );
    assert!(lines[3].starts_with("-- Created: 20") && lines[3].ends_with('Z') && lines[3].len() == 32, "{}", lines[3]);
    let rollback = fs::read_to_string(&created.rollback).unwrap();
    assert!(
        rollback.starts_with("-- Rollback Migration: Add User-preferences: Table\n-- Version: 008\n"),
        "{rollback}"
    );
    let warnings = folder.read().warnings;
    assert!(!warnings.iter().any(|warning| warning.contains("008")), "{warnings:?}");
    assert_eq!(create(folder.path(), "next").unwrap().version, 9);
}

#[test]
fn the_first_migration_of_an_empty_folder_is_number_one_and_times_follow_times() {
    let folder = Folder::new(&[]);
    let created = create(&folder.path().join("deep/er"), "first").unwrap();
    assert!(created.migration.ends_with("deep/er/001_first.sql"));
    let times = Folder::new(&[("20240101120000_a.sql", "SELECT 1;")]);
    let created = create(times.path(), "b").unwrap();
    assert!(created.version > 20_250_000_000_000, "{created:?}");
}

#[test]
fn whatever_a_new_migration_is_called_its_folder_can_be_read_afterwards() {
    let folder = Folder::new(&[]);
    let long = "word ".repeat(40);
    for name in
        ["-- migrate:down", "İstanbul", "mainstay: no-transaction", "Straße 1/2", "*/ DROP TABLE users; --", &long]
    {
        let created = create(folder.path(), name).unwrap();
        let migrations = folder.read();
        let made = migrations.find(created.version).unwrap();
        assert_eq!(made.description, name.trim());
        assert!(
            !made.name.ends_with('_') && !made.sql().lines().any(|line| !line.is_empty() && !line.starts_with("-- "))
        );
        assert_eq!(migrations.warnings, Vec::<String>::new(), "{name}");
    }
    assert_eq!(migrate::lint(&folder.read()), []);
}

#[test]
fn names_that_are_none_are_refused() {
    let folder = Folder::new(&[]);
    for name in ["", " -- ", "rollback", "two\nlines"] {
        assert!(create(folder.path(), name).is_err(), "{name:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
