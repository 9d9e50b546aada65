//! What may run out: the disk, memory, the partitions ahead. It is judged here, once, for `/health`, its details, the metrics
//! and `mainstay doctor`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::config::show_time;
use crate::migrate::Partitioned;

const MIB: u64 = 1 << 20;
/// A disk that has less left is nearly full; so is one of which nine tenths are used.
const DISK_BYTES_MIN: u64 = 1024 * MIB;
/// With less PostgreSQL does not go on for long.
const DISK_BYTES_LAST: u64 = 64 * MIB;
const MEMORY_BYTES_MIN: u64 = 128 * MIB;
/// Partitions are made by the hour, for a week ahead at least.
const PARTITION_SECONDS_MIN: i64 = 2 * 86_400;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Good,
    Warning,
    Failure,
}

impl State {
    pub(super) const WORDS: [&'static str; 3] = ["healthy", "degraded", "unhealthy"];

    /// How health says it.
    pub(super) fn word(self) -> &'static str {
        State::WORDS[self as usize]
    }

    pub(super) fn of(is_good: bool, otherwise: State) -> State {
        if is_good { State::Good } else { otherwise }
    }
}

/// How something is, and what was seen of it.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    pub(super) state: State,
    pub(super) found: String,
}

/// What a disk has, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) free: u64,
    pub(super) total: u64,
}

impl Space {
    /// Of the disk of a folder, which may not be there yet.
    pub(super) fn of(folder: &Path) -> Option<Space> {
        let existing = folder.ancestors().find(|folder| folder.exists())?;
        let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
        let space = rustix::fs::statvfs(existing).ok()?;
        Some(Space { free: space.f_bavail * space.f_frsize, total: space.f_blocks * space.f_frsize })
    }
}

/// The disk of our own files; and that of the database, if PostgreSQL has just said that it is full.
pub(super) fn disk(folder: &Path, database_is_full: bool) -> Judgement {
    if database_is_full {
        let found = "PostgreSQL says that its disk is full: nothing can be written".to_owned();
        return Judgement { state: State::Failure, found };
    }
    match Space::of(folder) {
        Some(space) => judge_disk(folder, space),
        None => Judgement { state: State::Warning, found: format!("{} cannot be looked at", folder.display()) },
    }
}

fn judge_disk(folder: &Path, space: Space) -> Judgement {
    let state = match space.free {
        free if free < DISK_BYTES_LAST => State::Failure,
        free if free < DISK_BYTES_MIN || free < space.total / 10 => State::Warning,
        _ => State::Good,
    };
    let used = 100 - space.free.saturating_mul(100) / space.total.max(1);
    Judgement { state, found: format!("{} MiB free for {}, {used} % used", space.free / MIB, folder.display()) }
}

/// The memory that the system could give, in bytes.
pub(super) fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

pub(super) fn memory() -> Judgement {
    match memory_available() {
        Some(bytes) => Judgement {
            state: State::of(bytes >= MEMORY_BYTES_MIN, State::Warning),
            found: format!("{} MiB available", bytes / MIB),
        },
        None => Judgement { state: State::Good, found: "this system does not tell".to_owned() },
    }
}

/// Whether what is written now and in the next days has its partition.
pub(super) fn partitions(tables: &[Partitioned]) -> Judgement {
    if let Some(table) = tables.iter().find(|table| !table.has_today) {
        return Judgement { state: State::Failure, found: format!("{} has no partition for now", table.table) };
    }
    let Some(first) = tables.iter().min_by_key(|table| table.ends_at) else {
        return Judgement { state: State::Good, found: "there are none".to_owned() };
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    let state = State::of(first.ends_at - now >= PARTITION_SECONDS_MIN, State::Warning);
    let found = format!("all reach until {} ({})", show_time(first.ends_at.unsigned_abs()), first.table);
    Judgement { state, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_nearly_full_when_a_tenth_or_a_gibibyte_is_left_and_full_before_nothing_is() {
        let state = |free, total| judge_disk(Path::new("x"), Space { free, total }).state;
        assert_eq!(state(20 << 30, 100 << 30), State::Good);
        assert_eq!(state(9 << 30, 100 << 30), State::Warning);
        assert_eq!(state(1000 << 20, 2 << 30), State::Warning);
        assert_eq!(state(60 << 20, 2 << 30), State::Failure);
        assert_eq!(state(0, 0), State::Failure);
    }

    #[test]
    fn partitions_are_well_while_all_tables_have_one_for_today_and_the_next_days() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let table = |has_today, days: i64| Partitioned { table: "t".into(), has_today, ends_at: now + days * 86_400 };
        assert_eq!(partitions(&[]).state, State::Good);
        assert_eq!(partitions(&[table(true, 7), table(true, 90)]).state, State::Good);
        assert_eq!(partitions(&[table(true, 1), table(true, 90)]).state, State::Warning);
        assert_eq!(partitions(&[table(true, 7), table(false, 90)]).state, State::Failure);
    }
}
