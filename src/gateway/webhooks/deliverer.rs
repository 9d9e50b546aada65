//! What delivers: one thread that claims what is due and records what became of it, and many that send.
//!
//! The one thread has a connection only while a statement runs, so slow receivers cost threads and nothing else. A claim
//! ends with its lease: what is not recorded by then belongs to whoever claims it next.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::Row;
use uuid::Uuid;

use super::Webhooks;
use super::attempt::{Attempt, send};
use super::claims::{self, Claimed};
use super::lanes::Lanes;
use super::outcome::{Outcome, records};
use crate::db::{Database, Heard, Purpose, Session, Statements, TransactionOptions, Which};
use crate::error::{Code, Error, Result};
use crate::metrics::{Family, Text};
use crate::sql;
use crate::sql::Json;

/// How often it is looked whether anything is due that nobody has told us of, and whether anybody's lease is over.
const TICK: Duration = Duration::from_secs(1);
/// How long to wait after the database refused something.
const PAUSE: Duration = Duration::from_millis(200);
/// Leases that are ended at once.
const EXPIRED_MAX: i64 = 1000;
const ACTOR: &str = r#"{"user_agent":"mainstay, delivering webhooks"}"#;

#[derive(Default)]
struct State {
    has_begun: bool,
    is_stopping: bool,
    /// Somebody has said that something is due.
    is_woken: bool,
    claimed: VecDeque<Claimed>,
    finished: Vec<Outcome>,
    /// Threads that send, and those of them that have nothing to do.
    senders: usize,
    idle: usize,
}

struct Shared {
    webhooks: Arc<Webhooks>,
    database: Database,
    state: Mutex<State>,
    /// There is something to send.
    for_senders: Condvar,
    /// Something has happened.
    for_claimer: Condvar,
    succeeded: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    in_flight: AtomicU64,
}

/// The threads that deliver, until they are stopped.
pub struct Deliverer {
    shared: Arc<Shared>,
    claimer: Mutex<Option<JoinHandle<()>>>,
}

impl Deliverer {
    /// Starts the threads; nothing is delivered before [`Deliverer::begin`].
    pub fn start(webhooks: Arc<Webhooks>, database: Database) -> Result<Deliverer> {
        let shared = Arc::new(Shared {
            webhooks,
            database,
            state: Mutex::default(),
            for_senders: Condvar::new(),
            for_claimer: Condvar::new(),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
        });
        let claimer = shared.clone();
        let claimer = spawn("webhooks", move || claimer.claim_all())?;
        Ok(Deliverer { shared, claimer: Mutex::new(Some(claimer)) })
    }

    /// The database is as it must be.
    pub fn begin(&self) {
        self.shared.lock().has_begun = true;
        self.shared.for_claimer.notify_all();
    }

    /// Takes note of what the database says.
    pub fn hear(&self, heard: Heard<'_>) {
        if heard != Heard::Lost {
            self.shared.lock().is_woken = true;
            self.shared.for_claimer.notify_all();
        }
    }

    /// Stops claiming, and waits for what is on its way, as long as an attempt may take. What is not back by then is tried
    /// again by somebody else, when its lease is over.
    pub fn stop(&self) {
        self.shared.lock().is_stopping = true;
        self.shared.for_claimer.notify_all();
        self.shared.for_senders.notify_all();
        let claimer = self.claimer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(claimer) = claimer {
            // A thread that panicked has said so.
            let _ = claimer.join();
        }
    }

    /// Writes what has been counted.
    pub fn write(&self, text: &mut Text) {
        let shared = &self.shared;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let name = "mainstay_webhook_attempts_total";
        text.family(name, Family::Counter, "Attempts of this server to deliver to webhooks, and how they ended.");
        for (outcome, counter) in [("succeeded", &shared.succeeded), ("failed", &shared.failed), ("lost", &shared.lost)]
        {
            text.sample(name, &[("outcome", outcome)], count(counter));
        }
        let name = "mainstay_webhook_deliveries_in_flight";
        text.one(name, Family::Gauge, "Deliveries that this server is making.", count(&shared.in_flight));
    }
}

