//! One migrator at a time: an advisory lock of the session, which ends with the connection, however that ends.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::types::Type;

use super::{Event, Report, blockers};
use crate::error::{Code, Error, Result};

/// The lock's number: `mainstay` in ASCII. Advisory locks belong to their database, so each has its own.
const KEY: i64 = i64::from_be_bytes(*b"mainstay");

const POLL_MIN: Duration = Duration::from_millis(20);
const POLL_MAX: Duration = Duration::from_secs(1);

/// Does some work while this session is the only migrator, and waits its turn for at most `wait`.
pub(super) fn hold<T>(
    client: &mut Client,
    wait: Duration,
    report: Report<'_>,
    work: impl FnOnce(&mut Client, Report<'_>) -> Result<T>,
) -> Result<T> {
    take(client, wait, report)?;
    let result = work(client, report);
    // If this fails the connection is gone, and the lock with it.
    let _ = client.query_typed("SELECT pg_advisory_unlock($1)", &[(&KEY, Type::INT8)]);
    result
}

/// Polls: each attempt is a statement of its own, and between two the session has neither transaction nor snapshot.
fn take(client: &mut Client, wait: Duration, report: Report<'_>) -> Result<()> {
    let end = Instant::now() + wait;
    let mut poll = POLL_MIN;
    let mut was_told = false;
    loop {
        let row = client.query_typed_one("SELECT pg_try_advisory_lock($1)", &[(&KEY, Type::INT8)])?;
        if row.get(0) {
            return Ok(());
        }
        let now = Instant::now();
        if now >= end {
            let holders = blockers::list(&blockers::of_advisory(client, KEY));
            let who = if holders.is_empty() { "a session that has just ended".to_owned() } else { holders };
            let message = format!(
                "another migration was still running after {} s, in {who}: wait for it; if it hangs, end it with \
                 SELECT pg_terminate_backend(…)",
                wait.as_secs()
            );
            return Err(Error::new(Code::QueryTimeout, message));
        }
        if !was_told {
            report(Event::Waiting { holders: blockers::of_advisory(client, KEY) });
            was_told = true;
        }
        thread::sleep(jitter(poll).min(end - now));
        poll = (poll * 3 / 2).min(POLL_MAX);
    }
}

/// A time between a half and the whole of this one: those who failed together should not come back together.
pub(super) fn jitter(time: Duration) -> Duration {
    // The standard library's only source of chance; it needs no more than this.
    let chance = RandomState::new().build_hasher().finish() % 1000;
    time / 2 + time / 2 * chance as u32 / 1000
}
