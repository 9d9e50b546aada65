//! A call: a request that has been admitted, and everything its handler may need.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::Row;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tiny_http::Request;
use uuid::Uuid;

use super::afterwards::Afterwards;
use super::caller::{Caller, actor};
use super::endpoint::{Endpoint, Verb};
use super::idempotency::Key;
use super::query::Query;
use super::reply::Reply;
use super::router::PathValues;
use super::service::{Service, user_agent};
use super::waiting::{Bell, Wait};
use crate::db::{Purpose, Session, Statements, Transaction, TransactionOptions, insist};
use crate::error::{Code, Error, Result};
use crate::json;
use crate::request_id::RequestId;
use crate::sql;

/// Where the time of a call goes.
#[derive(Debug, Default)]
pub struct Timing {
    pub auth: Cell<Duration>,
    pub pool: Cell<Duration>,
    pub database: Cell<Duration>,
}

/// Where the parts of a call come from.
pub(super) enum Source<'a> {
    Request(&'a mut Request),
    /// An operation of a batch, which has its version and its body beside it.
    Operation {
        user_agent: &'a str,
        if_match: Option<String>,
        body: Option<Value>,
        /// The body, if it has been checked already.
        input: Option<Map<String, Value>>,
    },
}

/// What `Prefer` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Do everything, and undo it.
    pub is_trial: bool,
    pub affected_max: Option<u64>,
}

pub struct Call<'a, 't> {
    pub service: &'a Service,
    pub endpoint: &'a Endpoint,
    /// The path as it was called.
    pub path: &'a str,
    pub values: PathValues<'a>,
    pub query: Query<'a>,
    pub caller: Option<Arc<Caller>>,
    pub request_id: RequestId,
    pub address: Option<IpAddr>,
    pub(super) source: Source<'a>,
    /// The transaction that this is a part of, in a batch.
    pub(super) outer: Option<&'a mut Transaction<'t>>,
    pub(super) timing: &'a Timing,
    pub(super) afterwards: &'a Afterwards,
    /// What an `Idempotency-Key` stands for; made from the body when it is read.
    pub(super) body_hash: [u8; 32],
    /// What the body weighs.
    pub(super) weight: Option<json::Weight>,
    /// When the request came, however often it has been handled since.
    pub arrival: Instant,
    pub(super) may_wait: bool,
    /// What the request is to wait for, instead of being answered.
    pub(super) wait: Option<Wait>,
    /// The row, or that there is none, if it has been read for this and others together.
    pub(super) found: Option<Option<Row>>,
}

