//! Applying, asking and undoing.

use mainstay::migrate::{Standing, State, Target, dry_run, lint, rollback, status};

use super::*;
use crate::support::database;

fn three() -> Folder {
    Folder::new(&[
        ("001_a.sql", "-- Migration: A\n-- Description: the first\nCREATE TABLE a (id int);"),
        ("001_rollback.sql", "DROP TABLE a;"),
        ("002_b.sql", "CREATE TABLE b (id int);\nINSERT INTO a VALUES (1);"),
        ("002_rollback.sql", "DELETE FROM a;\nDROP TABLE b;"),
        ("003_c.sql", "CREATE TABLE c (id int) -- without a semicolon"),
        ("003_rollback.sql", "DROP TABLE c"),
    ])
}

#[test]
fn what_is_pending_is_applied_in_order_and_once() {
    let database = database();
    let mut client = database.client();
    let folder = three();
    let (result, events) = run_with(&mut client, &folder, &options());
    assert_eq!(result.unwrap(), Outcome { versions: vec![1, 2, 3], version: Some(3) });
    let applied: Vec<i64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Applied { version, .. } => Some(*version),
            _ => None,
        })
        .collect();
    assert_eq!(applied, [1, 2, 3]);
    assert_eq!(run(&mut client, &folder).unwrap(), Outcome { versions: vec![], version: Some(3) });
    assert_eq!(ask::<i64>(&mut client, "SELECT count(*) FROM a"), 1);
    let row = client.query_one("SELECT * FROM public.schema_migrations WHERE version = 1", &[]).unwrap();
    assert_eq!(row.get::<_, String>("name"), "a");
    assert_eq!(row.get::<_, String>("description"), "the first");
    assert_eq!(row.get::<_, String>("checksum"), folder.read().list[0].checksum);
    assert_eq!(row.get::<_, String>("applied_by"), "postgres");
    assert_eq!(row.get::<_, String>("rollback"), "DROP TABLE a;");
    assert!((0..60_000).contains(&row.get::<_, i64>("execution_ms")));
}

#[test]
fn texts_with_quotes_and_backslashes_are_recorded_as_they_are() {
    let database = database();
    let mut client = database.client();
    let undo = "SELECT 'it''s', E'\\n', $$ \\ $$;";
    let folder =
        Folder::new(&[("001_a.sql", "-- Description: it's \\ \"quoted\" 'x\nSELECT 1;"), ("001_rollback.sql", undo)]);
    run(&mut client, &folder).unwrap();
    assert_eq!(ask::<String>(&mut client, "SELECT rollback FROM schema_migrations"), undo);
    let description = ask::<String>(&mut client, "SELECT description FROM schema_migrations");
    assert_eq!(description, "it's \\ \"quoted\" 'x");
}

#[test]
fn only_up_to_a_version_if_one_is_given() {
    let database = database();
    let mut client = database.client();
    let folder = three();
    let to = |version| Options { to: Some(version), ..options() };
    assert_eq!(run_with(&mut client, &folder, &to(2)).0.unwrap().versions, [1, 2]);
    let back = message(run_with(&mut client, &folder, &to(1)).0);
    assert!(back.contains("at version 2") && back.contains("mainstay migrate rollback --to 1"), "{back}");
    let unknown = message(run_with(&mut client, &folder, &to(7)).0);
    assert!(unknown.contains("there is no migration 7"), "{unknown}");
    assert_eq!(run(&mut client, &folder).unwrap().versions, [3]);
}

#[test]
fn a_dry_run_shows_and_lints_and_changes_nothing() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);"), ("002_b.sql", "\nDROP TABLE a;")]);
    let previews = dry_run(&mut client, &folder.read(), &options()).unwrap();
    assert_eq!(previews[0].sql, "CREATE TABLE a (id int);");
    let finding = &previews[1].findings[0];
    assert_eq!((finding.line, finding.column, finding.rule.as_str()), (2, 1, "ban-drop-table"));
    assert!(!exists(&mut client, "a") && !exists(&mut client, "public.schema_migrations"));
    run_with(&mut client, &folder, &Options { to: Some(1), ..options() }).0.unwrap();
    assert_eq!(dry_run(&mut client, &folder.read(), &options()).unwrap().len(), 1);
}

