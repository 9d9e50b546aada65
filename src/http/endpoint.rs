//! An endpoint: one line of the table that routes, authorises, limits, labels metrics and makes the OpenAPI document.

use std::fmt;
use std::sync::Arc;

use postgres::Row;
use serde_json::{Map, Value};
use tiny_http::Method;
use uuid::Uuid;

use super::call::Call;
use super::caller::Permission;
use super::reply::Reply;
use crate::db::Which;
use crate::error::{Code, Result};
use crate::fields::{Field, Mode};

/// The methods that endpoints have; HEAD is a GET whose body is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub const ALL: [Verb; 5] = [Verb::Get, Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];

    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }

    pub fn of(method: &Method) -> Option<Verb> {
        match method {
            Method::Get | Method::Head => Some(Verb::Get),
            Method::Post => Some(Verb::Post),
            Method::Put => Some(Verb::Put),
            Method::Patch => Some(Verb::Patch),
            Method::Delete => Some(Verb::Delete),
            _ => None,
        }
    }

    pub fn parse(name: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.name() == name)
    }
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Everybody who has been admitted.
    SignedIn,
    Permission(Permission),
}

/// Which of the rate limits counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    General,
    /// For what guessers try: logins and their kin.
    Login,
    None,
}

/// What a reply has.
#[derive(Debug, Clone)]
pub enum Output {
    /// No body.
    Nothing,
    /// An object with these fields.
    Object(Vec<Field>),
    /// A page of such objects.
    Page(Vec<Field>),
    /// JSON of another shape, as a JSON Schema.
    Json(serde_json::Value),
    /// Text of this type.
    Text(&'static str),
}

/// A parameter in the query string, for the document; the handler reads it.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// `metadata.*` is every name that begins so. OpenAPI has no words for that; TypeScript has.
    pub name: String,
    pub help: String,
    pub schema: serde_json::Value,
    pub is_required: bool,
}

impl Parameter {
    /// One that may be left out.
    pub fn new(name: impl Into<String>, help: impl Into<String>, schema: serde_json::Value) -> Parameter {
        Parameter { name: name.into(), help: help.into(), schema, is_required: false }
    }

    pub fn required(mut self) -> Parameter {
        self.is_required = true;
        self
    }
}

/// Makes the parameters when the document is made: they are many, and nobody needs them before.
pub type Parameters = Box<dyn Fn() -> Vec<Parameter> + Send + Sync>;

pub type Handler = Box<dyn Fn(&mut Call<'_, '_>) -> Result<Reply> + Send + Sync>;

/// Reads the rows of several ids by one statement, for requests that are answered together; each has its row or none, in
/// the order of the ids. The handler of each then finds it with [`Call::take_found`].
pub type Together = Box<dyn Fn(&mut Call<'_, '_>, &[Uuid]) -> Result<Vec<Option<Row>>> + Send + Sync>;

/// What no field says of itself, and no row needs to be read for: so it is looked at before a transaction begins, in a batch
/// as well. It may also change the body, as where a password becomes its hash.
pub type Check = Arc<dyn Fn(&mut Map<String, Value>) -> Result<()> + Send + Sync>;

pub struct Endpoint {
    pub verb: Verb,
    /// `/api/teams/{id}`
    pub path: String,
    /// `GET /api/teams/{id}`, for logs and metrics, from the router.
    pub label: &'static str,
    /// Its place in the table, from the router.
    pub(super) place: usize,
    pub access: Access,
    pub pool: Which,
    pub limit: Limit,
    pub summary: String,
    /// What the request's body has; none if it has no body.
    pub input: Option<(Vec<Field>, Mode)>,
    /// What else the body must keep to.
    pub check: Option<Check>,
    pub status: u16,
    pub output: Output,
    /// What input and output are called as types; empty where they are called after the endpoint.
    pub input_name: String,
    pub output_name: String,
    /// Other replies that are no errors, or errors that look like no other.
    pub others: Vec<(u16, Output)>,
    /// Errors beside those that follow from the rest of the declaration.
    pub codes: Vec<Code>,
    pub parameters: Parameters,
    /// Rows belong to users: others' are hidden by row-level security.
    pub is_guarded: bool,
    /// It follows `Prefer`, takes `Idempotency-Key` if it is a POST, and may be part of a batch: all that it changes
    /// goes through [`Call::write`].
    pub is_write: bool,
    /// Whether `If-Match` and `If-None-Match` mean something.
    pub has_version: bool,
    /// Whether `If-Match` is demanded.
    pub needs_match: bool,
    /// Whether its last good replies are kept, to be given while the database is away.
    pub is_remembered: bool,
    /// Bytes of its body.
    pub body_bytes_max: usize,
    /// Whether its handler needs the database.
    pub uses_database: bool,
    pub handler: Handler,
    /// How several of its requests are answered together. Its path ends with `{id}`.
    pub together: Option<Together>,
}

