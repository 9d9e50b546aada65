//! Work that others do: claimed under a lease, kept with heartbeats, and ended once.
//!
//! A worker claims a row for some seconds and gets a fence, a number that each claim of the row counts up. While it works,
//! it says so now and then; if it is not heard of any more, the lease runs out, and another claims the row. Whatever it
//! says names its fence: the word of a worker that has been replaced is refused, so nothing is ever done twice.
//!
//! Knows of a table only its statements, which a domain brings along: each is one statement, and so happens as a whole.

use std::borrow::Cow;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::db::{Params, Statements};
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, Mode, integer, text};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, post};
use crate::resource::{Rule, as_object, explain};
use crate::sql::{Json, Query};

/// How long a lease may be, and is unless a worker says otherwise.
const LEASE_SECONDS_MAX: i64 = 3600;
const LEASE_SECONDS: i64 = 60;

/// A table of work.
pub struct Work {
    /// `devx.generation_history`
    pub table: &'static str,
    /// `generations`, as the path has it.
    pub collection: &'static str,
    /// One of them, in words.
    pub singular: &'static str,
    /// What it is called as a type.
    pub type_name: &'static str,
    /// What workers are allowed, who see all of it.
    pub permission: Permission,
    /// All fields of a row.
    pub fields: Vec<Field>,
    /// What a worker says of work that is done, and of work that has failed.
    pub outcome: Vec<Field>,
    pub failure: Vec<Field>,
    /// `$1` actor, `$2` worker, `$3` seconds.
    pub claim: Query,
    /// `$1` actor, `$2` id, `$3` fence, `$4` seconds.
    pub heartbeat: Query,
    /// `$1` actor, `$2` id, `$3` fence, `$4` what the worker says.
    pub complete: Query,
    pub fail: Query,
    pub rules: &'static [Rule],
}

/// One of the three ways to speak of work that one has.
struct Word {
    table: &'static str,
    singular: &'static str,
    rules: &'static [Rule],
    query: Query,
    text: String,
}

impl Work {
    /// The endpoints: claim, heartbeat, complete and fail.
    pub fn endpoints(self) -> Vec<Endpoint> {
        let access = Access::Permission(self.permission);
        let path = format!("/api/{}", self.collection);
        let (singular, name) = (self.singular, self.type_name);
        let row = || Output::Object(self.fields.clone());
        let words =
            |query: Query| Word { table: self.table, singular, rules: self.rules, query, text: as_object(&query) };
        let (claim, heartbeat) = (words(self.claim), words(self.heartbeat));
        let (complete, fail) = (words(self.complete), words(self.fail));
        vec![
            post(format!("{path}/claim"), access, move |call| claim.claim(call))
                .summary(format!("Take on the {singular} that is due first"))
                .input(vec![worker(), lease_seconds()], Mode::Create)
                .answers(200, row())
                .also(204, Output::Nothing)
                .named("Claim", name)
                .writes(),
            post(format!("{path}/{{id}}/heartbeat"), access, move |call| heartbeat.beat(call))
                .summary(format!("Keep a {singular} for longer"))
                .input(vec![fence(), lease_seconds()], Mode::Create)
                .answers(200, row())
                .named("Heartbeat", name)
                .fails(&[Code::Conflict])
                .writes(),
            post(format!("{path}/{{id}}/complete"), access, move |call| complete.end(call))
                .summary(format!("Say that a {singular} is done"))
                .input([vec![fence()], self.outcome.clone()].concat(), Mode::Create)
                .answers(200, row())
                .named(format!("{name}Outcome"), name)
                .fails(&[Code::Conflict])
                .writes(),
            post(format!("{path}/{{id}}/fail"), access, move |call| fail.end(call))
                .summary(format!("Say that a {singular} has failed"))
                .input([vec![fence()], self.failure.clone()].concat(), Mode::Create)
                .answers(200, row())
                .named(format!("{name}Failure"), name)
                .fails(&[Code::Conflict])
                .writes(),
        ]
    }
}

fn worker() -> Field {
    text("worker").required().max(255).form(Form::LINE).help("Who takes it on: a name that others know it by.")
}

fn lease_seconds() -> Field {
    integer("lease_seconds")
        .range(1, LEASE_SECONDS_MAX)
        .default(LEASE_SECONDS)
        .unit("seconds")
        .help("How long it is theirs without another word.")
}

fn fence() -> Field {
    integer("fence").required().range(1, i64::MAX).help("The fence that the claim gave.")
}

impl Word {
    fn claim(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        call.refuse_parameters()?;
        let (input, actor) = (call.input()?, call.actor());
        let worker = input.get("worker").and_then(Value::as_str).unwrap_or_default();
        let seconds = number(&input, "lease_seconds");
        call.write(Many::No, |statements| {
            let found = self.run(statements, &[&Json(&actor), &worker, &seconds])?;
            Ok(found.unwrap_or_else(|| Reply::empty(204)))
        })
    }

    fn beat(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        call.refuse_parameters()?;
        let (id, input, actor) = (call.id()?, call.input()?, call.actor());
        let (fence, seconds) = (number(&input, "fence"), number(&input, "lease_seconds"));
        call.write(Many::No, |statements| {
            self.run(statements, &[&Json(&actor), &id, &fence, &seconds])?.ok_or_else(|| self.lost(id, fence))
        })
    }

    fn end(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        call.refuse_parameters()?;
        let (id, input, actor) = (call.id()?, call.input()?, call.actor());
        let fence = number(&input, "fence");
        let said = Value::Object(input).to_string();
        call.write(Many::No, |statements| {
            self.run(statements, &[&Json(&actor), &id, &fence, &Json(&said)])?.ok_or_else(|| self.lost(id, fence))
        })
    }

    fn run(&self, statements: &mut dyn Statements, parameters: Params<'_>) -> Result<Option<Reply>> {
        let rows = statements.all_of(self.query.name, Cow::Borrowed(&self.text), parameters);
        let rows = rows.map_err(|error| explain(error, self.table, self.rules))?;
        Ok(rows.first().map(|row| Reply::json(200, row.get::<_, &str>(0)).version(row.get(1))))
    }

    /// Whether another has it, it is over, or it never was: all that matters to a worker is to let go.
    fn lost(&self, id: Uuid, fence: i64) -> Error {
        let message = format!(
            "the {} {id} is not yours under the fence {fence}: it is over, somebody else has it, or it is gone",
            self.singular
        );
        Error::new(Code::Conflict, message)
    }
}

fn number(input: &Map<String, Value>, name: &str) -> i64 {
    input.get(name).and_then(Value::as_i64).unwrap_or_default()
}
