//! The way of a request: from the socket to its endpoint, and back as a reply, a line in the log, and nothing else.

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tiny_http::{Method, Request, Server};

use super::afterwards::Afterwards;
use super::call::{Call, Source, Timing};
use super::caller::Caller;
use super::client::client;
use super::cors::Cors;
use super::credentials::{Credentials, credentials};
use super::endpoint::{Access, Endpoint, Limit, Verb};
use super::log::{Exchange, log_error};
use super::memory::Memory;
use super::query::Query;
use super::rate_limit::{RateLimits, Rates, Standing, Who};
use super::reply::Reply;
use super::router::{PathValues, Router};
use super::send::send;
use super::together::Company;
use super::traffic::Traffic;
use super::visit::Visit;
use super::waiting::{Bell, Due, FULL_PAUSE, NoWait, Wait};
use crate::config::Networks;
use crate::db::Database;
use crate::error::{Code, Error, Result};
use crate::request_id::RequestId;

/// Finds out who shows these credentials.
///
/// Before it asks the database, it asks whether it may: that is for whoever has not guessed too often.
pub type Admission = Box<dyn Fn(Credentials<'_>, &dyn Fn() -> Result<()>) -> Result<Arc<Caller>> + Send + Sync>;

/// Is told of each request when its reply has been sent. The thread that answers requests waits for it.
pub type Observer = Box<dyn Fn(Exchange) + Send + Sync>;

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
    /// What is answered while the database is away.
    pub memory: Arc<Memory>,
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
    memory: Arc<Memory>,
}

/// Paths that lead nowhere are cut in the log.
const LOGGED_PATH_MAX: usize = 200;
/// Longer user agents are cut.
const USER_AGENT_MAX: usize = 512;
/// What the log and the figures say of a request that waited until its client went away, as nginx does. Nobody is sent it.
const CLIENT_GONE: u16 = 499;

