//! Background work: one loop, many named jobs. Of all servers on a database, one at a time does each.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::db::{Database, Purpose, Session, Statements, Which};
use crate::error::Result;
use crate::metrics::{Family, Text};
use crate::sql;

/// How often the loop looks whether anything is due.
const TICK: Duration = Duration::from_secs(1);
/// How long nobody else takes a job that a server has begun. Longer than any statement of a job may run.
const LEASE_SECONDS: i64 = 15 * 60;
/// How soon a job that failed, or that another server had, is tried again, at the latest.
const AGAIN: Duration = Duration::from_secs(30);

/// How long a job goes on with what it does in portions; the rest is for its next run.
const PORTIONS_TIME: Duration = Duration::from_secs(60);

/// Does something again and again, until a portion is not full or the time is over; answers how much it was.
pub fn in_portions(portion: i64, mut act: impl FnMut() -> Result<u64>) -> Result<u64> {
    let start = Instant::now();
    let mut total = 0;
    loop {
        let count = act()?;
        total += count;
        if count < portion.unsigned_abs() || start.elapsed() >= PORTIONS_TIME {
            return Ok(total);
        }
    }
}

/// What a job does; its answer is shown as its last result.
pub type Act = Box<dyn Fn(&mut Session) -> Result<Value> + Send + Sync>;

/// A job.
pub struct Job {
    pub name: &'static str,
    pub every: Duration,
    pub act: Act,
}

impl Job {
    pub fn new(
        name: &'static str,
        every: Duration,
        act: impl Fn(&mut Session) -> Result<Value> + Send + Sync + 'static,
    ) -> Job {
        Job { name, every, act: Box::new(act) }
    }
}

/// A job, and what this server has done of it.
struct Entry {
    job: Job,
    due: Mutex<Instant>,
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// When it succeeded here last, in seconds since 1970.
    succeeded_at: AtomicU64,
}

/// All jobs of a server.
pub struct Jobs {
    entries: Vec<Entry>,
    holder: String,
}

impl Jobs {
    pub fn new(jobs: Vec<Job>) -> Jobs {
        let entry = |job| Entry {
            job,
            due: Mutex::new(Instant::now()),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            succeeded_at: AtomicU64::new(0),
        };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let holder = format!("{}/{}", host.trim(), process::id());
        Jobs { entries: jobs.into_iter().map(entry).collect(), holder }
    }

    /// Runs what is due, until `wait` says that it is over.
    pub fn run(&self, database: &Database, wait: impl Fn(Duration) -> bool) {
        while !wait(TICK) {
            for entry in &self.entries {
                if wait(Duration::ZERO) {
                    return;
                }
                let mut due = entry.due.lock().unwrap_or_else(PoisonError::into_inner);
                if *due <= Instant::now() {
                    let again = self.attempt(database, entry);
                    *due = Instant::now() + again;
                }
            }
        }
    }

    /// Does a job if it is due and free, and answers when to look again.
    fn attempt(&self, database: &Database, entry: &Entry) -> Duration {
        let again = entry.job.every.min(AGAIN);
        let purpose = Purpose { what: entry.job.name, request: None };
        let result = database.session(Which::Background, purpose).and_then(|mut session| {
            let every = entry.job.every.as_secs() as i64;
            let claim = [&entry.job.name as &(dyn postgres::types::ToSql + Sync), &self.holder, &LEASE_SECONDS, &every];
            match session.maybe(&sql!("ops/jobs/claim"), &claim)? {
                Some(row) => self.perform(&mut session, entry, row.get(0)),
                None => Ok(()),
            }
        });
        if let Err(error) = result {
            // The database is away, which others say loudly enough.
            log::debug!("job {}: {error}", entry.job.name);
        }
        again
    }

    fn perform(&self, session: &mut Session, entry: &Entry, fence: i64) -> Result<()> {
        let start = Instant::now();
        let outcome = (entry.job.act)(session);
        let took = start.elapsed().as_millis() as i64;
        let (status, value, problem) = match outcome {
            Ok(value) => {
                entry.succeeded.fetch_add(1, Ordering::Relaxed);
                entry.succeeded_at.store(now(), Ordering::Relaxed);
                ("SUCCEEDED", Some(value), None)
            }
            Err(error) => {
                entry.failed.fetch_add(1, Ordering::Relaxed);
                log::error!("job {} failed after {took} ms: {error}", entry.job.name);
                ("FAILED", None, Some(error.to_string()))
            }
        };
        let next = if problem.is_some() { entry.job.every.min(AGAIN) } else { entry.job.every }.as_secs() as i64;
        session
            .maybe(&sql!("ops/jobs/complete"), &[&entry.job.name, &fence, &next, &status, &took, &value, &problem])?;
        Ok(())
    }

    /// Writes what has been counted.
    pub fn write(&self, text: &mut Text) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        text.family("mainstay_job_runs_total", Family::Counter, "Runs of jobs by this server, and how they ended.");
        for entry in &self.entries {
            for (status, counter) in [("succeeded", &entry.succeeded), ("failed", &entry.failed)] {
                text.sample("mainstay_job_runs_total", &[("job", entry.job.name), ("status", status)], count(counter));
            }
        }
        let name = "mainstay_job_last_success_timestamp_seconds";
        text.family(name, Family::Gauge, "When a job succeeded on this server last.");
        for entry in &self.entries {
            text.sample(name, &[("job", entry.job.name)], count(&entry.succeeded_at));
        }
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
