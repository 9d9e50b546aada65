//! One row: read, made, changed, replaced, deleted.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postgres::Row;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Engine;
use super::rules::explain;
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::Mode;
use crate::http::{Call, Many, Reply};
use crate::sql::Json;

/// A row is as old as its transaction, and its id a little younger: so old may that be in a partition that is looked at first.
const TRANSACTION_MAX: Duration = Duration::from_secs(3600);
/// A clock that was set back in between.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(1);

/// When an id was made, if it tells.
fn made_at(id: Uuid) -> Option<SystemTime> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}

impl Engine {
    pub(super) fn get(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        let query = std::mem::take(&mut call.query);
        let expansions = self.expansions(call, &query)?;
        if let Some((name, _)) = query.iter().find(|(name, _)| !self.is_expand(name)) {
            return Err(Error::new(Code::MalformedRequest, format!("{name} is not known here")));
        }
        let id = call.id()?;
        let row = match call.take_found() {
            Some(row) => row,
            None => call.read(|statements| match expansions.is_empty() {
                true => self.find(statements, id),
                false => self.find_expanded(statements, id, &expansions),
            })?,
        };
        let row = row.ok_or_else(|| self.not_found(id))?;
        // What a row refers to changes without it.
        if let Some(version) = row.get(1)
            && expansions.is_empty()
            && call.has_version(version)
        {
            return Ok(Reply::empty(304).version(version));
        }
        Ok(shown(200, &row))
    }

    /// The rows of several ids, each in the place of its id.
    pub(super) fn get_many(&self, call: &mut Call<'_, '_>, ids: &[Uuid]) -> Result<Vec<Option<Row>>> {
        let name = self.resource.select.name;
        let rows = call.read(|statements| statements.all_of(name, Cow::Borrowed(&self.get_many), &[&ids]))?;
        let mut found: Vec<Option<Row>> = ids.iter().map(|_| None).collect();
        for row in rows {
            let place: i64 = row.get(2);
            found[place as usize - 1] = Some(row);
        }
        Ok(found)
    }

    pub(super) fn create(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        call.refuse_parameters()?;
        let body = self.prepared(call, Mode::Create)?;
        let actor = call.actor();
        let name = self.resource.insert.map_or("", |query| query.name);
        call.write(Many::No, |statements| {
            let rows = statements.all_of(name, Cow::Borrowed(&self.insert), &[&Json(&actor), &Json(&body)]);
            let rows = rows.map_err(|error| self.explain(error))?;
            let row = rows.first().ok_or_else(|| self.forbidden())?;
            let location = format!("/api/{}/{}", self.resource.collection, row.get::<_, Uuid>(2));
            Ok(shown(201, row).header("Location", location))
        })
    }

    pub(super) fn merge(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        self.update(call, Mode::Merge)
    }

    pub(super) fn replace(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        self.update(call, Mode::Replace)
    }

    fn update(&self, call: &mut Call<'_, '_>, mode: Mode) -> Result<Reply> {
        call.refuse_parameters()?;
        let (id, version) = (call.id()?, self.demanded_version(call)?);
        let body = self.prepared(call, mode)?;
        let actor = call.actor();
        call.write(Many::No, |statements| {
            let rows = self.run_update(statements, &actor, &[id], &body, version)?;
            match rows.first() {
                Some(row) => Ok(shown(200, row)),
                None => Err(self.why_nothing(statements, id, version)),
            }
        })
    }

    pub(super) fn delete(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        call.refuse_parameters()?;
        let (id, version) = (call.id()?, self.demanded_version(call)?);
        let actor = call.actor();
        call.write(Many::No, |statements| {
            let rows = self.run_delete(statements, &actor, &[id], version)?;
            match rows {
                0 => Err(self.why_nothing(statements, id, version)),
                _ => Ok(Reply::empty(204)),
            }
        })
    }

    /// The body as the statement takes it.
    pub(super) fn prepared(&self, call: &mut Call<'_, '_>, mode: Mode) -> Result<String> {
        let mut body: Map<String, Value> = call.input()?;
        if let Some(prepare) = &self.resource.prepare {
            prepare(call, mode, &mut body)?;
        }
        Ok(Value::Object(body).to_string())
    }

    pub(super) fn run_update(
        &self,
        statements: &mut dyn Statements,
        actor: &str,
        ids: &[Uuid],
        body: &str,
        version: Option<i32>,
    ) -> Result<Vec<Row>> {
        let name = self.resource.update.map_or("", |query| query.name);
        let parameters: [&(dyn postgres::types::ToSql + Sync); 4] = [&Json(actor), &ids, &Json(body), &version];
        statements.all_of(name, Cow::Borrowed(&self.update), &parameters).map_err(|error| self.explain(error))
    }

    pub(super) fn run_delete(
        &self,
        statements: &mut dyn Statements,
        actor: &str,
        ids: &[Uuid],
        version: Option<i32>,
    ) -> Result<usize> {
        let query = self.resource.delete.ok_or_else(|| Error::internal("there is no statement that deletes"))?;
        let rows = statements.all(&query, &[&Json(actor), &ids, &version]);
        rows.map(|rows| rows.len()).map_err(|error| self.explain(error))
    }

    /// The version that a change must find, where the client or the resource demands one.
    fn demanded_version(&self, call: &Call<'_, '_>) -> Result<Option<i32>> {
        let version = call.if_match()?;
        if self.resource.needs_match && call.header("If-Match").is_none() {
            let message = format!("changes of a {} need If-Match with its ETag", self.resource.singular);
            return Err(Error::new(Code::PreconditionRequired, message));
        }
        Ok(version)
    }

    fn find(&self, statements: &mut dyn Statements, id: Uuid) -> Result<Option<Row>> {
        let name = self.resource.select.name;
        if let Some(made) = made_at(id).filter(|_| self.resource.is_partitioned) {
            let (from, to) = (made - TRANSACTION_MAX, made + CLOCKS_APART_MAX);
            let rows = statements.all_of(name, Cow::Borrowed(&self.get_near), &[&id, &from, &to])?;
            if let Some(row) = rows.into_iter().next() {
                return Ok(Some(row));
            }
        }
        let rows = statements.all_of(name, Cow::Borrowed(&self.get), &[&id])?;
        Ok(rows.into_iter().next())
    }

    /// Why a change found no row: it is not there, it has moved on, or it is somebody else's.
    fn why_nothing(&self, statements: &mut dyn Statements, id: Uuid, version: Option<i32>) -> Error {
        let row = match self.find(statements, id) {
            Ok(row) => row,
            Err(error) => return error,
        };
        match (row.map(|row| row.get::<_, Option<i32>>(1)), version) {
            (None, _) => self.not_found(id),
            (Some(Some(current)), Some(version)) if current != version => Error::new(
                Code::PreconditionFailed,
                format!("the {} is at version {current} by now, not {version}", self.resource.singular),
            )
            .header("ETag", format!("\"{current}\"")),
            _ => self.forbidden(),
        }
    }

    fn not_found(&self, id: Uuid) -> Error {
        Error::new(Code::NotFound, format!("there is no {} with the id {id}", self.resource.singular))
    }

    fn forbidden(&self) -> Error {
        Error::new(Code::InsufficientPermissions, format!("this {} may only be read by you", self.resource.singular))
    }

    pub(super) fn explain(&self, error: Error) -> Error {
        explain(error, self.resource.table, self.resource.rules)
    }
}

fn shown(status: u16, row: &Row) -> Reply {
    let reply = Reply::json(status, row.get::<_, &str>(0));
    match row.get(1) {
        Some(version) => reply.version(version),
        None => reply,
    }
}
