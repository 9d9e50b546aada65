//! The last good replies of some endpoints, which are given again while the database is away.
//!
//! Nobody can be admitted then either. So it is remembered, too, who was: by the hash of what they showed, for a while, and
//! only until the database says that something about them has changed. Whoever was not let in before is not let in now.
//!
//! Invariant: replies of endpoints that are remembered are the same for all who may call them. What differs from caller to
//! caller does not belong here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::caller::{Caller, Credential};
use super::credentials::Credentials;
use super::reply::{Body, Reply};
use super::shared::SharedBody;
use crate::db::Heard;

/// Replies that are kept, and the bytes of all of them and of one.
const REPLIES_MAX: usize = 1000;
const BYTES_MAX: usize = 16 << 20;
const REPLY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a path with its query string.
const TARGET_BYTES_MAX: usize = 2000;
/// Callers that are kept.
pub(super) const CALLERS_MAX: usize = 10_000;
/// How long a caller is remembered: a token ends after a quarter of an hour by itself.
const KEY_TIME: Duration = Duration::from_secs(24 * 3600);
const TOKEN_TIME: Duration = Duration::from_secs(15 * 60);

/// What somebody asked for, and what they showed.
pub(super) struct Asked {
    target: String,
    /// The endpoint, and with it the permission that it needs.
    shown: [u8; 32],
    is_token: bool,
    generation: u64,
}

pub(super) struct Kept {
    pub body: Arc<SharedBody>,
    pub etag: Option<String>,
    /// When the database said so.
    pub since: SystemTime,
    used: u64,
}

/// Somebody who was admitted.
pub(super) struct Admitted {
    pub user: Uuid,
    pub credential: Uuid,
    pub until: SystemTime,
}

#[derive(Default)]
pub(super) struct Contents {
    pub replies: HashMap<String, Kept>,
    pub callers: HashMap<[u8; 32], Admitted>,
    bytes: usize,
    /// Counts replies that were kept or given: the smallest was not asked for longest.
    clock: u64,
    /// Counts what the database said: who was looked up before is not remembered after it.
    generation: u64,
    is_away: bool,
    /// Whether something has been kept since it was written to the disk.
    pub is_changed: bool,
}

/// All that is remembered.
#[derive(Default)]
pub struct Memory(Mutex<Contents>);

impl Memory {
    /// What a request is for, if it is one that may be remembered.
    pub(super) fn asked(&self, target: &str, label: &str, credentials: Option<Credentials<'_>>) -> Option<Asked> {
        let (text, is_token) = match credentials? {
            Credentials::ApiKey(key) => (key, false),
            Credentials::Token(token) => (token, true),
        };
        if target.len() > TARGET_BYTES_MAX {
            return None;
        }
        let shown = Sha256::new().chain_update(label).chain_update([0]).chain_update(text).finalize().into();
        Some(Asked { target: target.to_owned(), shown, is_token, generation: self.lock().generation })
    }

    /// Whether the database is known to be away.
    pub(super) fn is_away(&self) -> bool {
        self.lock().is_away
    }

    /// Keeps a reply, and that its caller got one. It is the same reply, with a body that both share.
    pub(super) fn keep(&self, asked: Asked, caller: &Caller, reply: Reply) -> Reply {
        let Reply { status, headers, body, kept } = reply;
        let body = match body {
            Body::Json(text) if status == 200 && text.len() <= REPLY_BYTES_MAX => {
                SharedBody::new("application/json", text)
            }
            body => return Reply { status, headers, body, kept },
        };
        let now = SystemTime::now();
        let etag = headers.iter().find(|(name, _)| *name == "ETag").map(|(_, value)| value.clone().into_owned());
        let mut contents = self.lock();
        contents.admit(&asked, caller, now);
        contents.insert(asked.target, body.clone(), etag, now);
        Reply { status, headers, body: Body::Shared(body), kept }
    }

    /// The reply that was kept, if whoever asks was admitted when there was somebody to ask.
    pub(super) fn recall(&self, asked: &Asked) -> Option<Reply> {
        let mut contents = self.lock();
        let now = SystemTime::now();
        contents.callers.get(&asked.shown).filter(|caller| caller.until > now)?;
        contents.clock += 1;
        let clock = contents.clock;
        let kept = contents.replies.get_mut(&asked.target)?;
        kept.used = clock;
        let age = now.duration_since(kept.since).unwrap_or_default().as_secs();
        let reply = Reply::shared(kept.body.clone()).header("X-Data-Source", "memory").header("Age", age.to_string());
        Some(match &kept.etag {
            Some(etag) => reply.header("ETag", etag.clone()),
            None => reply,
        })
    }

    /// Takes note of what the database says of callers, and of whether it says anything.
    pub fn hear(&self, heard: Heard<'_>) {
        let mut contents = self.lock();
        contents.generation += 1;
        match heard {
            Heard::Lost => contents.is_away = true,
            // What was said meanwhile, nobody knows. All come again, and are looked up.
            Heard::Listening => {
                contents.is_away = false;
                contents.callers.clear();
                contents.is_changed = true;
            }
            Heard::Said { payload, .. } => {
                let id = payload.split_once(':').and_then(|(_, id)| Uuid::try_parse(id).ok());
                contents.callers.retain(|_, caller| id.is_some_and(|id| caller.user != id && caller.credential != id));
                contents.is_changed = true;
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn admit(&mut self, asked: &Asked, caller: &Caller, now: SystemTime) {
        if self.generation != asked.generation || self.is_away {
            return;
        }
        if self.callers.len() >= CALLERS_MAX && !self.callers.contains_key(&asked.shown) {
            self.callers.retain(|_, caller| caller.until > now);
            if self.callers.len() >= CALLERS_MAX {
                self.callers.clear();
            }
        }
        let credential = match &caller.credential {
            Credential::ApiKey { id, .. } | Credential::Session { id } => *id,
        };
        let time = if asked.is_token { TOKEN_TIME } else { KEY_TIME };
        let until = caller.expires_at.map_or(now + time, |end| end.min(now + time));
        self.callers.insert(asked.shown, Admitted { user: caller.user_id, credential, until });
    }

    /// Keeps a reply, and lets go of those that were not asked for longest, until there is room.
    pub fn insert(&mut self, target: String, body: Arc<SharedBody>, etag: Option<String>, since: SystemTime) {
        self.clock += 1;
        self.bytes += body.bytes.len() + target.len();
        let kept = Kept { body, etag, since, used: self.clock };
        let length = target.len();
        if let Some(before) = self.replies.insert(target, kept) {
            self.bytes -= before.body.bytes.len() + length;
        }
        while self.replies.len() > REPLIES_MAX || self.bytes > BYTES_MAX {
            let oldest = self.replies.iter().min_by_key(|(_, kept)| kept.used).map(|(target, _)| target.clone());
            let Some(oldest) = oldest else { break };
            if let Some(gone) = self.replies.remove(&oldest) {
                self.bytes -= gone.body.bytes.len() + oldest.len();
            }
        }
        self.is_changed = true;
    }
}
