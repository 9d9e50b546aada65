//! The harness itself: what the other tests may rely on.

use crate::support::database;

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