/// Bytes of a body, unless the endpoint takes longer ones.
const BODY_BYTES_MAX: usize = 1 << 20;

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb.name(), self.path)
    }
}

type Act<'a> = dyn Fn(&mut Call<'_, '_>) -> Result<Reply> + Send + Sync + 'a;

fn endpoint(verb: Verb, path: impl Into<String>, access: Access, handler: Box<Act<'static>>) -> Endpoint {
    Endpoint {
        verb,
        path: path.into(),
        label: "",
        place: 0,
        access,
        pool: Which::Primary,
        limit: Limit::General,
        summary: String::new(),
        input: None,
        check: None,
        status: 200,
        output: Output::Nothing,
        input_name: String::new(),
        output_name: String::new(),
        others: Vec::new(),
        codes: Vec::new(),
        parameters: Box::new(Vec::new),
        is_guarded: false,
        is_write: false,
        has_version: false,
        needs_match: false,
        is_remembered: false,
        body_bytes_max: BODY_BYTES_MAX,
        uses_database: true,
        handler,
        together: None,
    }
}

macro_rules! verbs {
    ($($name:ident $verb:ident)*) => { $(
        pub fn $name(
            path: impl Into<String>,
            access: Access,
            handler: impl Fn(&mut Call<'_, '_>) -> Result<Reply> + Send + Sync + 'static,
        ) -> Endpoint {
            endpoint(Verb::$verb, path, access, Box::new(handler))
        }
    )* };
}

verbs! { get Get post Post put Put patch Patch delete Delete }

impl Endpoint {
    pub fn summary(mut self, summary: impl Into<String>) -> Endpoint {
        self.summary = summary.into();
        self
    }

    pub fn pool(mut self, pool: Which) -> Endpoint {
        self.pool = pool;
        self
    }

    pub fn limit(mut self, limit: Limit) -> Endpoint {
        self.limit = limit;
        self
    }

    /// What the body must have; [`Call::input`] checks it.
    pub fn input(mut self, fields: Vec<Field>, mode: Mode) -> Endpoint {
        self.input = Some((fields, mode));
        self
    }

    /// What the body must keep to besides; [`Call::input`] checks it.
    pub fn check(mut self, check: Option<Check>) -> Endpoint {
        self.check = check;
        self
    }

    pub fn answers(mut self, status: u16, output: Output) -> Endpoint {
        self.status = status;
        self.output = output;
        self
    }

    /// What input and output are called as types; one may be empty. The same name is always the same type.
    pub fn named(mut self, input: impl Into<String>, output: impl Into<String>) -> Endpoint {
        self.input_name = input.into();
        self.output_name = output.into();
        self
    }

    /// Another reply that it may give.
    pub fn also(mut self, status: u16, output: Output) -> Endpoint {
        self.others.push((status, output));
        self
    }

    /// Errors that only the handler knows of.
    pub fn fails(mut self, codes: &[Code]) -> Endpoint {
        self.codes.extend_from_slice(codes);
        self
    }

    pub fn parameters(mut self, parameters: impl Fn() -> Vec<Parameter> + Send + Sync + 'static) -> Endpoint {
        self.parameters = Box::new(parameters);
        self
    }

    pub fn guarded(mut self, is_guarded: bool) -> Endpoint {
        self.is_guarded = is_guarded;
        self
    }

    pub fn writes(mut self) -> Endpoint {
        self.is_write = true;
        self
    }

    pub fn versioned(mut self) -> Endpoint {
        self.has_version = true;
        self
    }

    pub fn demands_match(mut self, needs_match: bool) -> Endpoint {
        self.needs_match = needs_match;
        self
    }

    pub fn together(
        mut self,
        read: impl Fn(&mut Call<'_, '_>, &[Uuid]) -> Result<Vec<Option<Row>>> + Send + Sync + 'static,
    ) -> Endpoint {
        self.together = Some(Box::new(read));
        self
    }

    /// While the database is away, it answers what it answered last.
    pub fn remembered(mut self) -> Endpoint {
        self.is_remembered = true;
        self
    }

    /// How long its body may be, if that is more than usual.
    pub fn body_bytes_max(mut self, bytes: usize) -> Endpoint {
        self.body_bytes_max = bytes;
        self
    }

    pub fn without_database(mut self) -> Endpoint {
        self.uses_database = false;
        self
    }

    /// What one must be allowed, if it is one permission.
    pub fn permission(&self) -> Option<Permission> {
        match self.access {
            Access::Permission(permission) => Some(permission),
            _ => None,
        }
    }

    /// The first word behind `/api/`: what the document groups by. What is elsewhere is about the service itself.
    pub fn collection(&self) -> &str {
        match self.path.strip_prefix("/api/") {
            Some(path) => path.split('/').next().unwrap_or_default(),
            None => "service",
        }
    }
}
