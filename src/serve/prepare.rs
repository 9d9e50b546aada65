//! What has to be done before the server is ready: the database reached, and brought to the version of this program.

use std::error::Error as _;
use std::time::Duration;

use postgres::Client;

use super::table::{Domains, stores};
use crate::config::Config;
use crate::db::{Database, Dialer, Purpose, Which};
use crate::entities::{self, Entities};
use crate::error::{Error, Result};
use crate::identity::first;
use crate::migrate::{self, Event, Migrations, Options};
use crate::ops::Progress;
use crate::sealing::settle;

/// The first and the longest pause between attempts to reach the database.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Waits for the database and brings it to the version of this program, or sees whether it is there; answers whether the
/// server is ready, and not to stop.
pub(super) fn prepare(config: &Config, database: &Database, migrations: &Migrations, domains: &Domains) -> bool {
    let health = &domains.health;
    let mut pause = RETRY_MIN;
    let mut last = String::new();
    loop {
        let error = match try_prepare(config, database, migrations, domains) {
            Ok(()) => return true,
            Err(error) => error,
        };
        let message = error.to_string();
        // What others have said, as PostgreSQL, names what is inside.
        health.set(Progress::Waiting { reason: message.clone(), is_harmless: error.source().is_none() });
        if message != last {
            log::error!("not ready: {message}");
            last = message;
        }
        if health.wait_for_stop(pause) {
            return false;
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
}

fn try_prepare(config: &Config, database: &Database, migrations: &Migrations, domains: &Domains) -> Result<()> {
    let health = &domains.health;
    let options = [("timezone", "UTC".to_owned()), ("statement_timeout", "0".to_owned())];
    let dialer = Dialer::new(database.address(), "mainstay/migrate", &options, config.duration("DB_CONNECT_TIMEOUT"))?;
    let mut client = dialer.dial_unguarded()?;
    let mut version = None;
    if config.auto_migrates() {
        health.set(Progress::Migrating);
        let outcome = migrate::migrate(&mut client, migrations, &Options::default(), &mut log_event)?;
        version = outcome.version;
        if !outcome.versions.is_empty() {
            database.renew();
        }
    } else {
        let status = migrate::status(&mut client, migrations)?;
        health.set_pending_migrations(status.pending as u32);
        if status.pending > 0 || !status.problems.is_empty() {
            let count = status.pending;
            return Err(Error::database_unavailable(format!(
                "{count} migrations are pending: run `mainstay migrate`, or set DB_AUTO_MIGRATE=true"
            )));
        }
    }
    prepare_entities(config, &mut client, &domains.entities)?;
    let purpose = Purpose { what: "first start", request: None };
    let mut session = database.session(Which::Background, purpose)?;
    // With a wrong key nothing could be delivered, and what is sealed from now on could not be opened by the others.
    settle(&domains.keys, &mut session, &stores(&domains.entities))?;
    first::ensure(config, &mut session)?;
    drop(session);
    health.set_pending_migrations(0);
    health.set(Progress::Ready);
    if let Some(version) = version {
        log::info!("the database is at version {version}");
    }
    log::info!("ready");
    Ok(())
}

/// Declared tables come after the migrations that they stand on. Where none are declared, and none were, nothing is asked.
fn prepare_entities(config: &Config, client: &mut Client, entities: &Entities) -> Result<()> {
    if entities.folder.is_none() {
        return Ok(());
    }
    match config.auto_migrates() {
        true => entities::migrate(client, entities, &Options::default(), &mut log_event).map(drop),
        false => entities::check(client, entities),
    }
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
