//! Migrations: numbered SQL files, applied once each and in order, also when many processes start at once.
//!
//! Owns the files' format, `public.schema_migrations`, and what compares the two with the live database. Knows nothing
//! of mainstay's own tables: the same functions serve any project's folder. The connection that is handed in should be
//! one of its own: what the files set in the session is reset after each of them.
//!
//! Invariant: no transaction and no snapshot is held while waiting for another migrator. `CREATE INDEX CONCURRENTLY`
//! waits for all older snapshots, so a migrator that waited inside of one would stop it for ever.

mod text;
mod token;
mod statement;
mod header;
mod files;
mod history;
mod partitions;
mod plan;
mod failure;
mod blockers;
mod lock;
mod invalid_index;
mod script;
mod lint;
mod runner;
mod status;
mod rollback;
mod losses;
mod create;
mod repair;
mod catalogue;
mod verify;
mod beside;

use std::time::Duration;

use postgres::Client;

use crate::error::{Error, Result};

pub use beside::{Change as OtherChange, alone, apply_beside, apply_change, has_pending};
pub use blockers::Session;
pub use catalogue::{Change, Difference};
pub use create::{Created, create};
pub use failure::Failure;
pub use files::{Migration, Migrations, Source};
pub use lint::{Finding, lint};
pub use losses::{Loss, ROWS_COUNTED, losses};
pub use partitions::Partitioned;
pub use plan::Problem;
pub use repair::{Baseline, Repair, baseline, repair};
pub use rollback::{Target, rollback};
pub use runner::{Preview, dry_run, migrate};
pub use status::{Row, Standing, State, Status, status};
pub use verify::{Verification, verify};

/// The oldest PostgreSQL that has what mainstay stands on, as `server_version_num` says it.
pub const VERSION_MIN: i32 = 130_000;

/// Refuses a PostgreSQL that is too old, before its own errors puzzle anybody.
fn check_version(client: &mut Client) -> Result<()> {
    let query = "SELECT current_setting('server_version_num')::integer, current_setting('server_version')";
    let row = client.query_typed_one(query, &[])?;
    let (number, name): (i32, String) = (row.get(0), row.get(1));
    if number < VERSION_MIN {
        let message = format!("the server is PostgreSQL {name}, and mainstay needs PostgreSQL 13 or newer: upgrade it");
        return Err(Error::database_unavailable(message));
    }
    Ok(())
}

/// The limits of a run. Every wait has one.
#[derive(Debug, Clone)]
pub struct Options {
    /// The last version to apply; all, if there is none.
    pub to: Option<i64>,
    /// How long to wait for another migrator to end.
    pub wait: Duration,
    /// How long a statement waits for a lock. Whoever comes after it in the lock's queue waits as long.
    pub lock_timeout: Duration,
    /// The same for statements outside of a transaction: `CREATE INDEX CONCURRENTLY` waits for others' transactions,
    /// but holds up nobody meanwhile.
    pub lock_timeout_concurrent: Duration,
    /// How often a file is tried when a lock cannot be had.
    pub attempts: u32,
    /// The pause after the first attempt. It doubles up to `PAUSE_MAX`, with jitter.
    pub pause: Duration,
}

impl Options {
    const PAUSE_MAX: Duration = Duration::from_secs(10);
}

impl Default for Options {
    fn default() -> Options {
        Options {
            to: None,
            wait: Duration::from_secs(600),
            lock_timeout: Duration::from_secs(3),
            lock_timeout_concurrent: Duration::from_secs(600),
            attempts: 10,
            pause: Duration::from_millis(250),
        }
    }
}

/// What happens during a run, for whoever shows it.
#[derive(Debug, Clone)]
pub enum Event {
    /// Something to look at that does not stop the run.
    Warning(String),
    /// Another migrator is at work.
    Waiting {
        holders: Vec<Session>,
    },
    Starting {
        version: i64,
        file: String,
    },
    /// A lock could not be had; the file is tried again.
    Retrying {
        file: String,
        attempt: u32,
        pause: Duration,
        reason: String,
        holders: Vec<Session>,
    },
    /// An earlier attempt left an INVALID index.
    DroppedInvalidIndex {
        file: String,
        index: String,
    },
    Applied {
        version: i64,
        file: String,
        execution_ms: i64,
    },
    RolledBack {
        version: i64,
        file: String,
        execution_ms: i64,
    },
}

/// Whom to tell what happens.
pub type Report<'a> = &'a mut dyn FnMut(Event);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// The versions, in the order in which they were applied or rolled back.
    pub versions: Vec<i64>,
    /// The newest version that the database has now.
    pub version: Option<i64>,
}
