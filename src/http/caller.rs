//! Who is calling, and what they may do.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use serde_json::json;
use uuid::Uuid;

/// What a user is, each more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Viewer,
    User,
    Admin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::User, Role::Admin];
    /// As the database and the API write them.
    pub const NAMES: [&'static str; 3] = ["VIEWER", "USER", "ADMIN"];

    pub fn name(self) -> &'static str {
        Role::NAMES[self as usize]
    }

    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What one must be allowed to do: `read:teams`, and which role may do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    pub name: &'static str,
    pub role: Role,
}

impl Permission {
    pub const ADMIN: Permission = Permission { name: "admin", role: Role::Admin };

    pub const fn new(name: &'static str, role: Role) -> Permission {
        Permission { name, role }
    }
}

/// What a caller showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A key, which may do some of what its user may.
    ApiKey { id: Uuid, permissions: Vec<String> },
    /// A session, which may do all of it.
    Session { id: Uuid },
}

/// Somebody who has been admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user_id: Uuid,
    pub role: Role,
    /// Permissions beside those of the role.
    pub grants: Vec<String>,
    pub credential: Credential,
    /// When the credential ends by itself.
    pub expires_at: Option<SystemTime>,
}

impl Caller {
    /// Whether the user may, and the key, if it is one.
    pub fn may(&self, permission: Permission) -> bool {
        (self.role >= permission.role || self.grants.iter().any(|held| covers(held, permission.name)))
            && match &self.credential {
                Credential::Session { .. } => true,
                Credential::ApiKey { permissions, .. } => permissions.iter().any(|held| covers(held, permission.name)),
            }
    }

    /// Whether they may do everything.
    pub fn is_admin(&self) -> bool {
        self.may(Permission::ADMIN)
    }

    /// Whether they see rows that belong to others.
    pub fn sees_all(&self) -> bool {
        self.role == Role::Admin
    }

    /// The key or the session that they showed.
    pub fn credential_id(&self) -> Uuid {
        match &self.credential {
            Credential::ApiKey { id, .. } | Credential::Session { id } => *id,
        }
    }

    pub fn api_key_id(&self) -> Option<Uuid> {
        match &self.credential {
            Credential::ApiKey { id, .. } => Some(*id),
            Credential::Session { .. } => None,
        }
    }

    pub fn session_id(&self) -> Option<Uuid> {
        match &self.credential {
            Credential::Session { id } => Some(*id),
            Credential::ApiKey { .. } => None,
        }
    }
}

/// Whether a permission that is held includes the wanted one.
pub fn covers(held: &str, wanted: &str) -> bool {
    if held == "admin" || held == wanted {
        return true;
    }
    match (held.strip_suffix('*'), wanted.split_once(':')) {
        (Some(verb), Some(_)) => verb.ends_with(':') && wanted.starts_with(verb),
        _ => false,
    }
}

/// Who acts, as the audit records it: the context that every write names.
pub fn actor(
    caller: Option<&Caller>,
    request_id: &impl fmt::Display,
    address: Option<IpAddr>,
    user_agent: &str,
) -> String {
    let mut actor = json!({ "request_id": request_id.to_string() });
    if let Some(caller) = caller {
        actor["user_id"] = json!(caller.user_id);
        if let Some(id) = caller.api_key_id() {
            actor["api_key_id"] = json!(id);
        }
    }
    if let Some(address) = address {
        actor["ip_address"] = json!(address);
    }
    if !user_agent.is_empty() {
        actor["user_agent"] = json!(user_agent);
    }
    actor.to_string()
}
