//! Admission: from a key or a token to who that is, out of a memory that is kept right by what the database says.
//!
//! What is remembered was true when it was looked up, and is forgotten as soon as the database says that it has changed.
//! While nobody listens to the database, nothing is remembered.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use postgres::Row;
use uuid::Uuid;

use super::key;
use super::token::Tokens;
use crate::db::{Database, Heard, Purpose, Statements, Which};
use crate::error::{Code, Error, Result};
use crate::http::{Caller, Credential, Credentials, Role};
use crate::sql;

/// Callers that are remembered.
const CALLERS_MAX: usize = 10_000;
/// Credentials that are nobody's and are remembered as such.
const STRANGERS_MAX: usize = 10_000;
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

impl Remembered {
    /// Whether it need not be looked up again.
    fn is_fresh(&self, now: Instant) -> bool {
        now - self.since < TIME_MAX && self.touched.is_none_or(|touched| now - touched < TOUCH_EVERY)
    }
}

/// What the database says of credentials.
enum Found {
    Caller(Arc<Caller>),
    /// There are such, and whoever has them may not call now.
    Refused,
    Nothing,
}

#[derive(Default)]
struct Memory {
    by_shown: HashMap<Shown, Remembered>,
    /// What nobody has, and since when that is known.
    strangers: HashMap<Shown, Instant>,
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

    /// Who shows these credentials. The database is asked if `may_ask` lets it be.
    pub fn admit(
        &self,
        credentials: Credentials<'_>,
        tokens: &Tokens,
        may_ask: &dyn Fn() -> Result<()>,
    ) -> Result<Arc<Caller>> {
        match credentials {
            Credentials::ApiKey(text) => {
                let unknown = || Error::new(Code::InvalidApiKey, "the API key is unknown, revoked or expired");
                // A mistyped key, and most that are made up, cost the database nothing.
                if !key::is_well_formed(text) {
                    return Err(unknown());
                }
                self.known(Shown::KeyHash(key::hash(text)), may_ask)?.ok_or_else(unknown)
            }
            Credentials::Token(text) => {
                let claims = tokens.check(text)?;
                let ended = || Error::new(Code::InvalidToken, "the session has ended; log in again");
                let caller = self.known(Shown::Session(claims.sid), may_ask)?.ok_or_else(ended)?;
                if caller.user_id == claims.sub { Ok(caller) } else { Err(ended()) }
            }
        }
    }

    /// Whoever has been somebody before may be asked for again, however much others guess at the same address.
    fn known(&self, shown: Shown, may_ask: &dyn Fn() -> Result<()>) -> Result<Option<Arc<Caller>>> {
        let now = Instant::now();
        let generation = {
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            if memory.strangers.get(&shown).is_some_and(|since| now - *since < TIME_MAX) {
                return Ok(None);
            }
            match memory.by_shown.get(&shown) {
                None => may_ask()?,
                Some(known) if known.is_fresh(now) => {
                    let is_over = known.caller.expires_at.is_some_and(|end| end <= SystemTime::now());
                    return Ok((!is_over).then(|| known.caller.clone()));
                }
                Some(_) => {}
            }
            memory.generation
        };
        let found = self.look_up(shown)?;
        self.remember(shown, &found, generation);
        Ok(match found {
            Found::Caller(caller) => Some(caller),
            Found::Refused | Found::Nothing => None,
        })
    }

    fn look_up(&self, shown: Shown) -> Result<Found> {
        let purpose = Purpose { what: "admission", request: None };
        let mut session = self.database.session(Which::Priority, purpose)?;
        let row = match shown {
            Shown::KeyHash(hash) => session.maybe(&sql!("identity/api_keys/admit"), &[&hash.as_slice()])?,
            Shown::Session(id) => session.maybe(&sql!("identity/sessions/admit"), &[&id])?,
        };
        let Some(row) = row else { return Ok(Found::Nothing) };
        if !row.get::<_, bool>("is_good") {
            return Ok(Found::Refused);
        }
        let id: Uuid = row.get("id");
        let credential = match shown {
            Shown::KeyHash(_) => {
                session.exec(&sql!("identity/api_keys/touch"), &[&id])?;
                Credential::ApiKey { id, permissions: row.get("permissions") }
            }
            Shown::Session(_) => Credential::Session { id },
        };
        read(&row, credential).map(|caller| Found::Caller(Arc::new(caller)))
    }

    fn remember(&self, shown: Shown, found: &Found, generation: u64) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if !memory.is_listening || memory.generation != generation {
            return;
        }
        let now = Instant::now();
        let caller = match found {
            Found::Caller(caller) => caller,
            // Whoever lets them in again is not to wait until that was heard here.
            Found::Refused => return drop(memory.by_shown.remove(&shown)),
            Found::Nothing => {
                if memory.strangers.len() >= STRANGERS_MAX {
                    memory.strangers.clear();
                }
                memory.by_shown.remove(&shown);
                memory.strangers.insert(shown, now);
                return;
            }
        };
        if memory.by_shown.len() >= CALLERS_MAX {
            memory.by_shown.retain(|_, known| known.since.elapsed() < TIME_MAX);
            if memory.by_shown.len() >= CALLERS_MAX {
                memory.by_shown.clear();
            }
        }
        let touched = matches!(shown, Shown::KeyHash(_)).then_some(now);
        memory.by_shown.insert(shown, Remembered { caller: caller.clone(), since: now, touched });
    }

    /// Takes note of what the database says.
    pub fn hear(&self, heard: Heard<'_>) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.generation += 1;
        // Whoever was nobody may be somebody now.
        memory.strangers.clear();
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
