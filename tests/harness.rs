//! The harness itself: what the other tests may rely on.

use std::thread;

use mainstay::migrate::{self, Options, Source};

use crate::support::{database, migrated};

#[test]
fn every_test_has_a_database_of_its_own_and_it_goes_with_the_test() {
    let (first, second) = (database(), database());
    first.client().batch_execute("CREATE TABLE t (id int)").unwrap();
    second.client().batch_execute("CREATE TABLE t (id int)").unwrap();
    let name = first.address().name().to_owned();
    let open = first.client();
    drop(first);
    let row = second.client().query_one("SELECT count(*) FROM pg_database WHERE datname = $1", &[&name]).unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "{name} is still there");
    drop(open);
}

#[test]
fn a_copy_of_the_migrated_template_is_as_if_it_had_been_migrated_itself() {
    let copies: Vec<_> =
        thread::scope(|scope| [0; 3].map(|_| scope.spawn(migrated)).map(|copy| copy.join().unwrap()).into());
    let mut copy = copies[1].client();
    let own = database();
    let migrations = Source::Embedded.read().unwrap();
    let outcome = migrate::migrate(&mut copy, &migrations, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!((outcome.versions, outcome.version), (vec![], migrations.newest()));
    migrate::migrate(&mut own.client(), &migrations, &Options::default(), &mut |_| {}).unwrap();
    let search_path = |client: &mut postgres::Client| -> String {
        let row = client.query_one("SHOW search_path", &[]).unwrap();
        row.get(0)
    };
    assert_eq!(search_path(&mut copy), search_path(&mut own.client()));
    // Each is its own.
    copy.batch_execute("CREATE TABLE t (id int)").unwrap();
    copies[2].client().batch_execute("CREATE TABLE t (id int)").unwrap();
}
