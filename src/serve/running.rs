//! A server that runs: its pools, its threads, and what it listens to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tiny_http::{ConfigListenAddr, Limits, Server, ServerConfig};

use super::prepare::prepare;
use super::table::{Domains, endpoints};
use crate::config::{Address, Config, Networks};
use crate::db::{Database, Dialer, Heard, Listener};
use crate::entities::Entities;
use crate::error::{Error, Result};
use crate::gateway::webhooks::{self, Deliverer};
use crate::gateway::{self, Gateway};
use crate::http::{Cors, Memory, Observer, Policy, Rates, Service, ServiceOptions};
use crate::identity;
use crate::migrate::Source;
use crate::telemetry::{Recorder, RecorderOptions};

/// Fewer threads are not worth saving.
const THREADS_MIN: u32 = 16;
/// Threads that answer requests which have waited: more than one, so that a client that is slow to take its answer keeps
/// nobody else from theirs.
const ATTENDANTS: u32 = 4;
/// How long what has been noted may take to be written when there is no time left for anything else.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Connections of one address that is no trusted proxy: a fifth of all.
const CONNECTIONS_PER_ADDRESS: usize = 2_000;
/// Bodies of more than a mebibyte that are collected or worked on at once.
const LARGE_BODIES: usize = 16;
/// How long a body may take to come: the largest needs two megabits a second for it.
const BODY_TIME: Duration = Duration::from_secs(120);
/// How often what is remembered is written to the disk, if it has changed.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// A server, until it is stopped.
pub struct Running {
    server: Arc<Server>,
    service: Arc<Service>,
    domains: Arc<Domains>,
    threads: Vec<JoinHandle<()>>,
    listener: Listener,
    recorder: Option<Arc<Recorder>>,
    deliverer: Arc<Deliverer>,
}

impl Running {
    /// Starts everything. The database may be away: the server answers, and is ready when it arrives.
    pub fn start(config: &Config, address: &Address) -> Result<Running> {
        let start = Instant::now();
        let database = Database::open(config, address)?;
        let migrations = Source::configured(config).read()?;
        let domains = Arc::new(Domains::new(config, &database, Entities::configured(config)?)?);
        let recorder = start_recorder(config, &database)?;
        let deliverer = Arc::new(Deliverer::start(domains.webhooks.clone(), database.clone())?);
        let folder = config.path("MAINSTAY_DATA").unwrap_or(Path::new("var")).to_owned();
        let memory = Arc::new(Memory::load(&folder));
        let proxies = Networks::parse(config.text("TRUSTED_PROXIES").unwrap_or_default()).map_err(Error::internal)?;
        let service = Arc::new(Service::new(ServiceOptions {
            memory: memory.clone(),
            endpoints: endpoints(config, &domains, recorder.as_ref(), Some(&deliverer)),
            admission: identity::admission(&domains.identity),
            rates: Rates {
                general: config.integer("RATE_LIMIT"),
                login: config.integer("RATE_LIMIT_LOGIN"),
                of_endpoints: Rates::parse(config.text("RATE_LIMITS").unwrap_or_default())?,
            },
            proxies: proxies.clone(),
            cors: Cors::new(config.text("CORS_ORIGINS").unwrap_or_default()),
            logs_json: config.text("LOG_FORMAT") == Some("json"),
            observer: recorder.clone().map(|recorder| Box::new(move |exchange| recorder.note(exchange)) as Observer),
            database: database.clone(),
        })?);
        let dialer = Dialer::new(address, "mainstay/listen", &[], config.duration("DB_CONNECT_TIMEOUT"))?;
        let (hearing, delivering, remembering) = (domains.clone(), deliverer.clone(), memory.clone());
        let listener =
            Listener::start(dialer, CHANNELS, move |heard| hear(heard, &hearing, &delivering, &remembering))?;
        let server = Arc::new(listen(config, Policy::new(service.clone(), proxies))?);
        let mut threads = start_threads(config, &database, &server, &service)?;
        let serving = threads.len();
        threads.extend(start_gateway(&domains.gateway, &service)?);
        log::info!(
            "listening on http://{} with {} threads, in {} ms",
            server.server_addr(),
            serving,
            start.elapsed().as_millis()
        );
        let (config, working, delivering) = (config.clone(), domains.clone(), deliverer.clone());
        let prepare_and_work = move || {
            if prepare(&config, &database, &migrations, &working) {
                delivering.begin();
                working.jobs.run(&database, |time| working.health.wait_for_stop(time));
            }
        };
        threads.push(spawn("background", prepare_and_work)?);
        threads.push(start_memory(&domains, memory, folder)?);
        Ok(Running { server, service, domains, threads, listener, recorder, deliverer })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.server_addr().to_ip()
    }

    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What writes access log and figures, unless both are switched off.
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_deref()
    }

    /// Stops: no new requests, those that run may finish within `time`, then everything else. What waits for a database
    /// that does not answer is given up then.
    pub fn stop(self, time: Duration) {
        self.domains.health.stop();
        self.service.database().end_by(Instant::now() + time + LAST_WORDS);
        // Those who wait for a change are answered now, as nobody else would do it in time.
        self.domains.gateway.stop();
        let cut = self.server.shutdown(time);
        if cut > 0 {
            log::warn!("{cut} requests were cut: they took longer than SHUTDOWN_TIMEOUT");
            self.service.database().give_up();
        }
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        drop(self.listener);
        self.deliverer.stop();
        // Nobody calls any more: what has been noted is written.
        drop(self.service);
        drop(self.recorder);
    }
}

