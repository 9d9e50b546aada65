//! Statements: text with a name, kept in `sql/` and read when mainstay is built.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use postgres::types::{IsNull, ToSql, Type, accepts, to_sql_checked};

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

/// JSON that is already text, as a parameter of type jsonb.
#[derive(Debug)]
pub struct Json<'a>(pub &'a str);

impl ToSql for Json<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if *kind == Type::JSONB {
            // The version of jsonb's binary form.
            out.put_u8(1);
        }
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSON, JSONB);
    to_sql_checked!();
}
