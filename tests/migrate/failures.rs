//! What fails, what is refused, and what is said then.

use std::error::Error as _;

use super::*;
use crate::support::database;

#[test]
fn a_failure_shows_file_line_and_caret_and_leaves_nothing_of_the_file() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[
        ("001_a.sql", "CREATE TABLE a (id int, name text);"),
        (
            "002_b.sql",
            "-- Ä ö ü\nCREATE TABLE b (id int);\nCREATE TABLE e AS\n\tSELECT 'ß', nam FROM a;\nCREATE TABLE c ();\n",
        ),
        ("003_c.sql", "CREATE TABLE d (id int);"),
    ]);
    let error = run(&mut client, &folder).unwrap_err();
    let expected = "002_b.sql:4:14: column \"nam\" does not exist\n  \
                    |\n4 | \tSELECT 'ß', nam FROM a;\n  | \t            ^\nhint: Perhaps you meant to reference the column \
                    \"a.name\".\nNothing of this file was applied; the database is at version 1.";
    assert_eq!(error.to_string(), expected);
    assert!(error.source().is_some() && error.sql_state().is_some());
    assert!(exists(&mut client, "a") && !exists(&mut client, "b") && !exists(&mut client, "d"));
    assert_eq!(ask::<i64>(&mut client, "SELECT max(version) FROM schema_migrations"), 1);
    folder.write("002_b.sql", "CREATE TABLE b (id int);");
    assert_eq!(run(&mut client, &folder).unwrap().versions, [2, 3]);
}

#[test]
fn a_syntax_error_is_shown_in_its_place() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);\n\n  CREATE TABEL b (id int);\n")]);
    let message = message(run(&mut client, &folder));
    assert!(message.starts_with("001_a.sql:3:10: syntax error at or near \"TABEL\"\n"), "{message}");
    assert!(message.ends_with("the database is empty."), "{message}");
}

#[test]
fn an_error_for_which_postgresql_gives_no_place_is_shown_at_its_statement() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[(
        "001_a.sql",
        "CREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);\n-- again\n  INSERT INTO a VALUES (1);\nSELECT 1;",
    )]);
    let first = message(run(&mut client, &folder));
    assert!(first.starts_with("001_a.sql:4:3: duplicate key value violates unique constraint \"a_pkey\"\n"), "{first}");
    assert!(first.contains("detail: Key (id)=(1) already exists."), "{first}");
    folder.write(
        "001_a.sql",
        "CREATE TABLE a (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO a VALUES (1), (1);",
    );
    let deferred = message(run(&mut client, &folder));
    assert!(deferred.contains("context: COMMIT, where deferred constraints are checked"), "{deferred}");
    assert!(!exists(&mut client, "a"));
}

#[test]
fn a_row_that_is_refused_is_not_shown() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[(
        "001_a.sql",
        "CREATE TABLE a (password text, id int NOT NULL);\nINSERT INTO a SELECT md5('x'), NULL;",
    )]);
    let message = message(run(&mut client, &folder));
    assert!(message.starts_with("001_a.sql:2:1: null value in column \"id\""), "{message}");
    assert!(!message.contains("9dd4e461268c8034f5c8564e155c67a6"), "{message}");
}

