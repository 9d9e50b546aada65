//! Repairs and baselines.

use mainstay::migrate::{Standing, baseline, repair, status};

use super::*;
use crate::support::database;

#[test]
fn a_changed_file_is_accepted_with_a_reason_and_recorded() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);"), ("002_b.sql", "SELECT 2;")]);
    run(&mut client, &folder).unwrap();
    let before = folder.read().list[0].checksum.clone();
    folder.write("001_a.sql", "CREATE TABLE a (id int); -- a word more");
    folder.write("001_rollback.sql", "DROP TABLE a;");
    let mut accept =
        |version, reason: &str| repair(&mut client, &folder.read(), version, reason, &options(), &mut |_| {});
    assert!(accept(1, "  ").unwrap_err().to_string().contains("needs a reason"));
    assert!(accept(2, "x").unwrap_err().to_string().contains("nothing to repair"));
    assert!(accept(9, "x").unwrap_err().to_string().contains("no file of migration 9"));
    let done = accept(1, "only a comment").unwrap();
    assert_eq!((done.file.as_str(), &done.checksum_before, done.by.as_str()), ("001_a.sql", &before, "postgres"));
    assert_eq!(done.checksum_after, folder.read().list[0].checksum);
    assert_eq!(status(&mut client, &folder.read()).unwrap().standing, Standing::Current);
    let recorded = client.query_one("SELECT * FROM public.schema_migration_repairs", &[]).unwrap();
    assert_eq!(recorded.get::<_, String>("reason"), "only a comment");
    assert_eq!(recorded.get::<_, String>("checksum_before"), before);
    let undo = "SELECT rollback FROM schema_migrations WHERE version = 1";
    assert_eq!(ask::<String>(&mut client, undo), "DROP TABLE a;");
}

#[test]
fn an_existing_database_is_declared_to_be_at_a_version() {
    let database = database();
    let mut client = database.client();
    client.batch_execute("CREATE TABLE a (id int); CREATE TABLE b (id int)").unwrap();
    let folder = Folder::new(&[
        ("001_a.sql", "CREATE TABLE a (id int);"),
        ("002_b.sql", "CREATE TABLE b (id int);"),
        ("003_c.sql", "CREATE TABLE c (id int);"),
    ]);
    let declare = |client: &mut Client, version| baseline(client, &folder.read(), version, &options(), &mut |_| {});
    assert!(declare(&mut client, 7).unwrap_err().to_string().contains("no file of migration 7"));
    assert_eq!(declare(&mut client, 2).unwrap().versions, [1, 2]);
    assert_eq!(run(&mut client, &folder).unwrap().versions, [3]);
    let message = declare(&mut client, 3).unwrap_err().to_string();
    assert!(message.contains("at version 3 already"), "{message}");
}
