//! The routes in memory, kept right by what the database says.
//!
//! A thread of its own reads what has changed, so that neither requests nor other listeners wait for it. While nobody
//! listens to the database, nothing here is trusted, and who asks is answered out of the database itself.
//!
//! Invariant: what is in memory is always what some transaction saw, never half of what another did. What is read again is
//! found by the transactions that wrote it, and all of it is read in one view of the database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postgres::Row;
use uuid::Uuid;

use super::routes::SELECT;
use super::snapshot::{Route, Snapshot};
use crate::db::{Database, Heard, Isolation, Purpose, Statements, TransactionOptions, Which};
use crate::error::Result;
use crate::http::Bell;
use crate::sql;

/// The first and the longest pause after a failure to read.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

const PURPOSE: Purpose = Purpose { what: "routes in memory", request: None };

/// What a route is found by in the order.
type Place = (Vec<u8>, String, Uuid);

#[derive(Default)]
struct State {
    sorted: BTreeMap<Place, Arc<Route>>,
    places: HashMap<Uuid, Place>,
    /// The oldest transaction that may have changed something since all this was read; none, if all is to be read.
    horizon: Option<String>,
    /// Whether something has been said to have changed.
    is_pending: bool,
    /// Whether what is here is all that there is, but for what is pending.
    is_trusted: bool,
    /// Counts the times that the listener was lost: what was read before that is not trusted after it.
    losses: u64,
    snapshot: Option<Arc<Snapshot>>,
    is_stopping: bool,
}

/// What was read in one view of the database.
struct Found {
    routes: Vec<Route>,
    /// Whether these are all; else they are those that have changed.
    is_all: bool,
    /// All that there still are, if some that were known are gone.
    kept: Option<HashSet<Uuid>>,
    horizon: String,
}

