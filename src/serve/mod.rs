//! The server: what is started, in which order, and how it all ends.
//!
//! First the configuration; the embedded database, where no other is configured; the pools; the HTTP server, which answers
//! from now on; and migrations, as soon as the database can be reached. The end is the same backwards.

mod log_lines;
mod notify;
mod prepare;
mod table;
mod running;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::config::{Address, Config};
use crate::db::{Cluster, cluster};
use crate::error::{Error, Result};
use notify::Notifier;
pub use running::Running;
pub use table::{described, endpoints};

/// Serves until a signal says that it is enough.
pub fn serve(config: &Config) -> Result<()> {
    log_lines::start(config);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])
        .map_err(|error| Error::internal("signals cannot be handled").because(error))?;
    if let Some(others) = &config.others {
        log::info!("{others}");
    }
    // Before anything is started for it.
    if let Some(missing) = config.what_is_missing() {
        return Err(Error::internal(missing));
    }
    let (cluster, address) = open_database(config)?;
    let running = match Running::start(config, &address) {
        Ok(running) => running,
        // What was started for this server ends with it.
        Err(error) => {
            cluster.map_or(Ok(()), Cluster::stop)?;
            return Err(error);
        }
    };
    let notifier = Notifier::from_environment();
    let watchdog = notifier.start_watchdog(running.address());
    notifier.ready();

    log::info!("{}: stopping", wait_for_end(&mut signals));
    notifier.stopping();
    running.stop(config.duration("SHUTDOWN_TIMEOUT"));
    drop(watchdog);
    if let Some(cluster) = cluster {
        cluster.stop()?;
    }
    log::info!("stopped");
    Ok(())
}

/// Waits for a signal that ends the server, and answers what it means. Any other would end it as well, out of order, if
/// nobody waited for it.
fn wait_for_end(signals: &mut Signals) -> &'static str {
    for signal in signals.forever() {
        match signal {
            SIGINT => return "interrupted",
            SIGHUP => return "the terminal was closed (SIGHUP; settings are read at the start only)",
            SIGQUIT => return "told to stop (SIGQUIT)",
            SIGUSR1 => log::info!("SIGUSR1: there is no file to open anew, the log goes to standard error"),
            SIGUSR2 => log::info!("SIGUSR2: nothing is done on this signal"),
            _ => break,
        }
    }
    "told to stop"
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
