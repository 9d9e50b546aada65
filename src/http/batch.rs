//! `POST /api/batch`: several operations in one transaction, all or nothing.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::afterwards::Afterwards;
use super::call::{Call, Many, Source};
use super::endpoint::{Access, Endpoint, Output, Verb, post};
use super::query::Query;
use super::reply::{Body, Reply};
use super::router::PathValues;
use super::service::permit;
use crate::db::Transaction;
use crate::error::{Code, Error, Result};
use crate::fields::{Mode, choice, integer, json as any_json, records, text};

const OPERATIONS_MAX: usize = 100;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    let operation = vec![
        choice("method", &["POST", "PUT", "PATCH", "DELETE", "GET"]).required(),
        text("path").required().max(2048).help("The path, with its query string: /api/teams."),
        any_json("body").help("The body, for methods that have one."),
        text("if_match").help("What If-Match would say."),
    ];
    let operations =
        records("operations", operation, OPERATIONS_MAX).required().help("The operations, in their order.");
    let result = vec![
        integer("status").read_only().never_null().help("What the operation would have answered by itself."),
        text("location").read_only().never_null().sometimes().help("Where a new row is."),
        text("etag").read_only().never_null().sometimes().help("The version of the row."),
        any_json("body").read_only().sometimes().help("The row."),
    ];
    let results = records("results", result, OPERATIONS_MAX).read_only().never_null();
    let results = results.help("The answers, in the same order.");
    post("/api/batch", Access::SignedIn, batch)
        .summary("Run up to 100 operations in one transaction: all of them, or none")
        .input(vec![operations], Mode::Create)
        .answers(200, Output::Object(vec![results]))
        .named("Batch", "BatchResults")
        // An operation that fails is the reply of all.
        .fails(&[
            Code::InsufficientPermissions,
            Code::NotFound,
            Code::MethodNotAllowed,
            Code::PreconditionFailed,
            Code::PreconditionRequired,
        ])
        .writes()
}

struct Operation {
    verb: Verb,
    path: String,
    query: String,
    body: Option<Value>,
    if_match: Option<String>,
}

fn batch(call: &mut Call<'_, '_>) -> Result<Reply> {
    if call.outer.is_some() {
        return Err(Error::new(Code::ValidationError, "a batch cannot be part of a batch"));
    }
    let mut input = call.input()?;
    let operations: Vec<Operation> = match input.remove("operations") {
        Some(Value::Array(operations)) => operations.into_iter().filter_map(read).collect(),
        _ => Vec::new(),
    };
    let parts = Parts {
        service: call.service,
        caller: call.caller.clone(),
        request_id: call.request_id,
        address: call.address,
        user_agent: call.user_agent().to_owned(),
        timing: call.timing,
        afterwards: call.afterwards,
    };
    let find = |(index, operation)| parts.find(operation).map_err(|error| name(error, index, operation));
    // Before anything is done, and before the reply of an earlier batch is given again.
    let found = operations.iter().enumerate().map(find).collect::<Result<Vec<_>>>()?;
    let check =
        |(index, (operation, found))| parts.input(operation, found).map_err(|error| name(error, index, operation));
    let inputs = operations.iter().zip(&found).enumerate().map(check).collect::<Result<Vec<_>>>()?;
    call.transact(Many::Yes, |transaction| {
        let mut results = Vec::with_capacity(found.len());
        let mut without_secrets = Vec::new();
        for (index, ((operation, found), input)) in operations.iter().zip(&found).zip(&inputs).enumerate() {
            let call = parts.call(operation, found, input.clone(), Some(transaction));
            let reply = call.and_then(|mut call| (found.0.handler)(&mut call));
            let reply = reply.map_err(|error| name(error, index, operation))?;
            without_secrets.extend(reply.kept.as_deref().map(|kept| (index, show(&reply, Some(kept)))));
            results.push(show(&reply, body(&reply)));
        }
        let reply = Reply::value(200, &json!({ "results": results }));
        if without_secrets.is_empty() {
            return Ok(reply);
        }
        // What is shown once is in no reply that is kept, also where it is a part of one.
        without_secrets.into_iter().for_each(|(index, result)| results[index] = result);
        Ok(reply.keeping(json!({ "results": results }).to_string()))
    })
}