#[test]
fn the_linter_finds_what_blocks_a_database_in_use_and_leaves_taste_alone() {
    let folder = Folder::new(&[
        ("001_a.sql", "CREATE TABLE a (id integer PRIMARY KEY, name varchar(20));\nCREATE INDEX a_name ON a (name);"),
        (
            "002_b.sql",
            "-- squawk-ignore ban-drop-column\nALTER TABLE a DROP COLUMN name;\nCREATE INDEX a_id ON a (id);",
        ),
        ("003_c.sql", "ALTER TABLE a ADD CONSTRAINT positive CHECK (id > 0);"),
    ]);
    let findings = lint(&folder.read());
    let found: Vec<_> = findings.iter().map(|it| (it.file.as_str(), it.line, it.rule.as_str())).collect();
    assert_eq!(
        found,
        [("002_b.sql", 3, "require-concurrent-index-creation"), ("003_c.sql", 1, "constraint-missing-not-valid"),]
    );
}

#[test]
fn status_tells_what_each_migration_is_and_what_the_whole_means() {
    let database = database();
    let mut client = database.client();
    let folder = three();
    let before = status(&mut client, &folder.read()).unwrap();
    assert_eq!((before.standing, before.pending, before.version), (Standing::Pending, 3, None));
    assert_eq!(before.standing.exit_code(), 1);
    assert!(!exists(&mut client, "public.schema_migrations"), "asking changes nothing");
    run(&mut client, &folder).unwrap();
    let after = status(&mut client, &folder.read()).unwrap();
    assert_eq!((after.standing, after.standing.exit_code(), after.version), (Standing::Current, 0, Some(3)));
    let row = &after.rows[0];
    assert_eq!((row.number.as_str(), row.name.as_str(), row.state), ("001", "a", State::Applied));
    let at = row.applied_at.as_deref().unwrap();
    assert!(at.starts_with("20") && at.ends_with('Z') && at.len() == 20, "{at}");
    assert!(row.execution_ms.is_some() && row.has_rollback);
    folder.write("001_a.sql", "CREATE TABLE a (id bigint);");
    folder.remove("002_b.sql");
    folder.write("004_d.sql", "SELECT 1;");
    let diverged = status(&mut client, &folder.read()).unwrap();
    let states: Vec<State> = diverged.rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [State::Changed, State::Unknown, State::Applied, State::Pending]);
    assert_eq!((diverged.standing, diverged.standing.exit_code()), (Standing::Diverged, 2));
    assert_eq!(diverged.problems.len(), 2);
}

#[test]
fn the_last_migration_some_steps_or_all_after_a_version_are_undone() {
    let database = database();
    let mut client = database.client();
    let folder = three();
    let back = |client: &mut Client, target| rollback(client, &folder.read(), target, &options(), &mut |_| {});
    run(&mut client, &folder).unwrap();
    assert_eq!(back(&mut client, Target::Steps(1)).unwrap(), Outcome { versions: vec![3], version: Some(2) });
    assert!(!exists(&mut client, "c") && exists(&mut client, "b"));
    run(&mut client, &folder).unwrap();
    assert_eq!(back(&mut client, Target::To(1)).unwrap(), Outcome { versions: vec![3, 2], version: Some(1) });
    assert!(exists(&mut client, "a") && !exists(&mut client, "b"));
    let message = back(&mut client, Target::To(2)).unwrap_err().to_string();
    assert!(message.contains("does not have migration 2"), "{message}");
    run(&mut client, &folder).unwrap();
    assert_eq!(back(&mut client, Target::Steps(99)).unwrap(), Outcome { versions: vec![3, 2, 1], version: None });
    assert_eq!(back(&mut client, Target::Steps(1)).unwrap(), Outcome::default());
    assert_eq!(run(&mut client, &folder).unwrap().versions, [1, 2, 3]);
}

#[test]
fn the_stored_text_undoes_what_has_no_file_any_more() {
    let database = database();
    let mut client = database.client();
    let folder = three();
    run(&mut client, &folder).unwrap();
    let none = Folder::new(&[]);
    let mut files = Vec::new();
    rollback(&mut client, &none.read(), Target::Steps(3), &options(), &mut |event| {
        if let Event::RolledBack { file, .. } = event {
            files.push(file);
        }
    })
    .unwrap();
    assert_eq!(files[0], "003_rollback.sql (as stored)");
    assert!(!exists(&mut client, "a"));
}