#[test]
fn what_ends_the_transaction_or_cannot_run_in_one_is_refused_before_anything_runs() {
    let database = database();
    let mut client = database.client();
    for (statement, problem) in [
        ("COMMIT", "COMMIT is not allowed here"),
        ("commit and chain", "COMMIT AND is not allowed here"),
        ("BEGIN", "BEGIN is not allowed here"),
        ("START TRANSACTION", "START TRANSACTION is not allowed here"),
        ("ROLLBACK", "ROLLBACK is not allowed here"),
        ("/* x */ end", "END is not allowed here"),
        ("ABORT", "ABORT is not allowed here"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION is not allowed here"),
        ("CREATE INDEX CONCURRENTLY i ON a (id)", "CREATE INDEX CONCURRENTLY I cannot run in a transaction"),
        ("VACUUM a", "VACUUM A cannot run in a transaction"),
        ("COPY a FROM STDIN", "COPY from or to the client needs psql"),
        ("\\copy a from 'x'", "\\copy a from 'x'; is a command of psql"),
        ("SELECT 'open", "a string starts here and does not end"),
        ("SELECT $x$ open $y$", "a dollar quote starts here and does not end"),
        ("SELECT 1 /* open", "a comment starts here and does not end"),
    ] {
        let folder = Folder::new(&[
            ("001_a.sql", "CREATE TABLE a (id int);"),
            ("002_b.sql", &format!("SELECT 1;\n{statement};")),
        ]);
        let message = message(run(&mut client, &folder));
        assert!(message.starts_with("002_b.sql:2:") && message.contains(problem), "{statement}: {message}");
        assert!(!exists(&mut client, "a") && !exists(&mut client, "schema_migrations"), "{statement}");
    }
    let back = Folder::new(&[("001_a.sql", "CREATE TABLE a (id int);"), ("001_rollback.sql", "DROP TABLE a; COMMIT;")]);
    let message = message(run(&mut client, &back));
    assert!(message.starts_with("001_rollback.sql:1:15: COMMIT is not allowed here"), "{message}");
}

#[test]
fn changed_unknown_and_late_files_are_refused_together_with_what_to_do() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[
        ("001_a.sql", "SELECT 1;"),
        ("003_c.sql", "SELECT 3;"),
        ("004_d.sql", "SELECT 4;"),
        ("005_e.sql", "SELECT 5;"),
    ]);
    run(&mut client, &folder).unwrap();
    folder.write("001_a.sql", "SELECT 1000;");
    folder.write("002_b.sql", "SELECT 2;");
    folder.remove("004_d.sql");
    folder.remove("005_e.sql");
    folder.write("006_f.sql", "CREATE TABLE f ();");
    let text = message(run(&mut client, &folder));
    for problem in [
        "001_a.sql was changed after it had been applied",
        "mainstay migrate repair 1 --reason",
        "002_b.sql has not been applied, but 5 has, which comes after it: rename it (and its rollback) to the next free \
         number, 7",
        "the database has migration 4 (d), and there is no such file: bring the file back",
    ] {
        assert!(text.contains(problem), "{problem}\n{text}");
    }
    assert!(!exists(&mut client, "f"));
    folder.remove("006_f.sql");
    let newer = message(run(&mut client, &folder));
    assert!(newer.contains("migration 5 (e), which is newer than all files"), "{newer}");
}

#[test]
fn another_tools_table_is_recognised() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_a.sql", "SELECT 1;")]);
    for table in ["version varchar PRIMARY KEY", "version bigint, dirty boolean"] {
        client.batch_execute(&format!("CREATE TABLE public.schema_migrations ({table})")).unwrap();
        let message = message(run(&mut client, &folder));
        assert!(message.contains("belongs to another tool") && message.contains("migrate baseline"), "{message}");
        client.batch_execute("DROP TABLE public.schema_migrations").unwrap();
    }
}

#[test]
fn files_that_enter_themselves_in_the_table_are_completed() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[(
        "003_new_feature.sql",
        "CREATE TABLE IF NOT EXISTS schema_migrations (version text);\nINSERT INTO schema_migrations (version, description, \
         checksum) VALUES ('003', 'Add new feature tables', 'new_feature_v1_0_0');",
    )]);
    run(&mut client, &folder).unwrap();
    assert_eq!(ask::<String>(&mut client, "SELECT name FROM schema_migrations"), "new_feature");
    assert_eq!(run(&mut client, &folder).unwrap().versions, Vec::<i64>::new());
}

#[test]
fn a_connection_that_is_lost_is_said_and_the_next_run_goes_on() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[
        ("001_a.sql", "CREATE TABLE a (id int);"),
        ("002_b.sql", "CREATE TABLE b (id int); SELECT pg_terminate_backend(pg_backend_pid());"),
    ]);
    let message = message(run(&mut client, &folder));
    assert!(message.starts_with("002_b.sql: the connection to the database was lost. Run this again"), "{message}");
    folder.write("002_b.sql", "CREATE TABLE b (id int);");
    assert_eq!(run(&mut database.client(), &folder).unwrap().versions, [2]);
}