/// An endpoint that the caller may call, and the values in its path.
type Found<'a> = (&'a Endpoint, PathValues<'a>);

/// What all operations have in common with the batch.
struct Parts<'a> {
    service: &'a super::Service,
    caller: Option<Arc<super::Caller>>,
    request_id: crate::request_id::RequestId,
    address: Option<std::net::IpAddr>,
    user_agent: String,
    timing: &'a super::Timing,
    afterwards: &'a Afterwards,
}

impl Parts<'_> {
    fn find<'a>(&'a self, operation: &'a Operation) -> Result<Found<'a>> {
        let (endpoint, values) = self.service.router().find(Some(operation.verb), &operation.path)?;
        permit(endpoint, self.caller.as_deref())?;
        if !endpoint.is_write && !endpoint.has_version {
            let message = format!("{} cannot be part of a batch", endpoint.label);
            return Err(Error::new(Code::ValidationError, message));
        }
        Ok((endpoint, values))
    }

    /// The body of an operation, checked: however long that takes, no row is locked meanwhile.
    fn input(&self, operation: &Operation, found: &Found<'_>) -> Result<Option<Map<String, Value>>> {
        if found.0.input.is_none() {
            return Ok(None);
        }
        self.call(operation, found, None, None)?.input().map(Some)
    }

    fn call<'a, 't>(
        &'a self,
        operation: &'a Operation,
        found: &Found<'a>,
        input: Option<Map<String, Value>>,
        outer: Option<&'a mut Transaction<'t>>,
    ) -> Result<Call<'a, 't>> {
        Ok(Call {
            service: self.service,
            endpoint: found.0,
            path: &operation.path,
            values: found.1.clone(),
            query: Query::parse(&operation.query)?,
            caller: self.caller.clone(),
            request_id: self.request_id,
            address: self.address,
            source: Source::Operation {
                user_agent: &self.user_agent,
                if_match: operation.if_match.clone(),
                body: if input.is_none() { operation.body.clone() } else { None },
                input,
            },
            outer,
            timing: self.timing,
            afterwards: self.afterwards,
            body_hash: [0; 32],
            weight: None,
            arrival: Instant::now(),
            may_wait: false,
            wait: None,
            found: None,
        })
    }
}

fn read(operation: Value) -> Option<Operation> {
    let Value::Object(mut operation) = operation else { return None };
    let mut text = |name| match operation.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (verb, target, if_match) = (Verb::parse(&text("method")?)?, text("path")?, text("if_match"));
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    Some(Operation { verb, path, query, body: operation.remove("body").filter(|body| !body.is_null()), if_match })
}

/// The error of an operation, with its place in the batch.
fn name(mut error: Error, index: usize, operation: &Operation) -> Error {
    let place = format!("operations[{index}]");
    for fault in &mut error.fields {
        fault.field = format!("{place}.body.{}", fault.field);
    }
    error.message =
        format!("{place}, {} {}: {}; nothing was changed", operation.verb.name(), operation.path, error.message);
    error
}

fn body(reply: &Reply) -> Option<&str> {
    match &reply.body {
        Body::Json(text) => Some(text),
        _ => None,
    }
}

fn show(reply: &Reply, body: Option<&str>) -> Value {
    let mut result = Map::new();
    result.insert("status".to_owned(), json!(reply.status));
    for (name, value) in &reply.headers {
        result.insert(name.to_ascii_lowercase(), json!(value));
    }
    if let Some(text) = body {
        // It is our own JSON.
        result.insert("body".to_owned(), serde_json::from_str(text).unwrap_or_default());
    }
    Value::Object(result)
}
