//! mainstay's own first migration.

use mainstay::db::Binaries;
use mainstay::migrate::{Target, rollback};
use postgres::config::Host;

use super::*;
use crate::support::database;
use crate::support::database::Database;

fn migrated() -> (Database, Client) {
    let database = database();
    let mut client = database.client();
    migrate::migrate(&mut client, &Source::Embedded.read().unwrap(), &options(), &mut |_| {}).unwrap();
    (database, client)
}

/// The catalogue as pg_dump writes it, without our own table.
fn dump(database: &Database) -> String {
    let address = database.address();
    let Some(Host::Unix(folder)) = address.config.get_hosts().first() else { panic!("{address}") };
    let mut command = Binaries::find().unwrap().command("pg_dump");
    command.args(["--schema-only", "--exclude-table=public.schema_migrations", "--username=postgres", "--host"]);
    let output = command.arg(folder).arg(address.name()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Newer versions put a random word there.
    text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")).collect()
}

#[test]
fn undoing_everything_leaves_the_catalogue_as_it_was() {
    let database = database();
    let before = dump(&database);
    let migrations = Source::Embedded.read().unwrap();
    let mut client = database.client();
    migrate::migrate(&mut client, &migrations, &options(), &mut |_| {}).unwrap();
    let migrated = dump(&database);
    assert_ne!(before, migrated);
    let undone = rollback(&mut client, &migrations, Target::Steps(usize::MAX), &options(), &mut |_| {}).unwrap();
    assert_eq!(undone.versions.len(), migrations.list.len());
    assert_eq!(dump(&database), before);
    migrate::migrate(&mut client, &migrations, &options(), &mut |_| {}).unwrap();
    assert_eq!(dump(&database), migrated);
}

#[test]
fn one_database_is_undone_while_another_uses_the_same_roles() {
    let (_first, mut client) = migrated();
    let (_other, mut other) = migrated();
    let migrations = Source::Embedded.read().unwrap();
    rollback(&mut client, &migrations, Target::Steps(usize::MAX), &options(), &mut |_| {}).unwrap();
    assert!(ask::<bool>(&mut other, "SELECT has_schema_privilege('mainstay_readonly', 'ops', 'USAGE')"));
}

#[test]
fn the_linter_has_nothing_against_our_own_files() {
    let findings = migrate::lint(&Source::Embedded.read().unwrap());
    assert_eq!(findings, []);
}

#[test]
fn identifiers_are_uuids_of_version_7_that_sort_by_time() {
    let (_database, mut client) = migrated();
    let wrong: i64 = ask(
        &mut client,
        "WITH made AS MATERIALIZED (SELECT ops.uuid_v7() AS id, n FROM generate_series(1, 5000) AS n)
         SELECT count(*) FROM made
         WHERE id::text !~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
            OR abs(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint
                - extract(epoch FROM clock_timestamp()) * 1000) > 60000",
    );
    assert_eq!(wrong, 0);
    let (distinct, early, late): (i64, String, String) = {
        let first: String = ask(&mut client, "SELECT ops.uuid_v7()::text");
        client.batch_execute("SELECT pg_sleep(0.002)").unwrap();
        let second: String = ask(&mut client, "SELECT ops.uuid_v7()::text");
        let count = "SELECT count(DISTINCT ops.uuid_v7()) FROM generate_series(1, 5000)";
        (ask(&mut client, count), first, second)
    };
    assert!(early < late, "{early} {late}");
    assert_eq!(distinct, 5000);
}

#[test]
fn the_actor_is_named_for_the_transaction_and_a_changed_row_counts_its_versions() {
    let (_database, mut client) = migrated();
    let mut transaction = client.transaction().unwrap();
    let statement = "INSERT INTO ops.settings (key, value) SELECT 'a', '1' FROM ops.actor('{\"user\": 7}')";
    assert_eq!(transaction.execute(statement, &[]).unwrap(), 1);
    let actor = transaction.query_one("SELECT current_setting('app.context')::jsonb ->> 'user'", &[]).unwrap();
    assert_eq!(actor.get::<_, String>(0), "7");
    transaction.commit().unwrap();
    assert_eq!(ask::<String>(&mut client, "SELECT coalesce(current_setting('app.context', true), '')"), "");
    client.batch_execute("UPDATE ops.settings SET value = '2', updated_at = '1999-01-01', version = 77").unwrap();
    let row = client.query_one("SELECT version, updated_at > created_at FROM ops.settings", &[]).unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1)), (2, true));
}

#[test]
fn tables_are_found_by_their_names_in_new_sessions() {
    let (database, _client) = migrated();
    assert!(exists(&mut database.client(), "maintenance_runs"));
}

#[test]
fn the_read_only_role_sees_jobs_but_no_settings() {
    let (_database, mut client) = migrated();
    client.batch_execute("SET ROLE mainstay_readonly; SELECT count(*) FROM ops.jobs").unwrap();
    assert!(client.batch_execute("SELECT value FROM ops.settings").is_err());
}