impl Service {
    pub fn new(options: ServiceOptions) -> Result<Service> {
        let router = Router::new(options.endpoints)?;
        let place = |label: &str| router.endpoints().iter().position(|endpoint| endpoint.label == label);
        let limits = RateLimits::new(options.rates, place)?;
        Ok(Service {
            database: options.database,
            traffic: Traffic::new(router.endpoints()),
            router,
            admission: options.admission,
            limits,
            proxies: options.proxies,
            cors: options.cors,
            logs_json: options.logs_json,
            observer: options.observer,
            memory: options.memory,
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

    /// Answers the requests of a server until it is shut down, one after the other.
    pub fn serve(&self, server: &Server) {
        for request in server.incoming_requests() {
            self.proceed(self.arrive(request), Some(server));
        }
    }

    /// A request at the beginning of its way.
    pub(super) fn arrive(&self, request: Request) -> Visit {
        self.traffic.begin();
        let request_id = RequestId::new(request.header("X-Request-Id"));
        let mut exchange = Exchange::new(request_id, client(&self.proxies, &request), request.method());
        if self.observer.is_some() {
            exchange.user_agent = user_agent(&request).to_owned();
        }
        Visit {
            request,
            exchange,
            timing: Timing::default(),
            afterwards: Afterwards::default(),
            start: Instant::now(),
            may_wait: true,
            parked: None,
            waited: Duration::ZERO,
        }
    }

    /// Goes on with requests that have waited at a bell, until it is closed and nobody waits any more.
    pub fn attend(&self, bell: &Bell) {
        while let Some(due) = bell.next() {
            self.traffic.resume();
            match due {
                Due::Again(mut visit) => {
                    visit.has_waited();
                    self.proceed(*visit, None);
                }
                Due::Gone(mut visit) => {
                    visit.has_waited();
                    let Visit { request, mut exchange, start, waited, .. } = *visit;
                    drop(request);
                    exchange.status = CLIENT_GONE;
                    self.conclude(exchange, Ok(0), start, waited);
                }
            }
        }
    }

    /// Answers a request, or lets it wait. Others of its server may be answered with it.
    fn proceed(&self, mut visit: Visit, server: Option<&Server>) {
        let mut company = Company::new();
        let result = loop {
            let wait = match caught(|| self.answer(&mut visit, server, &mut company)) {
                Ok((_, Some(wait))) => wait,
                result => break result.map(|(reply, _)| reply),
            };
            visit.parked = Some(Instant::now());
            self.traffic.pause();
            let Err((back, reason)) = wait.bell.park(Box::new(visit), &wait) else { return };
            self.traffic.resume();
            visit = *back;
            visit.has_waited();
            match reason {
                NoWait::Rung => {}
                NoWait::Closed => visit.may_wait = false,
                NoWait::Full => {
                    let message = "as many requests wait here as may; ask without wait= until there is room again";
                    break Err(Error::new(Code::RateLimitExceeded, message).retry_after(FULL_PAUSE));
                }
            }
        };
        self.finish(visit, result);
        for (visit, result) in company {
            self.finish(visit, result);
        }
    }

    /// Sends what became of a request.
    fn finish(&self, visit: Visit, result: Result<Reply>) {
        let Visit { request, mut exchange, timing, afterwards, start, waited, .. } = visit;
        let reply = result.unwrap_or_else(|error| {
            log_error(&error, &exchange);
            Reply::problem(&error, &exchange.request_id)
        });
        let mut reply = self.cors.allow(&request, reply);
        for (name, value) in exchange.standing.into_iter().flat_map(Standing::headers) {
            reply = reply.header(name, value);
        }
        exchange.status = reply.status;
        // Where somebody is who they say, the time may be told. Strangers would learn from it who has an account.
        let timing = exchange.caller.as_ref().map(|_| &timing);
        let (request_id, endpoint) = (exchange.request_id, exchange.endpoint);
        let sent = send(request, reply, &request_id, timing, start);
        self.conclude(exchange, sent, start, waited);
        if let Some(work) = afterwards.take()
            && let Err(error) = caught(|| work(self))
        {
            log::error!("request {request_id}: {endpoint}, after the reply: {error}");
        }
    }

    /// Counts and writes down what became of a request. That it waited for a change is no delay, and none of its time.
    fn conclude(&self, mut exchange: Exchange, sent: io::Result<usize>, start: Instant, waited: Duration) {
        exchange.finish(sent, start.elapsed());
        self.traffic.end(exchange.place, exchange.status, exchange.duration.saturating_sub(waited));
        exchange.is_noted = self.traffic.is_noted(&exchange);
        if exchange.is_noted {
            exchange.log(self.logs_json);
        }
        if let Some(observer) = &self.observer {
            observer(exchange);
        }
    }

    /// What the endpoint answers, and what the request should wait for instead, if it should.
    fn answer(
        &self,
        visit: &mut Visit,
        server: Option<&Server>,
        company: &mut Company,
    ) -> Result<(Reply, Option<Wait>)> {
        let Visit { request, exchange, .. } = visit;
        let address = exchange.address;
        let target = request.target().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if let Some(reply) = self.cors.preflight(request) {
            return Ok((reply, None));
        }
        let verb = Verb::of(request.method());
        let (endpoint, values) = match self.router.find(verb, path) {
            Err(error) if *request.method() == Method::Options && error.code == Code::MethodNotAllowed => {
                let allow = error.headers.into_iter().find(|(name, _)| *name == "Allow");
                let allow = allow.map_or(String::new(), |(_, value)| value);
                return Ok((Reply::empty(204).header("Allow", allow), None));
            }
            Err(error) => {
                exchange.nowhere = path.chars().take(LOGGED_PATH_MAX).collect();
                // Those who look for what is not there pay for it as for anything else.
                exchange.standing = self.limits.charge(Limit::General, Who::address(address))?;
                return Err(error);
            }
            Ok(found) => found,
        };
        exchange.endpoint = endpoint.label;
        exchange.place = Some(endpoint.place);
        let asked = match endpoint.is_remembered {
            true => self.memory.asked(&target, endpoint.label, credentials(request)?),
            false => None,
        };
        let Some(asked) = asked else {
            let mut call = self.open(visit, endpoint, path, values, query)?;
            let reply = self.answer_together(&mut call, server, company)?;
            return Ok((reply, call.wait.take()));
        };
        // Nobody waits for what is known to be away.
        if self.memory.is_away()
            && let Some(reply) = self.memory.recall(&asked)
        {
            self.limits.charge(Limit::General, Who::address(address))?;
            return Ok((reply, None));
        }
        let opened = self.open(visit, endpoint, path, values, query);
        match opened.and_then(|mut call| Ok(((endpoint.handler)(&mut call)?, call.wait.take()))) {
            Ok((reply, None)) => match &visit.exchange.caller {
                Some(caller) => Ok((self.memory.keep(asked, caller, reply), None)),
                None => Ok((reply, None)),
            },
            Err(error) if is_away(&error) => self.memory.recall(&asked).map(|reply| (reply, None)).ok_or(error),
            result => result,
        }
    }

    /// Admits the caller of an endpoint.
    pub(super) fn open<'a>(
        &'a self,
        visit: &'a mut Visit,
        endpoint: &'a Endpoint,
        path: &'a str,
        values: PathValues<'a>,
        query: &'a str,
    ) -> Result<Call<'a, 'a>> {
        let Visit { request, exchange, timing, afterwards, start: arrival, may_wait, parked, .. } = visit;
        let address = exchange.address;
        let start = Instant::now();
        let caller = self.admit(request, endpoint, address)?;
        timing.auth.set(start.elapsed());
        exchange.caller = caller.clone();
        if endpoint.limit != Limit::None && parked.is_none() {
            // Whoever tries to get in is nobody yet, whatever else they show.
            let who = match endpoint.limit {
                Limit::Login => Who::address(address),
                _ => Who::of(caller.as_deref(), address),
            };
            let standing = self.limits.charge(endpoint.limit, who.clone())?;
            exchange.standing = self.limits.charge_endpoint(endpoint.place, who)?.or(standing);
        }
        permit(endpoint, caller.as_deref())?;
        let call = Call {
            service: self,
            endpoint,
            path,
            values,
            query: Query::parse(query)?,
            caller,
            request_id: exchange.request_id,
            address,
            source: Source::Request(request),
            outer: None,
            timing,
            afterwards,
            body_hash: [0; 32],
            weight: None,
            arrival: *arrival,
            may_wait: *may_wait,
            wait: None,
            found: None,
        };
        if endpoint.verb != Verb::Get && !endpoint.is_write && call.preferences()?.is_trial {
            // Elsewhere a preference may be ignored. Here somebody would think that nothing has happened.
            let message = format!("{} cannot be tried: it does not know Prefer: tx=rollback", endpoint.label);
            return Err(Error::new(Code::MalformedRequest, message));
        }
        Ok(call)
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
        let may_ask = || self.limits.check(Limit::General, Who::address(address));
        match (self.admission)(credentials, &may_ask) {
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

/// Whether an error says that the database does not answer.
pub(super) fn is_away(error: &Error) -> bool {
    matches!(error.code, Code::DatabaseUnavailable | Code::PoolExhausted | Code::QueryTimeout)
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

/// Headers are ASCII, and may be cut anywhere.
pub(super) fn user_agent(request: &Request) -> &str {
    let agent = request.header("User-Agent").unwrap_or_default();
    agent.get(..USER_AGENT_MAX).unwrap_or(agent)
}

/// What a handler comes to. A panic is its own request's failure, and nobody else's.
pub(super) fn caught<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| Err(Error::internal(panic_message(&*panic))))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("for no known reason"))
}
