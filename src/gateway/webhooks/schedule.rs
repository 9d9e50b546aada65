//! When a delivery that failed is tried again.

use std::time::Duration;

use serde_json::Value;

/// Seconds before each further attempt, as Standard Webhooks suggests them.
pub const SCHEDULE: [u64; 7] = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
/// A wait is up to so much longer, in hundredths, so that what failed together does not come back together.
const JITTER: u64 = 20;

/// How long to wait after a failed attempt, counted from 1; none if it was the last one.
pub fn wait_after(attempt: i32, retry_config: &Value, retry_after: Option<Duration>) -> Option<Duration> {
    let place = usize::try_from(attempt - 1).ok()?;
    let seconds = match retry_config["schedule"].as_array() {
        Some(schedule) => schedule.get(place)?.as_u64()?,
        None => *SCHEDULE.get(place)?,
    };
    let wait = Duration::from_secs(seconds);
    let wait = wait + wait * (random() % (JITTER * 100 + 1)) as u32 / 10_000;
    // What the server asks for is the least, and ours the least that the schedule promises.
    Some(wait.max(retry_after.unwrap_or_default()))
}

/// A number that others do not have at the same time. Nobody is hurt by one that can be guessed.
fn random() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => 0,
    }
}
