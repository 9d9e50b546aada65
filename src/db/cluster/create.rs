//! Making a database that does not exist yet.

use std::time::Duration;

use postgres::error::SqlState;

use super::{NAME, SUPERUSER};
use crate::config::Address;
use crate::db::{Connection, Dialer};
use crate::error::{Error, Result};

/// The database that every server has.
const FIRST: &str = "postgres";
const CONNECT: Duration = Duration::from_secs(10);
/// Copying the template takes a moment, and waits for whoever else is copying it.
const CREATE: Duration = Duration::from_secs(60);

/// Makes the database that an address names, on its server, if it does not exist; answers whether it did that.
pub fn create(address: &Address) -> Result<bool> {
    let name = address.name();
    let mut connection = connect(&address.with_name(FIRST))?;
    let query = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1";
    if connection.client().query_opt(query, &[&name])?.is_some() {
        return Ok(false);
    }
    let statement = format!("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", quoted(name));
    match connection.client().batch_execute(&statement) {
        Ok(()) => Ok(true),
        Err(error) => match error.code() {
            // Somebody else was quicker.
            Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION) => Ok(false),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Err(Error::database_unavailable(format!(
                "{address}: the user may not make databases. Let an administrator run ALTER ROLE {} CREATEDB, or make \
                 the database",
                quoted(address.config.get_user().unwrap_or_default())
            ))
            .because(error)),
            _ => Err(Error::from(error)),
        },
    }
}

/// Sees to it that the embedded cluster has mainstay's user and database. Needs the cluster's lock.
pub(super) fn prepare(address: &Address) -> Result<()> {
    let mut superuser = address.with_name(FIRST);
    superuser.config.user(SUPERUSER);
    let mut connection = connect(&superuser)?;
    let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1), \
                 EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)";
    let row = connection.client().query_one(query, &[&NAME])?;
    if !row.get::<_, bool>(0) {
        let password = address.config.get_password().unwrap_or_default();
        let password = String::from_utf8_lossy(password).replace('\'', "''");
        // The log must not have the password, whatever the settings of the cluster are.
        connection.client().batch_execute("SET log_statement = 'none'; SET log_min_error_statement = 'panic'")?;
        // Migrations make roles, and try themselves on databases of their own.
        let statement = format!("CREATE ROLE {NAME} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'");
        connection.client().batch_execute(&statement)?;
    }
    if !row.get::<_, bool>(1) {
        connection.client().batch_execute(&format!("CREATE DATABASE {NAME} OWNER {NAME} TEMPLATE template0"))?;
    }
    Ok(())
}

fn connect(address: &Address) -> Result<Connection> {
    let time = format!("{}", CREATE.as_millis());
    Dialer::new(address, "mainstay/create", &[("statement_timeout", time)], CONNECT)?.dial()
}

/// A name as SQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
