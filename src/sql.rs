//! Statements: text with a name, kept in `sql/` and read when mainstay is built.

/// A statement and the file that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// The path below `sql/`, without `.sql`. It names the statement in logs and metrics.
    pub name: &'static str,
    pub text: &'static str,
}

/// The statement in `sql/<name>.sql`: `sql!("gateway/routes/insert")`.
#[macro_export]
macro_rules! sql {
    ($name:literal) => {
        $crate::sql::Query {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $name, ".sql")),
        }
    };
}