impl<'a> Call<'a, '_> {
    /// A value of the path.
    pub fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The id in the path. What is no UUID is the id of nothing.
    pub fn id(&self) -> Result<Uuid> {
        let text = self.value("id");
        Uuid::try_parse(text).map_err(|_| Error::new(Code::NotFound, format!("there is nothing with the id {text:?}")))
    }

    /// Refuses a query string where there is nothing to ask for: a filter on one row would be a mistake that nobody notices.
    pub fn refuse_parameters(&self) -> Result<()> {
        match self.query.iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(Error::new(Code::MalformedRequest, format!("{name} is not known here"))),
        }
    }

    /// The request, unless this is a part of one.
    pub(super) fn request(&self) -> Option<&Request> {
        match &self.source {
            Source::Request(request) => Some(request),
            Source::Operation { .. } => None,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        match &self.source {
            Source::Request(request) => request.header(name),
            Source::Operation { if_match, .. } => if_match.as_deref().filter(|_| name == "If-Match"),
        }
    }

    /// The client's program, as it calls itself.
    pub fn user_agent(&self) -> &str {
        match &self.source {
            Source::Request(request) => user_agent(request),
            Source::Operation { user_agent, .. } => user_agent,
        }
    }

    /// The row with the id of the path, where it has been read already; see [`Together`](super::Together).
    pub fn take_found(&mut self) -> Option<Option<Row>> {
        self.found.take()
    }

    /// Who is calling, where somebody must be.
    pub fn caller(&self) -> Result<&Arc<Caller>> {
        self.caller.as_ref().ok_or_else(|| Error::internal("an endpoint for callers was called by nobody"))
    }

    pub fn is_admin(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.is_admin())
    }

    /// Who acts, for the statements that write.
    pub fn actor(&self) -> String {
        actor(self.caller.as_deref(), &self.request_id, self.address, self.user_agent())
    }

    /// Lets the request wait until the bell has rung more often than `seen`, or until the given time, and be handled again
    /// then. What the handler answers is sent only if it may not wait: the time is over, or the server stops.
    pub fn wait_for(&mut self, bell: &Arc<Bell>, seen: u64, until: Instant) {
        if self.may_wait && Instant::now() < until {
            self.wait = Some(Wait { bell: bell.clone(), seen, until });
        }
    }

    /// Has something done when the reply has been sent. Nobody is told if it fails, but the log.
    pub fn afterwards(&self, work: impl FnOnce(&Service) -> Result<()> + Send + 'static) {
        self.afterwards.set(Box::new(work));
    }

    pub fn preferences(&self) -> Result<Preferences> {
        let mut preferences = Preferences::default();
        let Some(header) = self.header("Prefer") else { return Ok(preferences) };
        for part in header.split(',').map(str::trim) {
            match part.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"'))) {
                Some(("tx", "rollback")) => preferences.is_trial = true,
                Some(("tx", _)) => return Err(malformed("Prefer: tx= knows rollback")),
                Some(("max-affected", number)) => {
                    let number = number.parse().map_err(|_| malformed("Prefer: max-affected= needs a number"))?;
                    preferences.affected_max = Some(number);
                }
                // Preferences that we do not know are ignored: that is what they are.
                _ => {}
            }
        }
        Ok(preferences)
    }

    /// The version that `If-Match` demands, if it demands one. A tag that is none of ours is the one of another version.
    pub fn if_match(&self) -> Result<Option<i32>> {
        let Some(text) = self.header("If-Match").map(str::trim) else { return Ok(None) };
        if text == "*" {
            return Ok(None);
        }
        let tag = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let Some(tag) = tag.filter(|tag| !tag.contains('"')) else {
            return Err(malformed("If-Match must be * or one ETag, in quotation marks"));
        };
        let wrong = || Error::new(Code::PreconditionFailed, format!("If-Match {text} is no version of this"));
        let version = tag.parse().ok().filter(|_| !text.starts_with("W/"));
        version.map(Some).ok_or_else(wrong)
    }

    /// Whether the client has this version already.
    pub fn has_version(&self, version: i32) -> bool {
        let Some(header) = self.header("If-None-Match") else { return false };
        let is_it = |tag: &str| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse() == Ok(version)
        };
        header.split(',').any(is_it)
    }

    /// A session from the endpoint's pool.
    pub fn session(&self) -> Result<Session> {
        let start = Instant::now();
        let purpose = Purpose { what: self.endpoint.label, request: Some(self.request_id) };
        let session = self.service.database().session(self.endpoint.pool, purpose);
        add(&self.timing.pool, start);
        session
    }

    /// The user whose rows alone are to be seen, if others' are hidden.
    pub fn guard(&self) -> Option<Uuid> {
        let caller = self.caller.as_ref()?;
        (self.endpoint.is_guarded && !caller.sees_all()).then_some(caller.user_id)
    }

    /// Runs statements that only read.
    pub fn read<T>(&mut self, mut act: impl FnMut(&mut dyn Statements) -> Result<T>) -> Result<T> {
        let guard = self.guard();
        if let Some(outer) = self.outer.as_deref_mut() {
            return as_user(outer, guard, &mut act);
        }
        let mut session = self.session()?;
        let start = Instant::now();
        let result = match guard {
            None => act(&mut session),
            Some(_) => {
                let options = TransactionOptions { is_read_only: true, ..TransactionOptions::default() };
                session.transaction(options, |transaction| as_user(transaction, guard, &mut act))
            }
        };
        add(&self.timing.database, start);
        result
    }

    /// Runs statements that change something, with all that the request asks for around them: a trial, the reply that
    /// an idempotency key had before, the user's own rows alone. Several statements belong together only `if_many`.
    pub fn write(&mut self, many: Many, mut act: impl FnMut(&mut dyn Statements) -> Result<Reply>) -> Result<Reply> {
        let guard = self.guard();
        if let Some(outer) = self.outer.as_deref_mut() {
            return as_user(outer, guard, &mut act);
        }
        let is_plain = many == Many::No
            && guard.is_none()
            && self.header("Prefer").is_none()
            && self.header("Idempotency-Key").is_none();
        if !is_plain {
            return self.transact(many, |transaction| as_user(transaction, guard, &mut act));
        }
        let mut session = self.session()?;
        let start = Instant::now();
        let result = insist(|| act(&mut session));
        add(&self.timing.database, start);
        result
    }

    /// Runs a transaction, or the trial of one; with an idempotency key that was used before, its reply is all there is.
    pub(super) fn transact(
        &mut self,
        many: Many,
        mut act: impl FnMut(&mut Transaction<'_>) -> Result<Reply>,
    ) -> Result<Reply> {
        let is_trial = self.preferences()?.is_trial;
        let key = self.idempotency_key()?;
        let mut session = self.session()?;
        let start = Instant::now();
        let options = TransactionOptions { is_trial, isolation: many.isolation(), ..TransactionOptions::default() };
        let result = session.transaction(options, |transaction| {
            if let Some(reply) = key.as_ref().map_or(Ok(None), |key| key.claim(transaction))? {
                return Ok(reply);
            }
            let reply = act(transaction)?;
            if let Some(key) = &key {
                key.keep(transaction, &reply)?;
            }
            Ok(reply)
        });
        add(&self.timing.database, start);
        let reply = result?;
        Ok(if is_trial { reply.header("Preference-Applied", "tx=rollback") } else { reply })
    }

    fn idempotency_key(&self) -> Result<Option<Key>> {
        if self.endpoint.verb != Verb::Post {
            return Ok(None);
        }
        let (Some(key), Some(caller)) = (self.header("Idempotency-Key"), &self.caller) else { return Ok(None) };
        let mut hash = Sha256::new();
        hash.update(self.path);
        hash.update([0]);
        hash.update(self.body_hash);
        Key::new(caller.credential_id(), key, hash.finalize().into()).map(Some)
    }
}

/// Whether a write is more than one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    No,
    Yes,
    /// And what the first ones saw must still hold at the end.
    Consistent,
}

impl Many {
    fn isolation(self) -> crate::db::Isolation {
        match self {
            Many::Consistent => crate::db::Isolation::RepeatableRead,
            _ => crate::db::Isolation::ReadCommitted,
        }
    }
}

/// Runs statements as a user who sees only their own rows, if there is one, and then as before.
fn as_user<T>(
    transaction: &mut Transaction<'_>,
    user: Option<Uuid>,
    act: &mut impl FnMut(&mut dyn Statements) -> Result<T>,
) -> Result<T> {
    let Some(user) = user else { return act(transaction) };
    transaction.one(&sql!("db/act_as"), &[&user.to_string(), &"authenticated_users"])?;
    let value = act(transaction)?;
    transaction.one(&sql!("db/act_as"), &[&"", &"none"])?;
    Ok(value)
}

fn add(time: &Cell<Duration>, since: Instant) {
    time.set(time.get() + since.elapsed());
}

fn malformed(message: &str) -> Error {
    Error::new(Code::MalformedRequest, message)
}
