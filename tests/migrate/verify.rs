//! Drift: what was done to a database by hand is found and named.

use std::time::Duration;

use mainstay::migrate::{Verification, verify};
use postgres::NoTls;

use super::*;
use crate::support::database;
use crate::support::database::Database;
use crate::support::wait::wait_for;

const SCHEMA: &str = "
CREATE SCHEMA s;
CREATE TYPE s.mood AS ENUM ('good', 'bad');
CREATE DOMAIN s.email AS text CHECK (VALUE LIKE '%@%');
CREATE SEQUENCE s.numbers;
CREATE TABLE s.a (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL DEFAULT 'x',
    note text NOT NULL DEFAULT '',
    size integer,
    mood s.mood,
    CONSTRAINT a_name_is_short CHECK (length(name) < 9)
);
CREATE INDEX a_name ON s.a (name);
CREATE INDEX a_note ON s.a (note);
CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER t BEFORE UPDATE ON s.a FOR EACH ROW EXECUTE FUNCTION s.f();
CREATE TRIGGER u BEFORE UPDATE ON s.a FOR EACH ROW EXECUTE FUNCTION s.f();
CREATE VIEW s.v AS SELECT name FROM s.a;
ALTER TABLE s.a ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON s.a USING (name = 'x');
CREATE TABLE s.parts (at date) PARTITION BY RANGE (at);
CREATE TABLE s.part PARTITION OF s.parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int);
";

/// What somebody did, and what is told of it.
const BY_HAND: &[(&str, &str)] = &[
    ("DROP INDEX s.a_name", "index s.a_name is missing: the migrations make it"),
    ("ALTER TABLE s.a ADD COLUMN extra int", "column s.a.extra is not from the migrations"),
    (
        "ALTER TABLE s.a ALTER name SET DEFAULT 'y'",
        "column s.a.name is `text not null default 'y'::text`, and the migrations make it `text not null default 'x'::text`",
    ),
    (
        "ALTER TABLE s.a ALTER note DROP NOT NULL",
        "column s.a.note is `text default ''::text`, and the migrations make it `text not null default ''::text`",
    ),
    ("ALTER TABLE s.a ALTER size TYPE bigint", "column s.a.size is `bigint`, and the migrations make it `integer`"),
    (
        "CREATE OR REPLACE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
        "function s.f() is `AS $function$ BEGIN RETURN OLD; END $function$`, and the migrations make it `AS $function$ \
         BEGIN RETURN NEW; END $function$`",
    ),
    ("ALTER TABLE s.a DROP CONSTRAINT a_name_is_short", "constraint a_name_is_short on s.a is missing"),
    ("ALTER TABLE s.a DISABLE TRIGGER t", "trigger t on s.a is `CREATE TRIGGER t BEFORE UPDATE"),
    ("DROP TRIGGER u ON s.a", "trigger u on s.a is missing"),
    ("CREATE OR REPLACE VIEW s.v AS SELECT name FROM s.a WHERE id > 1", "view s.v is `"),
    ("ALTER TYPE s.mood ADD VALUE 'fair'", "type s.mood is `enum 'good', 'bad', 'fair'`"),
    ("ALTER DOMAIN s.email DROP CONSTRAINT email_check", "constraint email_check on s.email is missing"),
    ("ALTER SEQUENCE s.numbers INCREMENT 2", "sequence s.numbers is `bigint start 1 increment 2"),
    ("ALTER POLICY p ON s.a USING (true)", "policy p on s.a is `permissive for * to public using true`"),
    (
        "ALTER TABLE s.a DISABLE ROW LEVEL SECURITY",
        "table s.a is `table`, and the migrations make it `table, row security`",
    ),
    (
        "ALTER TABLE s.parts DETACH PARTITION s.part",
        "table s.part is `table`, and the migrations make it `table, partition FOR VALUES FROM ('2024-01-01')",
    ),
    ("CREATE TABLE public.stray (id int)", "table public.stray is not from the migrations"),
    ("CREATE SCHEMA stray", "schema stray is not from the migrations"),
    ("DROP AGGREGATE s.total(int)", "aggregate s.total(integer) is missing"),
    ("GRANT DELETE ON s.a TO pg_monitor", "grant delete on relation s.a to pg_monitor is not from the migrations"),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's.a_note'::regclass",
        "index s.a_note is `CREATE INDEX a_note ON s.a USING btree (note) (INVALID)`",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's.a_pkey'::regclass",
        "index s.a_pkey is not from the migrations",
    ),
];

fn check(database: &Database, folder: &Folder) -> Verification {
    let mut connect = |name: &str| Ok(database.address().with_name(name).config.connect(NoTls)?);
    verify(&mut database.client(), &folder.read(), &mut connect).unwrap()
}