/// What the database is listened to for.
const CHANNELS: &[&str] = &[identity::CHANNEL, gateway::CHANNEL, webhooks::CHANNEL];

/// Tells what the database says to whom it concerns.
fn hear(heard: Heard<'_>, domains: &Domains, deliverer: &Deliverer, memory: &Memory) {
    match heard {
        Heard::Said { channel: gateway::CHANNEL, .. } => domains.gateway.hear(heard),
        Heard::Said { channel: webhooks::CHANNEL, .. } => deliverer.hear(heard),
        Heard::Said { .. } => {
            domains.identity.hear(heard);
            memory.hear(heard);
        }
        Heard::Listening | Heard::Lost => {
            domains.identity.hear(heard);
            memory.hear(heard);
            domains.gateway.hear(heard);
            deliverer.hear(heard);
        }
    }
}

/// The thread that writes to the disk what is answered while the database is away; a last time at the end.
fn start_memory(domains: &Arc<Domains>, memory: Arc<Memory>, folder: PathBuf) -> Result<JoinHandle<()>> {
    let domains = domains.clone();
    spawn("memory", move || {
        while !domains.health.wait_for_stop(SAVE_EVERY) {
            memory.save(&folder);
        }
        memory.save(&folder);
    })
}

/// The thread that keeps the routes in memory right, and those that answer who has waited for a change.
fn start_gateway(gateway: &Arc<Gateway>, service: &Arc<Service>) -> Result<Vec<JoinHandle<()>>> {
    let keeping = gateway.clone();
    let mut threads = vec![spawn("routes", move || keeping.keep())?];
    for index in 0..ATTENDANTS {
        let (gateway, service) = (gateway.clone(), service.clone());
        threads.push(spawn(&format!("waiting-{index}"), move || service.attend(gateway.bell()))?);
    }
    Ok(threads)
}

/// What is to be recorded of requests, if anything is.
fn start_recorder(config: &Config, database: &Database) -> Result<Option<Arc<Recorder>>> {
    let options = RecorderOptions {
        notes_requests: config.boolean("ACCESS_LOG_TABLE") != Some(false),
        measures_every: Duration::from_secs(config.integer("METRICS_SECONDS").into()),
    };
    if !options.notes_requests && options.measures_every.is_zero() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Recorder::start(database.clone(), options)?)))
}

fn listen(config: &Config, policy: Policy) -> Result<Server> {
    let place = (config.text("HOST").unwrap_or("127.0.0.1"), config.integer("PORT") as u16);
    let failed = |reason: String| {
        Error::internal(format!("cannot listen on {}:{}: {reason}; HOST and PORT say where", place.0, place.1))
    };
    let addr = ConfigListenAddr::from_socket_addrs(place).map_err(|error| failed(error.to_string()))?;
    // A body that is too long is refused by the endpoint, in the API's own words, and is not read.
    let limits = Limits {
        connections_per_address: Some(CONNECTIONS_PER_ADDRESS),
        continue_early: true,
        body_bytes: u64::from(u32::MAX),
        large_bodies: LARGE_BODIES,
        body_time: BODY_TIME,
        policy: Some(Arc::new(policy)),
        ..Limits::default()
    };
    Server::with_limits(ServerConfig { addr, ssl: None }, limits).map_err(|error| failed(error.to_string()))
}

fn start_threads(
    config: &Config,
    database: &Database,
    server: &Arc<Server>,
    service: &Arc<Service>,
) -> Result<Vec<JoinHandle<()>>> {
    let count = config.maybe_integer("SERVER_THREADS");
    let count = count.unwrap_or_else(|| (database.connections_max() * 2).max(THREADS_MIN));
    let handle = |index| {
        let (server, service) = (server.clone(), service.clone());
        spawn(&format!("http-{index}"), move || service.serve(&server))
    };
    (0..count).map(handle).collect()
}

fn spawn(name: &str, act: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(act)
        .map_err(|error| Error::internal("no thread can be started").because(error))
}
