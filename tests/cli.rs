//! The command line: every command answers `--help`, says what it did, and exits with a code that means something.

use mainstay::cli::COMMANDS;

use crate::support::binary::mainstay;
use crate::support::{database, folder};

#[test]
fn every_command_answers_help_and_is_in_the_overview() {
    let overview = mainstay(&["--help"], &[]);
    for one in COMMANDS {
        let words: Vec<&str> = one.name.split(' ').chain(["--help"]).collect();
        let help = mainstay(&words, &[]);
        assert_eq!(help.code(), 0, "{}", one.name);
        assert!(help.text().contains(one.summary) && help.text().contains(&format!("usage: mainstay {}", one.name)));
        assert!(overview.text().contains(one.summary), "{} is not in the overview", one.name);
    }
}

#[test]
fn what_is_not_understood_exits_with_2_and_says_where_to_look() {
    let cases: [(&[&str], &str); 11] = [
        (&["sevre"], "`mainstay --help`"),
        (&["migrate", "--stteps", "1"], "`mainstay migrate --help`"),
        (&["migrate", "repair"], "usage: mainstay migrate repair VERSION"),
        (&["migrate", "rollback", "--steps"], "--steps needs a value"),
        (&["--nonsense"], "`mainstay --help`"),
        (&["config", "more"], "usage: mainstay config"),
        (&["migrate", "--to", "two"], "\"two\" is not a version"),
        (&["migrate", "baseline", "--", "-1"], "\"-1\" is not a version"),
        (&["migrate", "rollback", "--steps", "0"], "--steps must be a number from 1"),
        (&["migrate", "rollback", "--steps", "1", "--to", "0"], "give one"),
        (&["migrate", "repair", "1"], "--reason must say why"),
    ];
    for (words, hint) in cases {
        let run = mainstay(words, &[]);
        assert_eq!((run.code(), run.text().as_str()), (2, ""), "{words:?}");
        assert!(run.said().contains(hint), "{words:?}: {}", run.said());
    }
}

#[test]
fn migrating_there_and_back_is_shown_to_people_and_to_programs() {
    let home = database();
    let (url, run) = (home.pairs(), |words: &[&str], url: &str| mainstay(words, &[("DATABASE_URL", url)]));
    assert_eq!(run(&["migrate", "status", "--exit-code"], &url).code(), 1);
    let applied = run(&["migrate"], &url);
    assert_eq!(applied.code(), 0, "{}", applied.said());
    assert!(applied.said().contains("applied 000_ops.sql ("), "{}", applied.said());
    let status = run(&["migrate", "status", "--json", "--exit-code"], &url);
    let shown: serde_json::Value = serde_json::from_str(&status.text()).unwrap();
    assert_eq!(
        (status.code(), &shown["standing"], &shown["rows"][0]["state"]),
        (0, &"current".into(), &"applied".into())
    );
    let newest = shown["rows"].as_array().and_then(|rows| rows.last()).unwrap()["number"].as_str().unwrap();
    let nothing = format!("nothing to apply; the database is at version {}\n", newest.parse::<u32>().unwrap());
    assert_eq!(run(&["migrate"], &url).text(), nothing);
    let verified = run(&["migrate", "verify"], &url);
    assert_eq!(
        (verified.code(), verified.text().as_str()),
        (0, "files, history and database agree\n"),
        "{}",
        verified.said()
    );
    home.client().batch_execute("DROP TABLE ops.settings CASCADE").unwrap();
    let drifted = run(&["migrate", "verify"], &url);
    assert!(drifted.code() == 1 && drifted.text().contains("ops.settings is missing"), "{}", drifted.text());
    assert_eq!(run(&["migrate", "lint"], &url).code(), 0);
}

#[test]
fn a_database_that_is_not_there_is_made_by_db_create_and_never_by_others() {
    let home = database();
    let name = format!("{}_new", home.address().name());
    let url = home.pairs().replace(home.address().name(), &name);
    let run = |words: &[&str]| mainstay(words, &[("DATABASE_URL", &url)]);
    let missing = run(&["migrate"]);
    assert!(missing.code() == 1 && missing.said().contains("does not exist"), "{}", missing.said());
    assert_eq!(run(&["db", "create"]).text(), format!("made the database {name}\n"));
    assert_eq!(run(&["db", "create"]).text(), format!("there is a database {name} already\n"));
    let refused = run(&["db", "reset", "--yes"]);
    assert!(refused.code() == 1 && refused.said().contains("not mainstay's own"), "{}", refused.said());
    home.client().batch_execute(&format!("DROP DATABASE {name}")).unwrap();
}