impl Drop for Deliverer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread that sends.
    fn send_all(&self) {
        loop {
            let mut state = self.lock();
            let claimed = loop {
                if state.is_stopping {
                    return;
                }
                match state.claimed.pop_front() {
                    Some(claimed) => break claimed,
                    None => {
                        state.idle += 1;
                        state = self.for_senders.wait(state).unwrap_or_else(PoisonError::into_inner);
                        state.idle -= 1;
                    }
                }
            };
            drop(state);
            // A panic, which has been told by the thread, is this attempt's failure, and nobody else's.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.attempt(&claimed))).unwrap_or_else(|_| {
                let attempt = Attempt::refused("mainstay failed: see the server's log");
                Outcome::of(claimed.claim, &attempt, &serde_json::Value::Null)
            });
            self.lock().finished.push(outcome);
            self.for_claimer.notify_all();
        }
    }

    fn attempt(&self, claimed: &Claimed) -> Outcome {
        let claim = claimed.claim;
        let Some(event) = &claimed.event else {
            return Outcome::hopeless(claim, "the event is not kept any more");
        };
        let target = match &claimed.target {
            Ok(target) => target,
            Err(error) => {
                log::error!("webhook {}: {error}", claim.webhook);
                let attempt = Attempt::refused("the secret does not open: see the server's log");
                return Outcome::of(claim, &attempt, &serde_json::Value::Null);
            }
        };
        // A server that stood still must not begin what another may have begun by now.
        let attempt = match claim.until.saturating_duration_since(Instant::now()) < self.webhooks.timeout {
            true => Attempt::refused("the server stood still before it was sent"),
            false => send(&self.webhooks, target, event),
        };
        Outcome::of(claim, &attempt, &target.retry_config)
    }

    /// The thread that claims and records.
    fn claim_all(self: &Arc<Self>) {
        let mut lanes = Lanes::new(self.webhooks.in_flight);
        let mut unrecorded: Vec<Outcome> = Vec::new();
        let mut ticked: Option<Instant> = None;
        let mut stop_at: Option<Instant> = None;
        let mut is_due = true;
        let mut failure: Option<Code> = None;
        loop {
            let (has_begun, is_stopping) = self.wait(&mut unrecorded, &mut is_due);
            if is_stopping {
                let end = *stop_at.get_or_insert_with(|| Instant::now() + self.webhooks.timeout);
                self.forget_claimed(&mut lanes);
                let is_back = lanes.in_flight() == unrecorded.len();
                if Instant::now() > end || (is_back && self.record(&mut lanes, &mut unrecorded).is_ok()) {
                    return;
                }
            }
            if !has_begun {
                continue;
            }
            let is_tick = ticked.is_none_or(|ticked| ticked.elapsed() >= TICK);
            let result = self.work(&mut lanes, &mut unrecorded, is_tick, is_due && !is_stopping);
            if is_tick {
                ticked = Some(Instant::now());
            }
            is_due = matches!(result, Ok(true));
            self.in_flight.store(lanes.in_flight() as u64, Ordering::Relaxed);
            if let Err(error) = &result {
                // That the database is away is said loudly enough by others; everything else once, until it has gone.
                match error.code {
                    Code::DatabaseUnavailable | Code::PoolExhausted => log::debug!("webhooks: {error}"),
                    code if failure == Some(code) => log::debug!("webhooks: {error}"),
                    _ => log::warn!("webhooks cannot be delivered: {error}; this is tried again"),
                }
                thread::sleep(PAUSE);
            }
            failure = result.err().map(|error| error.code);
        }
    }

    /// Waits until something has happened, or a tick is over, and takes what has been finished.
    fn wait(&self, unrecorded: &mut Vec<Outcome>, is_due: &mut bool) -> (bool, bool) {
        let mut state = self.lock();
        let is_quiet = |state: &mut State| !state.is_woken && state.finished.is_empty();
        if !*is_due && unrecorded.is_empty() {
            let waited =
                self.for_claimer.wait_timeout_while(state, TICK, |state| is_quiet(state) && !state.is_stopping);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            *is_due = true;
        } else if is_quiet(&mut state) && (!state.has_begun || state.is_stopping) {
            let waited = self.for_claimer.wait_timeout(state, PAUSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_woken = false;
        unrecorded.append(&mut state.finished);
        (state.has_begun, state.is_stopping)
    }

    /// Lets go of what nobody has begun to send: it is claimed again when the lease is over.
    fn forget_claimed(&self, lanes: &mut Lanes) {
        for claimed in std::mem::take(&mut self.lock().claimed) {
            lanes.end(claimed.claim.id, claimed.claim.webhook, Duration::MAX);
        }
    }

    /// Records what is finished, ends leases that are over, claims what is due. Answers whether there may be more.
    fn work(
        self: &Arc<Self>,
        lanes: &mut Lanes,
        unrecorded: &mut Vec<Outcome>,
        is_tick: bool,
        claims: bool,
    ) -> Result<bool> {
        self.record(lanes, unrecorded)?;
        if is_tick {
            self.expire()?;
        }
        if !claims {
            return Ok(false);
        }
        let free = lanes.free();
        if free.quick + free.others == 0 {
            return Ok(false);
        }
        let claimed = claims::claim(&self.webhooks, &mut self.session()?, &free)?;
        for claimed in &claimed {
            lanes.begin(claimed.claim.id, claimed.claim.webhook);
        }
        let has_some = !claimed.is_empty();
        if has_some {
            self.hand_out(claimed)?;
        }
        Ok(has_some)
    }

    /// Gives what was claimed to those who send. Threads are made when they are needed for the first time.
    fn hand_out(self: &Arc<Self>, claimed: Vec<Claimed>) -> Result<()> {
        let mut state = self.lock();
        state.claimed.extend(claimed);
        let missing = state.claimed.len().saturating_sub(state.idle).min(self.webhooks.in_flight - state.senders);
        for _ in 0..missing {
            let sender = self.clone();
            spawn("webhook", move || sender.send_all())?;
            state.senders += 1;
        }
        drop(state);
        self.for_senders.notify_all();
        Ok(())
    }

    fn session(&self) -> Result<Session> {
        self.database.session(Which::Background, Purpose { what: "webhooks", request: None })
    }

    fn expire(&self) -> Result<()> {
        let lost = self.session()?.all(&sql!("gateway/webhook_deliveries/expire"), &[&EXPIRED_MAX])?.len();
        if lost > 0 {
            log::warn!("{lost} webhook attempts were lost with their server, and are made again");
        }
        Ok(())
    }

    /// Records what became of attempts. What cannot be recorded now is kept until its lease is over.
    fn record(&self, lanes: &mut Lanes, unrecorded: &mut Vec<Outcome>) -> Result<()> {
        let now = Instant::now();
        for outcome in unrecorded.iter().filter(|outcome| outcome.until <= now) {
            lanes.end(outcome.id, outcome.webhook, Duration::MAX);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        unrecorded.retain(|outcome| outcome.until > now);
        if unrecorded.is_empty() {
            return Ok(());
        }
        let mut session = self.session()?;
        let ids: Vec<Uuid> = unrecorded.iter().map(|outcome| outcome.id).collect();
        let records = records(unrecorded);
        let rows = session.transaction(TransactionOptions::default(), |transaction| {
            transaction.exec(&sql!("gateway/webhooks/lock_of"), &[&ids])?;
            transaction.all(&sql!("gateway/webhook_deliveries/complete"), &[&Json(&records)])
        })?;
        self.lost.fetch_add((unrecorded.len() - rows.len()) as u64, Ordering::Relaxed);
        for outcome in &*unrecorded {
            lanes.end(outcome.id, outcome.webhook, outcome.took);
            let counter = if outcome.has_succeeded { &self.succeeded } else { &self.failed };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let gone = unrecorded.iter().filter(|outcome| outcome.is_gone).map(|outcome| outcome.webhook).collect();
        let is_hopeless = |row: &&Row| row.get::<_, Option<bool>>("is_hopeless") == Some(true);
        let hopeless = rows.iter().filter(is_hopeless).map(|row| row.get("webhook_id")).collect();
        unrecorded.clear();
        disable(&mut session, gone, "answered 410 Gone: it wants nothing any more")?;
        disable(&mut session, hopeless, "has failed for five days")
    }
}

/// Disables webhooks, and tells those who look after them.
fn disable(session: &mut Session, webhooks: Vec<Uuid>, reason: &str) -> Result<()> {
    if webhooks.is_empty() {
        return Ok(());
    }
    for row in session.all(&sql!("gateway/webhooks/disable"), &[&Json(ACTOR), &webhooks, &reason])? {
        log::warn!("the webhook {} ({}) was disabled: it {reason}", row.get::<_, &str>(1), row.get::<_, Uuid>(0));
    }
    Ok(())
}

fn spawn(name: &str, act: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(act)
        .map_err(|error| Error::internal("no thread can be started").because(error))
}