fn drift(verification: &Verification) -> Vec<String> {
    verification.drift.iter().map(ToString::to_string).collect()
}

#[test]
fn a_database_that_only_migrations_have_touched_has_no_drift_and_no_scratch_is_left() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_s.sql", SCHEMA), ("002_pending.sql", "CREATE TABLE s.late (id int);")]);
    run_with(&mut client, &folder, &Options { to: Some(1), ..options() }).0.unwrap();
    let verification = check(&database, &folder);
    assert_eq!(drift(&verification), Vec::<String>::new());
    assert!(verification.is_good());
    assert_eq!(verification.without_rollback, [1]);
    let mut scratch = String::new();
    let mut connect = |name: &str| {
        scratch = name.to_owned();
        Ok(database.address().with_name(name).config.connect(NoTls)?)
    };
    verify(&mut client, &folder.read(), &mut connect).unwrap();
    let left = "SELECT count(*) FROM pg_database WHERE datname = $1";
    assert!(scratch.starts_with("mainstay_verify_"), "{scratch}");
    assert_eq!(client.query_one(left, &[&scratch]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn each_thing_that_was_done_by_hand_is_named() {
    let database = database();
    let mut client = database.client();
    let folder = Folder::new(&[("001_s.sql", SCHEMA)]);
    run(&mut client, &folder).unwrap();
    for (by_hand, _) in BY_HAND {
        client.batch_execute(by_hand).unwrap();
    }
    let verification = check(&database, &folder);
    let drift = drift(&verification);
    for (by_hand, told) in BY_HAND {
        assert!(drift.iter().any(|line| line.starts_with(told)), "{by_hand}: {drift:#?}");
    }
    // A stray table has a column, and that is all that is told beyond one line for each.
    assert_eq!(drift.len(), BY_HAND.len() + 1, "{drift:#?}");
    assert!(!verification.is_good());
}

#[test]
fn gaps_changes_and_missing_ways_back_are_found() {
    let database = database();
    let folder = Folder::new(&[
        ("001_a.sql", "SELECT 1;"),
        ("001_rollback.sql", "SELECT 1;"),
        ("004_d.sql", "SELECT 4;"),
        ("20240101120000_e.sql", "SELECT 5;"),
    ]);
    run(&mut database.client(), &folder).unwrap();
    folder.write("001_a.sql", "SELECT 1000;");
    let verification = check(&database, &folder);
    assert_eq!(verification.gaps, [2, 3]);
    assert_eq!(verification.without_rollback, [4, 20_240_101_120_000]);
    assert_eq!(verification.problems.len(), 1);
    assert!(!verification.is_good());
}

#[test]
fn a_role_that_may_not_create_databases_is_told_so() {
    let database = database();
    let mut client = database.client();
    client.batch_execute("DROP ROLE IF EXISTS migrate_meek; CREATE ROLE migrate_meek").unwrap();
    client.batch_execute("SET ROLE migrate_meek").unwrap();
    let folder = Folder::new(&[]);
    let mut connect = |_: &str| panic!("there is no scratch database to connect to");
    let message = verify(&mut client, &folder.read(), &mut connect).unwrap_err().to_string();
    assert!(message.contains("ALTER ROLE … CREATEDB"), "{message}");
    client.batch_execute("RESET ROLE; DROP ROLE migrate_meek").unwrap();
}

#[test]
fn a_scratch_database_that_a_killed_run_has_left_is_dropped_by_the_next_and_one_in_use_is_not() {
    let database = database();
    let mut client = database.client();
    let now: i64 = ask(&mut client, "SELECT extract(epoch FROM now())::bigint");
    let chance = format!("{:016x}", std::process::id());
    let hour_ago = now - 3600;
    let name = |when: i64, digit: char| format!("mainstay_verify_{when}_{digit}{}", &chance[1..]);
    let (left, in_use, fresh) = (name(hour_ago, '1'), name(hour_ago, '2'), name(now, '3'));
    let foreign = format!("mainstay_verify_{}", database.address().name());
    for name in [&left, &fresh, &foreign] {
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).unwrap();
    }
    // Other tests verify too, and may drop it before it is in use.
    let user = wait_for("the database is in use", Duration::from_secs(60), || {
        let _ = client.batch_execute(&format!("CREATE DATABASE {in_use} TEMPLATE template0"));
        database.address().with_name(&in_use).config.connect(NoTls).ok()
    });
    check(&database, &Folder::new(&[]));
    let mut exists =
        |name: &str| client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).unwrap().is_some();
    assert_eq!([&left, &in_use, &fresh, &foreign].map(|name| exists(name)), [false, true, true, true]);
    drop(user);
    for name in [&in_use, &fresh, &foreign] {
        // Others verify meanwhile, and drop what nobody uses any more.
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).unwrap();
    }
}