#[test]
fn what_a_rollback_would_take_is_named_before_it_is_done() {
    let home = database();
    let url = home.pairs();
    let run = |words: &[&str], name: &str| mainstay(words, &[("DATABASE_URL", &url), ("APP_ENV", name)]);
    assert_eq!(run(&["migrate"], "development").code(), 0);
    let statement =
        "INSERT INTO ops.settings (key, value) SELECT 'key ' || number, '1' FROM generate_series(1, 3) AS number";
    home.client().batch_execute(statement).unwrap();
    let all = ["migrate", "rollback", "--steps", "99"];
    let refused = run(&all, "development");
    assert_eq!(refused.code(), 1);
    assert!(refused.said().contains("ops.settings would lose what is in 3 rows"), "{}", refused.said());
    assert!(refused.said().contains("nothing was undone; --yes"), "{}", refused.said());
    let refused = run(&["migrate", "rollback"], "production");
    assert!(refused.code() == 1 && refused.said().contains("APP_ENV is production"), "{}", refused.said());
    assert_eq!(run(&["migrate", "status", "--exit-code"], "development").code(), 0, "nothing was undone");
    let one = run(&["migrate", "rollback"], "development");
    assert_eq!(one.code(), 0, "where no row is lost, nobody is asked: {}", one.said());
    assert_eq!(run(&[&all[..], &["--yes"]].concat(), "production").code(), 0);
    let mut client = home.client();
    let folder = folder("migrations");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let path = ["DB_MIGRATE_PATH", "DATABASE_URL"];
    write(
        "1_a.sql",
        "CREATE SCHEMA s; CREATE TABLE s.\"A b\" (a int); CREATE TABLE c (d int, e int); CREATE TABLE f (g int);",
    );
    write(
        "1_rollback.sql",
        "DROP SCHEMA s CASCADE; ALTER TABLE c DROP COLUMN e; TRUNCATE ONLY f, public.c; DROP TABLE IF EXISTS f, c;",
    );
    let variables = [(path[0], folder.to_str().unwrap()), (path[1], url.as_str())];
    assert_eq!(mainstay(&["migrate"], &variables).code(), 0);
    client
        .batch_execute(
            "INSERT INTO s.\"A b\" VALUES (1); INSERT INTO c VALUES (1, 2), (3, 4); INSERT INTO f VALUES (5)",
        )
        .unwrap();
    let said = mainstay(&["migrate", "rollback"], &variables).said();
    for line in [
        "s.\"A b\" would lose what is in 1 rows",
        "public.c would lose what is in 2 rows",
        "public.f would lose what is in 1 rows",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn the_first_migration_of_a_project_makes_the_folder_that_it_is_in() {
    let folder = folder("project").join("db/migrations");
    let variables = [("DB_MIGRATE_PATH", folder.to_str().unwrap())];
    let status = mainstay(&["migrate", "lint"], &variables);
    assert!(status.code() == 1 && status.said().contains("check DB_MIGRATE_PATH"), "{}", status.said());
    let run = mainstay(&["migrate", "create", "add things"], &variables);
    assert_eq!(run.code(), 0, "{}", run.said());
    assert!(folder.join("001_add_things.sql").is_file());
    assert!(folder.join("001_rollback.sql").is_file());
}

#[test]
fn what_only_reads_makes_no_database() {
    let data = folder("data");
    let variables = [("MAINSTAY_DATA", data.to_str().unwrap())];
    for words in [&["user", "list"][..], &["migrate", "status"], &["jobs"], &["seed"], &["doctor"], &["entity", "plan"]]
    {
        let run = mainstay(words, &variables);
        let said = run.said() + &run.text();
        assert!(run.code() == 1 && said.contains("there is no database in"), "{words:?}: {said}");
        assert!(!data.join("postgres").exists(), "{words:?}");
    }
}