/// The routes, as far as they are known.
pub(super) struct Memory {
    database: Database,
    state: Mutex<State>,
    woken: Condvar,
    /// Rung whenever the routes have changed.
    pub bell: Arc<Bell>,
    /// The last snapshot that was read for want of anything better, and when that was begun.
    direct: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl Memory {
    pub fn new(database: Database, bell: Arc<Bell>) -> Memory {
        Memory { database, state: Mutex::default(), woken: Condvar::new(), bell, direct: Mutex::default() }
    }

    /// All routes, now.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut state = self.lock();
        if !state.is_trusted {
            drop(state);
            return self.read_direct();
        }
        if let Some(snapshot) = &state.snapshot {
            return Ok(snapshot.clone());
        }
        let snapshot = Arc::new(Snapshot::new(state.sorted.values()));
        state.snapshot = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// Takes note of what the database says.
    pub fn hear(&self, heard: Heard<'_>) {
        let mut state = self.lock();
        match heard {
            Heard::Listening | Heard::Said { .. } => state.is_pending = true,
            Heard::Lost => {
                state.losses += 1;
                (state.is_trusted, state.is_pending, state.horizon) = (false, false, None);
            }
        }
        self.woken.notify_all();
    }

    /// Ends the thread in [`Memory::run`].
    pub fn stop(&self) {
        self.lock().is_stopping = true;
        self.woken.notify_all();
    }

    /// Reads what has changed, as soon as it is said that something has, until it is told to stop.
    pub fn run(&self) {
        let mut pause = RETRY_MIN;
        while let Some((horizon, losses)) = self.next() {
            match self.read(horizon.as_deref()) {
                Ok(found) => {
                    pause = RETRY_MIN;
                    if self.keep(found, losses) {
                        self.bell.ring();
                    }
                }
                Err(error) => {
                    log::debug!("the routes cannot be read: {error}");
                    self.again(losses, pause);
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    /// Waits until there is something to read: from which transaction on, and how often nobody has listened. None when it
    /// is time to stop.
    fn next(&self) -> Option<(Option<String>, u64)> {
        let state = self.lock();
        let is_to_wait = |state: &mut State| !state.is_stopping && !state.is_pending;
        let mut state = self.woken.wait_while(state, is_to_wait).unwrap_or_else(PoisonError::into_inner);
        state.is_pending = false;
        (!state.is_stopping).then(|| (state.horizon.clone(), state.losses))
    }

    /// Lets it be tried again after a pause, unless nobody listens any more: then all is read as soon as somebody does.
    fn again(&self, losses: u64, pause: Duration) {
        let mut state = self.lock();
        state.is_pending |= state.losses == losses;
        let is_to_wait = |state: &mut State| !state.is_stopping;
        drop(self.woken.wait_timeout_while(state, pause, is_to_wait).unwrap_or_else(PoisonError::into_inner));
    }

    /// What has changed since a horizon, or all that there is, in one view of the database.
    fn read(&self, horizon: Option<&str>) -> Result<Found> {
        let pool = if horizon.is_some() { Which::Priority } else { Which::Background };
        self.database.session(pool, PURPOSE)?.transaction(ONE_VIEW, |view| {
            let row = view.one(&sql!("gateway/routes/horizon"), &[])?;
            let (count, next): (i64, String) = (row.get("count"), row.get("horizon"));
            let rows = match horizon {
                None => view.all_of(SELECT.name, statement("").into(), &[])?,
                Some(horizon) => view.all_of(SELECT.name, statement(CHANGED).into(), &[&horizon])?,
            };
            let routes: Vec<Route> = rows.iter().map(route).collect();
            let ids = match horizon.is_some() && self.count_with(&routes) as i64 != count {
                true => Some(view.one(&sql!("gateway/routes/ids"), &[])?.get::<_, Vec<Uuid>>("ids")),
                false => None,
            };
            let kept = ids.map(|ids| ids.into_iter().collect());
            Ok(Found { routes, kept, is_all: horizon.is_none(), horizon: next })
        })
    }

    /// How many routes there are with these, if none has gone.
    fn count_with(&self, routes: &[Route]) -> usize {
        let state = self.lock();
        state.places.len() + routes.iter().filter(|route| !state.places.contains_key(&route.id)).count()
    }

    /// Takes what was found for what is there, and answers whether that is something new.
    fn keep(&self, found: Found, losses: u64) -> bool {
        let mut state = self.lock();
        if state.losses != losses {
            return false;
        }
        let mut is_new = !state.is_trusted;
        if found.is_all {
            (state.sorted, state.places) = Default::default();
            is_new = true;
        }
        if let Some(kept) = found.kept {
            let gone: Vec<Uuid> = state.places.keys().filter(|id| !kept.contains(id)).copied().collect();
            is_new |= !gone.is_empty();
            gone.iter().for_each(|id| state.remove(*id));
        }
        for route in found.routes {
            is_new |= state.insert(route);
        }
        (state.horizon, state.is_trusted) = (Some(found.horizon), true);
        if is_new {
            state.snapshot = None;
        }
        drop(state);
        if let Ok(mut direct) = self.direct.try_lock() {
            // Nobody asks the database any more.
            *direct = None;
        }
        is_new
    }

    /// Out of the database. However many ask at once, one reads, and those who have come before it began get the same.
    fn read_direct(&self) -> Result<Arc<Snapshot>> {
        let asked = Instant::now();
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, snapshot)) = direct.as_ref().filter(|(begun, _)| *begun >= asked) {
            return Ok(snapshot.clone());
        }
        let begun = Instant::now();
        let mut session = self.database.session(Which::Primary, PURPOSE)?;
        let rows = session.all_of(SELECT.name, statement("").into(), &[])?;
        let mut routes: Vec<Arc<Route>> = rows.iter().map(|row| Arc::new(route(row))).collect();
        routes.sort_unstable_by(|one, other| one.place().cmp(&other.place()));
        let snapshot = Arc::new(Snapshot::new(routes.iter()));
        *direct = Some((begun, snapshot.clone()));
        Ok(snapshot)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, id: Uuid) {
        if let Some(place) = self.places.remove(&id) {
            self.sorted.remove(&place);
        }
    }

    /// Puts a route where it belongs, and answers whether it is another than the one that was known.
    fn insert(&mut self, route: Route) -> bool {
        let known = self.places.get(&route.id).and_then(|place| self.sorted.get(place));
        if known.is_some_and(|known| known.object == route.object) {
            return false;
        }
        self.remove(route.id);
        let (key, name, id) = route.place();
        let place = (key.to_vec(), name.to_owned(), id);
        self.places.insert(id, place.clone());
        self.sorted.insert(place, Arc::new(route));
        true
    }
}

const ONE_VIEW: TransactionOptions = TransactionOptions {
    isolation: Isolation::RepeatableRead,
    is_read_only: true,
    is_deferrable: false,
    is_trial: false,
};

/// What was written by the transaction at the horizon, or by a later one. A row knows the last 32 bits of its transaction:
/// when those have nearly come round since the horizon, every route may have changed.
const CHANGED: &str = "WHERE t.id = ANY (ARRAY(SELECT id FROM gateway.routes \
     WHERE age(routes.xmin) <= age(($1::text::bigint & 4294967295)::text::xid) \
     OR pg_snapshot_xmax(pg_current_snapshot())::text::bigint - $1::text::bigint > 2000000000))";

/// The resource's own statement, so that a route looks the same here as everywhere.
fn statement(condition: &str) -> String {
    format!(
        "SELECT t.id, t.name, t.path, t.methods, t.enabled, to_json(t)::text AS object FROM (\n{}\n) AS t {condition}",
        SELECT.text
    )
}

fn route(row: &Row) -> Route {
    Route::new(
        row.get("id"),
        row.get("name"),
        row.get("path"),
        row.get("methods"),
        row.get("enabled"),
        row.get("object"),
    )
}
