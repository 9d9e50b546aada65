//! What the command line does with users and keys: the same statements, the same rules, no HTTP.

use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api_keys::{self, hex};
use super::{key, password, users};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::resource::explain;
use crate::sql;
use crate::sql::Json;

/// A new user, as the command line and the settings describe one.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub email: String,
    pub name: String,
    pub role: String,
    /// None for who uses API keys only, until they have been sent a link to set one.
    pub password: Option<String>,
}

/// Makes an active user.
pub fn create_user(statements: &mut dyn Statements, actor: &str, user: &NewUser, rounds: u32) -> Result<Value> {
    if let Some(fault) = user.password.as_deref().and_then(password::fault) {
        return Err(Error::new(Code::ValidationError, format!("the password {fault}")));
    }
    let hash = |password| password::Passwords::new(rounds, 1).hash(password);
    let hash = user.password.as_deref().map(hash).transpose()?;
    let body = json!({
        "email": user.email, "password_hash": hash, "name": user.name, "role": user.role,
        "status": "ACTIVE", "metadata": {},
    });
    let rows = statements.json(&sql!("identity/users/insert"), &[&Json(actor), &Json(&body.to_string())]);
    first(rows.map_err(|error| explain(error, "identity.users", users::RULES))?, "no user was made")
}

pub fn list_users(statements: &mut dyn Statements) -> Result<Vec<Value>> {
    statements.json(&sql!("identity/users/select"), &[])
}

/// The user with this id or e-mail address.
pub fn find_user(statements: &mut dyn Statements, user: &str) -> Result<Uuid> {
    let row = statements.maybe(&sql!("identity/users/find"), &[&user])?;
    row.map(|row| row.get("id"))
        .ok_or_else(|| Error::new(Code::NotFound, format!("there is no user {user}; `mainstay user list` shows all")))
}

pub fn set_role(statements: &mut dyn Statements, actor: &str, user: &str, role: &str) -> Result<Value> {
    let id = find_user(statements, user)?;
    first(statements.json(&sql!("identity/users/set_role"), &[&Json(actor), &id, &role])?, "the user is gone")
}

pub fn unlock(statements: &mut dyn Statements, actor: &str, user: &str) -> Result<Value> {
    let id = find_user(statements, user)?;
    first(statements.json(&sql!("identity/users/unlock"), &[&Json(actor), &id])?, "the user is gone")
}

/// A new API key, as the command line describes one.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    pub user: String,
    pub name: String,
    pub permissions: Vec<String>,
    pub expires_in: Option<Duration>,
}

/// Makes a key. It is in the answer, and nowhere else.
pub fn create_key(statements: &mut dyn Statements, actor: &str, wanted: &NewApiKey) -> Result<Value> {
    let user = find_user(statements, &wanted.user)?;
    let new = key::generate()?;
    let mut body = json!({
        "user_id": user, "name": wanted.name, "prefix": new.prefix, "key_hash": format!("\\x{}", hex(&new.hash)),
        "permissions": wanted.permissions, "metadata": {},
    });
    if let Some(time) = wanted.expires_in {
        body["expires_at"] = json!(ends(time));
    }
    let rows = statements.json(&sql!("identity/api_keys/insert"), &[&Json(actor), &Json(&body.to_string())]);
    let rows = rows.map_err(|error| explain(error, "identity.api_keys", api_keys::RULES))?;
    with_key(first(rows, "no key was made")?, &new.key)
}

pub fn list_keys(statements: &mut dyn Statements, user: Option<&str>) -> Result<Vec<Value>> {
    let user = user.map(|user| find_user(statements, user)).transpose()?;
    let keys = statements.json(&sql!("identity/api_keys/select"), &[])?;
    let is_wanted = |key: &Value| user.is_none_or(|user| key["user_id"] == json!(user));
    Ok(keys.into_iter().filter(is_wanted).collect())
}

pub fn revoke_key(statements: &mut dyn Statements, actor: &str, key: &str) -> Result<Value> {
    let id = find_key(statements, key)?;
    first(statements.json(&sql!("identity/api_keys/revoke"), &[&Json(actor), &id])?, "the key is gone")
}

pub fn rotate_key(statements: &mut dyn Statements, actor: &str, key: &str, overlap: Duration) -> Result<Value> {
    let id = find_key(statements, key)?;
    let new = key::generate()?;
    let (hash, none) = (new.hash.as_slice(), None::<String>);
    let seconds = overlap.as_secs() as i64;
    let row = statements
        .maybe(&sql!("identity/api_keys/rotate"), &[&Json(actor), &id, &new.prefix, &hash, &seconds, &none])?;
    let gone = || Error::new(Code::NotFound, "the key has been revoked, has expired, or was replaced already");
    let row = row.ok_or_else(gone)?;
    with_key(serde_json::from_str(row.get("object")).unwrap_or_default(), &new.key)
}

/// The key with this id or prefix.
fn find_key(statements: &mut dyn Statements, key: &str) -> Result<Uuid> {
    let rows = statements.all(&sql!("identity/api_keys/find"), &[&key])?;
    match &rows[..] {
        [row] => Ok(row.get("id")),
        [] => Err(Error::new(Code::NotFound, format!("there is no API key {key}; `mainstay key list` shows all"))),
        _ => Err(Error::new(Code::Conflict, format!("more than one key begins with {key}; give its id"))),
    }
}

/// A time from now, as JSON has it.
fn ends(time: Duration) -> String {
    let end = std::time::SystemTime::now() + time;
    crate::config::show_time(end.duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs()))
}

fn first(rows: Vec<Value>, otherwise: &str) -> Result<Value> {
    rows.into_iter().next().ok_or_else(|| Error::new(Code::NotFound, otherwise))
}

fn with_key(row: Value, key: &str) -> Result<Value> {
    let Value::Object(mut row): Value = row else { return Err(Error::internal("a key is no object")) };
    row.insert("key".to_owned(), json!(key));
    Ok(Value::Object(Map::from_iter(row)))
}
