//! Admission: from a key or a token to who that is, out of a memory that is kept right by what the database says.
//!
//! What is remembered was true when it was looked up, and is forgotten as soon as the database says that it has changed.
//! While nobody listens to the database, nothing is remembered.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use postgres::Row;
use uuid::Uuid;

use super::token::Tokens;
use super::{key, sessions};
use crate::db::{Database, Heard, Purpose, Statements, Which};
use crate::error::{Code, Error, Result};
use crate::http::{Caller, Credential, Credentials, Role};
use crate::sql;

/// Callers that are remembered.
const CALLERS_MAX: usize = 10_000;
/// How long, whatever the database says or does not say.
const TIME_MAX: Duration = Duration::from_secs(300);
/// How often the use of a key is noted.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// What a caller is remembered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shown {
    KeyHash([u8; 32]),
    Session(Uuid),
}

struct Remembered {
    caller: Arc<Caller>,
    since: Instant,
    /// When the use of the key was noted last.
    touched: Option<Instant>,
}

#[derive(Default)]
struct Memory {
    by_shown: HashMap<Shown, Remembered>,
    is_listening: bool,
    /// Counts what was said: what was looked up before something was said is not remembered after it.
    generation: u64,
}

/// Who may call, as far as it is known.
pub(super) struct Callers {
    database: Database,
    memory: RwLock<Memory>,
}

impl Callers {
    pub fn new(database: Database) -> Callers {
        Callers { database, memory: RwLock::default() }
    }

    /// Who shows these credentials.
    pub fn admit(&self, credentials: Credentials<'_>, tokens: &Tokens) -> Result<Arc<Caller>> {
        match credentials {
            Credentials::ApiKey(text) => {
                let unknown = || Error::new(Code::InvalidApiKey, "the API key is unknown, revoked or expired");
                // A mistyped key, and most that are made up, cost the database nothing.
                if !key::is_well_formed(text) {
                    return Err(unknown());
                }
                self.known(Shown::KeyHash(key::hash(text)))?.ok_or_else(unknown)
            }
            Credentials::Token(text) => {
                let claims = tokens.check(text)?;
                let ended = || Error::new(Code::InvalidToken, "the session has ended; log in again");
                let caller = self.known(Shown::Session(claims.sid))?.ok_or_else(ended)?;
                if caller.user_id == claims.sub { Ok(caller) } else { Err(ended()) }
            }
        }
    }

    fn known(&self, shown: Shown) -> Result<Option<Arc<Caller>>> {
        let (generation, remembered) = {
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            let remembered = memory.by_shown.get(&shown).filter(|known| known.since.elapsed() < TIME_MAX);
            let is_touched = |known: &Remembered| known.touched.is_none_or(|touched| touched.elapsed() < TOUCH_EVERY);
            match remembered {
                Some(known) if is_touched(known) => (memory.generation, Some(known.caller.clone())),
                _ => (memory.generation, None),
            }
        };
        if let Some(caller) = remembered {
            let is_over = caller.expires_at.is_some_and(|end| end <= SystemTime::now());
            return Ok((!is_over).then_some(caller));
        }
        let Some(caller) = self.look_up(shown)?.map(Arc::new) else { return Ok(None) };
        self.remember(shown, &caller, generation);
        Ok(Some(caller))
    }

    fn look_up(&self, shown: Shown) -> Result<Option<Caller>> {
        let purpose = Purpose { what: "admission", request: None };
        let mut session = self.database.session(Which::Priority, purpose)?;
        match shown {
            Shown::KeyHash(hash) => {
                let row = session.maybe(&sql!("identity/api_keys/admit"), &[&hash.as_slice()])?;
                let Some(row) = row else { return Ok(None) };
                let id: Uuid = row.get("id");
                session.exec(&sql!("identity/api_keys/touch"), &[&id])?;
                read(&row, Credential::ApiKey { id, permissions: row.get("permissions") }).map(Some)
            }
            Shown::Session(id) => {
                let row = session.maybe(&sessions::ADMIT, &[&id])?;
                row.map(|row| read(&row, Credential::Session { id })).transpose()
            }
        }
    }

    fn remember(&self, shown: Shown, caller: &Arc<Caller>, generation: u64) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if !memory.is_listening || memory.generation != generation {
            return;
        }
        if memory.by_shown.len() >= CALLERS_MAX {
            memory.by_shown.retain(|_, known| known.since.elapsed() < TIME_MAX);
            if memory.by_shown.len() >= CALLERS_MAX {
                memory.by_shown.clear();
            }
        }
        let now = Instant::now();
        let touched = matches!(shown, Shown::KeyHash(_)).then_some(now);
        memory.by_shown.insert(shown, Remembered { caller: caller.clone(), since: now, touched });
    }

    /// Takes note of what the database says.
    pub fn hear(&self, heard: Heard<'_>) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.generation += 1;
        match heard {
            Heard::Listening => {
                memory.is_listening = true;
                memory.by_shown.clear();
            }
            Heard::Lost => {
                memory.is_listening = false;
                memory.by_shown.clear();
            }
            Heard::Said { payload, .. } => {
                let Some((kind, id)) = payload.split_once(':') else { return };
                let Ok(id) = Uuid::try_parse(id) else { return };
                memory.by_shown.retain(|_, known| !is_about(&known.caller, kind, id));
            }
        }
    }
}

fn is_about(caller: &Caller, kind: &str, id: Uuid) -> bool {
    match kind {
        "user" => caller.user_id == id,
        "key" => caller.api_key_id() == Some(id),
        "session" => caller.session_id() == Some(id),
        _ => true,
    }
}

fn read(row: &Row, credential: Credential) -> Result<Caller> {
    let role: &str = row.get("role");
    Ok(Caller {
        user_id: row.get("user_id"),
        role: Role::parse(role).ok_or_else(|| Error::internal(format!("a user has the role {role}")))?,
        grants: row.get("grants"),
        credential,
        expires_at: row.get("expires_at"),
    })
}
