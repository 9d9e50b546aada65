//! The statements that mainstay runs for the requests of `bench-api`, put together as its engine does it.

use mainstay::sql::Query;

const SELECT: &str = include_str!("../../../sql/identity/teams/select.sql");
const INSERT: Query =
    Query { name: "identity/teams/insert", text: include_str!("../../../sql/identity/teams/insert.sql") };

/// One team by its id, `$1`.
pub fn read(id: &str) -> String {
    format!("SELECT to_json(q.*)::text, q.version FROM (SELECT * FROM (\n{SELECT}\n) AS t WHERE t.id = {id}) AS q")
}

/// The newest 20 teams, and one more.
pub fn list() -> String {
    format!(
        "SELECT to_json(q.*)::text FROM (SELECT * FROM (\n{SELECT}\n) AS t\nORDER BY t.id DESC\nLIMIT 21 OFFSET 0) AS q"
    )
}

/// A new team, of `$2` by `$1`.
pub fn create() -> String {
    mainstay::resource::as_object(&INSERT)
}
