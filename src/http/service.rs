//! The way of a request: from the socket to its endpoint, and back as a reply, a line in the log, and nothing else.

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tiny_http::{Header, Method, Request, Response};

use super::call::{Call, Source, Timing};
use super::caller::Caller;
use super::client::client;
use super::compress;
use super::cors::Cors;
use super::endpoint::{Access, Endpoint, Limit, Verb};
use super::log::{Exchange, log_error};
use super::query::Query;
use super::rate_limit::{RateLimits, Rates, Who};
use super::reply::{Body, Reply};
use super::router::Router;
use super::traffic::Traffic;
use crate::config::Networks;
use crate::db::Database;
use crate::error::{Code, Error, Result};
use crate::request_id::RequestId;

/// What a client showed to be admitted.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    ApiKey(&'a str),
    Token(&'a str),
}

/// Finds out who shows these credentials.
pub type Admission = Box<dyn Fn(Credentials<'_>) -> Result<Arc<Caller>> + Send + Sync>;

/// Is told of each request when its reply has been sent. The thread that answers requests waits for it.
pub type Observer = Box<dyn Fn(&Exchange) + Send + Sync>;

/// How a service is made.
pub struct ServiceOptions {
    pub database: Database,
    pub endpoints: Vec<Endpoint>,
    pub admission: Admission,
    pub rates: Rates,
    pub proxies: Networks,
    pub cors: Cors,
    pub logs_json: bool,
    pub observer: Option<Observer>,
}

/// Everything that answers requests.
pub struct Service {
    database: Database,
    router: Router,
    admission: Admission,
    limits: RateLimits,
    proxies: Networks,
    cors: Cors,
    logs_json: bool,
    observer: Option<Observer>,
    traffic: Traffic,
}

/// Longer user agents are cut.
const USER_AGENT_MAX: usize = 512;

impl Service {
    pub fn new(options: ServiceOptions) -> Result<Service> {
        let router = Router::new(options.endpoints)?;
        Ok(Service {
            database: options.database,
            traffic: Traffic::new(router.endpoints()),
            router,
            admission: options.admission,
            limits: RateLimits::new(options.rates),
            proxies: options.proxies,
            cors: options.cors,
            logs_json: options.logs_json,
            observer: options.observer,
        })
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    pub fn router(&self) -> &Router {
        &self.router
    }

    /// What has been counted of requests.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Answers a request. A panic is this request's failure, and nobody else's.
    pub fn handle(&self, mut request: Request) {
        let start = Instant::now();
        self.traffic.begin();
        let request_id = RequestId::new(request.header("X-Request-Id"));
        let address = client(&self.proxies, &request);
        let timing = Timing::default();
        let mut exchange = Exchange::new(request_id, address, request.method());
        if self.observer.is_some() {
            exchange.user_agent = user_agent(&request);
        }
        let answer = AssertUnwindSafe(|| self.answer(&mut request, address, &timing, &mut exchange));
        let result = catch_unwind(answer).unwrap_or_else(|panic| Err(Error::internal(panic_message(&*panic))));
        let reply = result.unwrap_or_else(|error| {
            log_error(&error, &exchange);
            Reply::problem(&error, &request_id)
        });
        let reply = self.cors.allow(&request, reply);
        exchange.status = reply.status;
        let sent = send(request, reply, &request_id, &timing, start);
        exchange.finish(sent, start.elapsed());
        self.traffic.end(exchange.place, exchange.status, exchange.duration);
        exchange.log(self.logs_json);
        if let Some(observer) = &self.observer {
            observer(&exchange);
        }
    }

    fn answer(
        &self,
        request: &mut Request,
        address: Option<IpAddr>,
        timing: &Timing,
        exchange: &mut Exchange,
    ) -> Result<Reply> {
        let target = request.target().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if let Some(reply) = self.cors.preflight(request) {
            return Ok(reply);
        }
        let verb = Verb::of(request.method());
        let (endpoint, values) = match self.router.find(verb, path) {
            Err(error) if *request.method() == Method::Options && error.code == Code::MethodNotAllowed => {
                let allow = error.headers.into_iter().find(|(name, _)| *name == "Allow");
                return Ok(Reply::empty(204).header("Allow", allow.map_or(String::new(), |(_, value)| value)));
            }
            result => result?,
        };
        exchange.endpoint = endpoint.label;
        exchange.place = Some(endpoint.place);
        let start = Instant::now();
        let caller = self.admit(request, endpoint, address)?;
        timing.auth.set(start.elapsed());
        exchange.caller = caller.clone();
        if endpoint.limit != Limit::None {
            // Whoever tries to get in is nobody yet, whatever else they show.
            let who = match endpoint.limit {
                Limit::Login => Who::address(address),
                _ => Who::of(caller.as_deref(), address),
            };
            self.limits.charge(endpoint.limit, who)?;
        }
        permit(endpoint, caller.as_deref())?;
        let mut call = Call {
            service: self,
            endpoint,
            path,
            values,
            query: Query::parse(query)?,
            caller,
            request_id: exchange.request_id,
            address,
            user_agent: user_agent(request),
            source: Source::Request(request),
            outer: None,
            timing,
            body_hash: [0; 32],
        };
        if endpoint.verb != Verb::Get && !endpoint.is_write && call.preferences()?.is_trial {
            // Elsewhere a preference may be ignored. Here somebody would think that nothing has happened.
            let message = format!("{} cannot be tried: it does not know Prefer: tx=rollback", endpoint.label);
            return Err(Error::new(Code::MalformedRequest, message));
        }
        (endpoint.handler)(&mut call)
    }

    /// Who is calling. An endpoint for everybody does not care, and does not fail for wrong credentials.
    fn admit(&self, request: &Request, endpoint: &Endpoint, address: Option<IpAddr>) -> Result<Option<Arc<Caller>>> {
        if endpoint.access == Access::Public {
            return Ok(None);
        }
        let Some(credentials) = credentials(request)? else {
            // Those who try without end are as welcome as those who guess.
            self.limits.charge(Limit::General, Who::address(address))?;
            let message = "show an API key (X-API-Key) or an access token (Authorization: Bearer)";
            return Err(Error::new(Code::MissingApiKey, message));
        };
        match (self.admission)(credentials) {
            Ok(caller) => Ok(Some(caller)),
            Err(error) => {
                if error.code.status() == 401 {
                    self.limits.charge(Limit::General, Who::address(address))?;
                }
                Err(error)
            }
        }
    }
}

/// Whether a caller may call an endpoint; the error says what is missing.
pub(super) fn permit(endpoint: &Endpoint, caller: Option<&Caller>) -> Result<()> {
    let Some(permission) = endpoint.permission() else { return Ok(()) };
    if caller.is_some_and(|caller| caller.may(permission)) {
        return Ok(());
    }
    let message = format!("{} needs the permission {}", endpoint.label, permission.name);
    Err(Error::new(Code::InsufficientPermissions, message))
}

/// The API key or token of a request.
fn credentials(request: &Request) -> Result<Option<Credentials<'_>>> {
    if let Some(key) = request.header("X-API-Key") {
        return Ok(Some(Credentials::ApiKey(key.trim())));
    }
    let Some(header) = request.header("Authorization") else { return Ok(None) };
    match header.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => {
            let token = token.trim();
            Ok(Some(if token.starts_with("ctm_") { Credentials::ApiKey(token) } else { Credentials::Token(token) }))
        }
        _ => Err(Error::new(Code::InvalidToken, "Authorization must be Bearer and a token or an API key")),
    }
}