#[test]
fn nothing_is_undone_when_one_way_back_is_missing_and_each_that_fails_leaves_its_version() {
    let database = database();
    let mut client = database.client();
    let folder = three();
    folder.remove("001_rollback.sql");
    folder.write("002_rollback.sql", "DROP TABLE b;\nDROP TABLE nothing;");
    run(&mut client, &folder).unwrap();
    let mut back = |target| {
        let result = rollback(&mut client, &folder.read(), target, &options(), &mut |_| {});
        (result.unwrap_err().to_string(), ask::<i64>(&mut client, "SELECT max(version) FROM schema_migrations"))
    };
    let (message, version) = back(Target::Steps(3));
    assert!(message.contains("migration 1 (a) has no way back. Write 001_rollback.sql"), "{message}");
    assert_eq!(version, 3);
    let (message, version) = back(Target::To(1));
    assert!(message.starts_with("002_rollback.sql:2:1: table \"nothing\" does not exist"), "{message}");
    assert_eq!(version, 2);
    assert!(exists(&mut client, "b"));
}

#[test]
fn what_a_file_sets_in_the_session_does_not_reach_the_next() {
    let database = database();
    let mut client = database.client();
    client.batch_execute("DROP ROLE IF EXISTS migrate_other; CREATE ROLE migrate_other").unwrap();
    let folder = Folder::new(&[
        (
            "001_a.sql",
            "SET search_path = ''; SET statement_timeout = 1; SET ROLE migrate_other; SELECT set_config('app.x', 'y', false);",
        ),
        ("002_b.sql", "CREATE TABLE b (id int); SELECT pg_sleep(0.01);"),
        ("003_c.sql", "-- mainstay: no-transaction\nSET search_path = '';"),
    ]);
    run(&mut client, &folder).unwrap();
    assert!(exists(&mut client, "public.b"));
    assert_eq!(ask::<String>(&mut client, "SHOW search_path"), "\"$user\", public");
    assert_eq!(ask::<String>(&mut client, "SHOW lock_timeout"), "0");
    assert_eq!(ask::<String>(&mut client, "SELECT current_user::text"), "postgres");
    client.batch_execute("DROP ROLE migrate_other").unwrap();
}

#[test]
fn everything_that_sql_can_quote_is_left_alone() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[(
        "001_a.sql",
        r#"
/* a comment; /* nested; COMMIT; */ still; */
CREATE TABLE "semi;colon" (id int, "BEGIN;" text DEFAULT 'COMMIT; it''s' || E'\'; ROLLBACK;' || U&'\0041;');
CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN -- COMMIT;
    PERFORM $$COMMIT;$$;
    RETURN $1;
END
$body$;
CREATE FUNCTION g(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC
    SELECT CASE WHEN x > 0 THEN 1 ELSE 2 END;
    SELECT 3;
END;
CREATE RULE r AS ON INSERT TO "semi;colon" DO ALSO (NOTIFY one; NOTIFY two);
SAVEPOINT s; SELECT 1; ROLLBACK TO s; RELEASE s;
DO $do$ BEGIN PERFORM 1; END $do$;
INSERT INTO "semi;colon" VALUES (1, 'a'
    'b;');
;;
"#,
    )]);
    run(&mut client, &folder).unwrap();
    assert_eq!(ask::<i32>(&mut client, "SELECT g(1) + f(4)"), 7);
    assert_eq!(ask::<String>(&mut client, "SELECT \"BEGIN;\" FROM \"semi;colon\""), "ab;");
}

#[test]
fn a_thousand_migrations_are_applied_and_then_there_is_nothing_to_do() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[]);
    for number in 1..=1000 {
        folder.write(&format!("{number:04}_t.sql"), format!("-- Migration: T\nCREATE TABLE t{number} (id int);\n"));
    }
    assert_eq!(run(&mut client, &folder).unwrap().versions.len(), 1000);
    assert_eq!(run(&mut client, &folder).unwrap(), Outcome { versions: vec![], version: Some(1000) });
}
