//! The server: what is started, in which order, and how it all ends.
//!
//! First the configuration; the embedded database, where no other is configured; the pools; the HTTP server, which answers
//! from now on; and migrations, as soon as the database can be reached. The end is the same backwards.

mod health;
mod notify;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tiny_http::{ConfigListenAddr, Limits, Server, ServerConfig};

use crate::config::{Address, Config};
use crate::db::{Cluster, Database, Dialer, cluster};
use crate::error::{Error, Result};
use crate::migrate::{self, Event, Migrations, Options, Source};
use health::{Health, Progress};
use notify::Notifier;

/// The first and the longest pause between attempts to reach the database.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Fewer threads are not worth saving.
const THREADS_MIN: u32 = 16;

/// Serves until a signal says that it is enough.
pub fn serve(config: &Config) -> Result<()> {
    start_log(config);
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| Error::internal("signals cannot be handled").because(error))?;
    let start = Instant::now();
    let (cluster, address) = open_database(config)?;
    let database = Database::open(config, &address)?;
    let migrations = Source::configured(config).read()?;
    let health = Arc::new(Health::new(database.clone(), config.boolean("DB_HEALTH_CHECK_ENABLED") != Some(false)));
    let server = Arc::new(listen(config)?);
    let listening = server.server_addr();
    let threads = start_threads(config, &database, &server, &health)?;
    log::info!("listening on http://{listening} with {} threads, in {} ms", threads.len(), start.elapsed().as_millis());

    let notifier = Notifier::from_environment();
    let watchdog = notifier.start_watchdog(listening.to_ip());
    let migrator = {
        let (config, health) = (config.clone(), health.clone());
        spawn("migrator", move || prepare(&config, &address, &migrations, &health))?
    };
    notifier.ready();

    let signal = signals.forever().next();
    log::info!("{}: stopping", if signal == Some(SIGINT) { "interrupted" } else { "told to stop" });
    notifier.stopping();
    health.stop();
    let cut = server.shutdown(config.duration("SHUTDOWN_TIMEOUT"));
    if cut > 0 {
        log::warn!("{cut} requests were cut: they took longer than SHUTDOWN_TIMEOUT");
    }
    drop(watchdog);
    for thread in threads.into_iter().chain([migrator]) {
        // A thread that panicked has said so.
        let _ = thread.join();
    }
    drop((health, database));
    if let Some(cluster) = cluster {
        cluster.stop()?;
    }
    log::info!("stopped");
    Ok(())
}

fn start_log(config: &Config) {
    let level = config.text("LOG_LEVEL").unwrap_or("info");
    // The driver prints statements with their parameters at its lower levels.
    let filter = format!("{level},tokio_postgres=warn,postgres=warn,r2d2=off");
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&filter).format_timestamp_millis();
    // Only the first logger of a process counts, and there is none before this.
    let _ = builder.try_init();
}

/// The configured database, or the embedded one, running.
fn open_database(config: &Config) -> Result<(Option<Cluster>, Address)> {
    if let Some(address) = Address::primary(config).map_err(Error::internal)? {
        log::info!("the database is {address}");
        return Ok((None, address));
    }
    let data = cluster::data_folder(config, &mut |text| log::info!("{text}"))?;
    let cluster = Cluster::open(&data, &mut |text| log::info!("{text}"))?;
    let address = cluster.address();
    log::info!("the database is embedded, in {}", data.display());
    Ok((Some(cluster), address))
}

fn listen(config: &Config) -> Result<Server> {
    let place = (config.text("HOST").unwrap_or("127.0.0.1"), config.integer("PORT") as u16);
    let failed = |reason: String| {
        Error::internal(format!("cannot listen on {}:{}: {reason}; HOST and PORT say where", place.0, place.1))
    };
    let addr = ConfigListenAddr::from_socket_addrs(place).map_err(|error| failed(error.to_string()))?;
    let limits = Limits { continue_early: true, ..Limits::default() };
    Server::with_limits(ServerConfig { addr, ssl: None }, limits).map_err(|error| failed(error.to_string()))
}

fn start_threads(
    config: &Config,
    database: &Database,
    server: &Arc<Server>,
    health: &Arc<Health>,
) -> Result<Vec<JoinHandle<()>>> {
    let count = config.maybe_integer("SERVER_THREADS");
    let count = count.unwrap_or_else(|| (database.connections_max() * 2).max(THREADS_MIN));
    let handle = |index| {
        let (server, health) = (server.clone(), health.clone());
        spawn(&format!("http-{index}"), move || {
            for request in server.incoming_requests() {
                // A panic is this request's failure, and nobody else's: it is answered 500 when it is dropped.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| health.answer(request)));
            }
        })
    };
    (0..count).map(handle).collect()
}

fn spawn(name: &str, act: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(act)
        .map_err(|error| Error::internal("no thread can be started").because(error))
}

/// Waits for the database and brings it to the version of this program, or sees whether it is there.
fn prepare(config: &Config, address: &Address, migrations: &Migrations, health: &Health) {
    let mut pause = RETRY_MIN;
    let mut last = String::new();
    loop {
        let error = match try_prepare(config, address, migrations, health) {
            Ok(()) => return,
            Err(error) => error,
        };
        let message = error.to_string();
        health.set(Progress::Waiting(message.clone()));
        if message != last {
            log::error!("not ready: {message}");
            last = message;
        }
        if health.wait_for_stop(pause) {
            return;
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
}

fn try_prepare(config: &Config, address: &Address, migrations: &Migrations, health: &Health) -> Result<()> {
    let options = [("timezone", "UTC".to_owned()), ("statement_timeout", "0".to_owned())];
    let dialer = Dialer::new(address, "mainstay/migrate", &options, config.duration("DB_CONNECT_TIMEOUT"))?;
    let mut client = dialer.dial_unguarded()?;
    if config.auto_migrates() {
        health.set(Progress::Migrating);
        let outcome = migrate::migrate(&mut client, migrations, &Options::default(), &mut log_event)?;
        let version = outcome.version.map_or("none".to_owned(), |version| version.to_string());
        log::info!("the database is at version {version}");
    } else {
        let status = migrate::status(&mut client, migrations)?;
        if status.pending > 0 || !status.problems.is_empty() {
            let count = status.pending;
            return Err(Error::database_unavailable(format!(
                "{count} migrations are pending: run `mainstay migrate`, or set DB_AUTO_MIGRATE=true"
            )));
        }
    }
    health.set(Progress::Ready);
    log::info!("ready");
    Ok(())
}

fn log_event(event: Event) {
    match event {
        Event::Warning(warning) => log::warn!("{warning}"),
        Event::Waiting { .. } => log::info!("waiting for another migrator"),
        Event::Starting { .. } => {}
        Event::Retrying { file, reason, .. } => log::warn!("{file}: {reason}; trying again"),
        Event::DroppedInvalidIndex { file, index } => log::warn!("{file}: dropped the INVALID index {index}"),
        Event::Applied { file, execution_ms, .. } => log::info!("applied {file} ({execution_ms} ms)"),
        Event::RolledBack { file, execution_ms, .. } => log::info!("rolled back {file} ({execution_ms} ms)"),
    }
}
