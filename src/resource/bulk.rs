//! Many rows at once: all that match a filter are changed or deleted, or none.

use std::borrow::Cow;

use serde_json::json;
use uuid::Uuid;

use super::Engine;
use super::filter::RESERVED;
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Mode, integer};
use crate::http::{Call, Many, Output, Reply};

/// Rows that one request may change; who has more of them goes in steps.
const ROWS_MAX: u64 = 10_000;

/// What the reply is called as a type.
pub(super) const NAME: &str = "Affected";

pub(super) fn output() -> Output {
    Output::Object(vec![integer("affected").read_only().never_null().help("How many there were.")])
}

impl Engine {
    pub(super) fn merge_many(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        let body = self.prepared(call, Mode::Merge)?;
        let actor = call.actor();
        self.each(call, |statements, ids| Ok(self.run_update(statements, &actor, ids, &body, None)?.len()))
    }

    pub(super) fn delete_many(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        let actor = call.actor();
        self.each(call, |statements, ids| self.run_delete(statements, &actor, ids, None))
    }

    fn each(
        &self,
        call: &mut Call<'_, '_>,
        act: impl Fn(&mut dyn Statements, &[Uuid]) -> Result<usize>,
    ) -> Result<Reply> {
        if let Some((word, _)) = call.query.iter().find(|(name, _)| RESERVED.contains(name) || self.is_expand(name)) {
            // Whoever says limit=1 means one row, and would be surprised by all of them.
            let message = format!("{word} is not known here; Prefer: max-affected= says how many rows it may be");
            return Err(Error::new(Code::MalformedRequest, message));
        }
        if call.header("If-Match").is_some() {
            return Err(Error::new(Code::MalformedRequest, "If-Match is for one row, not for all that match a filter"));
        }
        let mut conditions = self.conditions(&call.query)?;
        if conditions.sql.is_empty() {
            let message = format!("name a filter: without one, all {} would be meant", self.resource.collection);
            return Err(Error::new(Code::MalformedRequest, message));
        }
        self.check_anchor(call, &call.query, "id")?;
        self.narrow(call, &mut conditions);
        let max = call.preferences()?.affected_max.unwrap_or(ROWS_MAX).min(ROWS_MAX);
        let text =
            format!("SELECT t.id FROM (\n{}\n) AS t{}\nLIMIT {}", self.resource.select.text, conditions.sql, max + 1);
        call.write(Many::Consistent, |statements| {
            let name = self.resource.select.name;
            let rows = statements.all_of(name, Cow::Borrowed(&text), &conditions.parameters())?;
            if rows.len() as u64 > max {
                let message = format!("more than {max} rows match; nothing was changed");
                return Err(Error::new(Code::MalformedRequest, message));
            }
            let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
            let affected = act(statements, &ids)?;
            if affected < ids.len() {
                let count = ids.len() - affected;
                let message = format!("{count} of them may only be read by you; nothing was changed");
                return Err(Error::new(Code::InsufficientPermissions, message));
            }
            Ok(Reply::value(200, &json!({ "affected": affected })))
        })
    }
}
