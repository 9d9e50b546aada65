//! Blame: who changed a field of a route last, out of the audit.

use serde_json::Value;

use super::unreadable;
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::sql;

/// Each field of the route with this name, with its last change that the audit still knows.
pub fn blame(statements: &mut dyn Statements, name: &str) -> Result<Vec<Value>> {
    let rows = statements.all(&sql!("gateway/routes/blame"), &[&name])?;
    if rows.is_empty() {
        return Err(Error::new(Code::NotFound, format!("there is no route {name:?} that the audit knows of")));
    }
    rows.iter().map(|row| serde_json::from_str(row.get(0)).map_err(unreadable)).collect()
}