fn user_agent(request: &Request) -> String {
    request.header("User-Agent").unwrap_or_default().chars().take(USER_AGENT_MAX).collect()
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("for no known reason"))
}

/// Sends a reply, and answers how many bytes its body had.
fn send(request: Request, reply: Reply, request_id: &RequestId, timing: &Timing, start: Instant) -> io::Result<usize> {
    let (kind, body) = match reply.body {
        Body::Empty => (None, Vec::new()),
        Body::Json(text) => (Some("application/json"), text.into_bytes()),
        Body::Text(kind, text) => (Some(kind), text.into_bytes()),
    };
    let compressed = compress::gzip(request.header("Accept-Encoding"), &body);
    let is_compressed = compressed.is_some();
    let body = compressed.unwrap_or(body);
    let length = body.len();
    let has_body = kind.is_some();
    let mut headers: Vec<Header> = Vec::with_capacity(8 + reply.headers.len());
    let mut add = |name: &str, value: &str| headers.extend(Header::from_bytes(name, value));
    if let Some(kind) = kind {
        add("Content-Type", kind);
        add("X-Content-Type-Options", "nosniff");
    }
    if is_compressed {
        add("Content-Encoding", "gzip");
    }
    if length >= 1024 {
        add("Vary", "Accept-Encoding");
    }
    for (name, value) in &reply.headers {
        add(name, value);
    }
    if !reply.headers.iter().any(|(name, _)| *name == "Cache-Control") {
        add("Cache-Control", "no-store");
    }
    add("X-Request-Id", request_id.as_str());
    add("Server-Timing", &server_timing(timing, start.elapsed()));
    let data_length = if has_body || reply.status >= 200 { Some(length) } else { None };
    let response = Response::new(reply.status.into(), headers, io::Cursor::new(body), data_length, None);
    // All of it is here already: whoever reads it may know how long it is.
    let response = response.with_chunked_threshold(usize::MAX);
    request.respond(response).map(|()| length)
}

fn server_timing(timing: &Timing, total: Duration) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    // The time in the pool is not time in the database, though it passes meanwhile.
    format!(
        "auth;dur={:.3}, pool;dur={:.3}, db;dur={:.3}, total;dur={:.3}",
        ms(timing.auth.get()),
        ms(timing.pool.get()),
        ms(timing.database.get()),
        ms(total)
    )
}
