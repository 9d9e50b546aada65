//! The first administrator and their key: what a new installation is told to make, and what development needs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::admin::{self, NewApiKey, NewUser};
use crate::config::Config;
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::sql;

const ACTOR: &str = r#"{"user_agent":"mainstay, at its start"}"#;
/// Who `mainstay seed` makes, as FlexGate's own seed did.
pub const SEED_EMAIL: &str = "admin@flexgate.dev";
pub const SEED_PASSWORD: &str = "admin123";

/// Makes the administrator and the key that the settings name, if there are none yet.
pub fn ensure(config: &Config, statements: &mut dyn Statements) -> Result<()> {
    let wants_key = config.boolean("CREATE_ADMIN_API_KEY") == Some(true);
    let email = config.text("ADMIN_EMAIL").filter(|_| config.text("ADMIN_PASSWORD").is_some());
    // Where a key is made for somebody by their address, they need not have been told apart from it.
    let email = email.or(config.text("ADMIN_USER_ID").filter(|user| wants_key && user.contains('@')));
    if email.is_none() && !wants_key {
        return Ok(());
    }
    let known = statements.one(&sql!("identity/users/has_admin"), &[])?;
    if let Some(email) = email.filter(|_| !known.get::<_, bool>("has_admin")) {
        let user = NewUser {
            email: email.to_owned(),
            name: "Administrator".to_owned(),
            role: "ADMIN".to_owned(),
            password: config.text("ADMIN_PASSWORD").map(str::to_owned),
        };
        match admin::create_user(statements, ACTOR, &user, config.integer("BCRYPT_ROUNDS")) {
            Ok(_) => log::info!("made the administrator {email}"),
            // Another server was quicker.
            Err(error) if error.code == Code::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    if wants_key && !known.get::<_, bool>("has_key") {
        make_key(config, statements)?;
    }
    Ok(())
}

/// The key is written where only this user reads it: in a log it would be for all.
fn make_key(config: &Config, statements: &mut dyn Statements) -> Result<()> {
    let folder = config.path("MAINSTAY_DATA").unwrap_or(Path::new("var"));
    let path = folder.join("admin_api_key");
    let user = match config.text("ADMIN_USER_ID") {
        Some(user) => user.to_owned(),
        None => match statements.maybe(&sql!("identity/users/first_admin"), &[])? {
            Some(row) => row.get::<_, uuid::Uuid>("id").to_string(),
            None => {
                let message = "CREATE_ADMIN_API_KEY needs an administrator: set ADMIN_EMAIL and ADMIN_PASSWORD, or ADMIN_USER_ID to an e-mail address";
                return Err(Error::internal(message));
            }
        },
    };
    let wanted = NewApiKey { user, name: "admin".to_owned(), permissions: vec!["admin".to_owned()], expires_in: None };
    let failed = |error: std::io::Error| {
        Error::internal(format!("the first API key cannot be written to {}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(failed)?;
    // The place is made sure of first: a key that nobody learns would be of no use.
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(failed)?;
    let key = admin::create_key(statements, ACTOR, &wanted)?;
    writeln!(file, "{}", key["key"].as_str().unwrap_or_default()).and_then(|()| file.sync_all()).map_err(failed)?;
    log::info!("made an API key with all permissions; it is in {}", path.display());
    Ok(())
}

/// The administrator of development, whose password everybody knows.
pub fn seed(config: &Config, statements: &mut dyn Statements) -> Result<bool> {
    let user = NewUser {
        email: SEED_EMAIL.to_owned(),
        name: "Administrator".to_owned(),
        role: "ADMIN".to_owned(),
        password: Some(SEED_PASSWORD.to_owned()),
    };
    match admin::create_user(statements, ACTOR, &user, config.integer("BCRYPT_ROUNDS")) {
        Ok(_) => Ok(true),
        Err(error) if error.code == Code::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}
