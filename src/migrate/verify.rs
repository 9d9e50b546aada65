//! Whether files and database still say the same: the history, and the catalogue itself.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use postgres::Client;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};

use super::catalogue::{self, Catalogue, Difference};
use super::files::Migrations;
use super::partitions::Partitioned;
use super::plan::{self, Problem};
use super::text::{identifier, literal};
use super::{Options, history, runner};
use crate::error::{Code, Error, Result};
use crate::sql::Query;

/// What was found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Verification {
    /// Contradictions: nothing can be applied until they are resolved.
    pub problems: Vec<Problem>,
    /// Numbers that are left out between two files.
    pub gaps: Vec<i64>,
    /// Applied migrations that cannot be undone.
    pub without_rollback: Vec<i64>,
    /// What is odd about the files.
    pub warnings: Vec<String>,
    /// Where the live catalogue is not what the files make.
    pub drift: Vec<Difference>,
}

impl Verification {
    /// Whether everything that matters agrees. A gap or a missing way back is no disagreement.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.drift.is_empty()
    }
}

/// Gaps wider than this are not gaps but another way of counting, by dates.
const GAP_MAX: i64 = 100;

/// Compares files, history and catalogue. For the catalogue, the applied files are run in a scratch database on the same
/// server; `connect` opens a connection to a database of that name.
pub fn verify(
    client: &mut Client,
    migrations: &Migrations,
    connect: &mut dyn FnMut(&str) -> Result<Client>,
) -> Result<Verification> {
    let applied = history::read(client)?.unwrap_or_default();
    let problems = plan::problems(migrations, &applied);
    let versions: Vec<i64> = applied.iter().map(|row| row.version).collect();
    let has_way_back = |version: i64| migrations.find(version).is_some_and(|migration| migration.rollback.is_some());
    let without_rollback =
        applied.iter().filter(|row| !row.has_rollback && !has_way_back(row.version)).map(|row| row.version).collect();
    let expected = in_scratch(client, &migrations.only(&versions), connect)?;
    let found = catalogue::read(client)?;
    let mut drift = catalogue::differences(&expected, &found);
    let partitioned: Vec<Partitioned> = client.query(Partitioned::ALL.text, &[])?.iter().map(Partitioned::of).collect();
    let without = partitioned.into_iter().filter(|table| !table.has_today);
    drift.extend(without.map(|it| Difference::missing("partition for today of", it.table)));
    Ok(Verification {
        problems,
        gaps: gaps(migrations),
        without_rollback,
        warnings: migrations.warnings.clone(),
        drift,
    })
}

fn gaps(migrations: &Migrations) -> Vec<i64> {
    let pairs = migrations.list.windows(2);
    let between = pairs.map(|pair| pair[0].version + 1..pair[1].version);
    between.filter(|gap| gap.end - gap.start < GAP_MAX).flatten().collect()
}

/// Before the time and the chance number in a scratch database's name.
const SCRATCH: &str = "mainstay_verify_";

/// A scratch database that is older and that nobody is connected to was left by a run that was killed. A living run
/// connects within seconds of making it, and stays connected until it drops it.
const SCRATCH_MAX: Duration = Duration::from_secs(600);

/// A name for a scratch database, with the server's time: PostgreSQL does not keep when a database was made.
fn scratch_name(client: &mut Client) -> Result<String> {
    let row = client.query_typed_one("SELECT extract(epoch FROM now())::bigint", &[])?;
    let chance = RandomState::new().build_hasher().finish();
    Ok(format!("{SCRATCH}{}_{chance:016x}", row.get::<_, i64>(0)))
}

/// Drops the scratch databases of runs that were killed. Help, not duty: what cannot be dropped stays for somebody else.
fn drop_stale(client: &mut Client) {
    const STALE: Query = crate::sql!("migrate/stale_scratch");
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&SCRATCH, Type::TEXT), (&(SCRATCH_MAX.as_secs() as i64), Type::INT8)];
    for row in client.query_typed(STALE.text, &parameters).unwrap_or_default() {
        // Without FORCE: who has connected in this moment keeps it.
        let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {}", identifier(row.get(0))));
    }
}

/// The catalogue that the files make in an empty database, which is gone afterwards.
fn in_scratch(
    client: &mut Client,
    migrations: &Migrations,
    connect: &mut dyn FnMut(&str) -> Result<Client>,
) -> Result<Catalogue> {
    drop_stale(client);
    let name = scratch_name(client)?;
    create_like(client, &name)?;
    let result = connect(&name).and_then(|mut scratch| {
        runner::migrate(&mut scratch, migrations, &Options::default(), &mut |_| {}).map_err(|error| {
            let message = format!("the migrations do not run in an empty database:\n{}", error.message);
            Error::new(error.code, message).because(error)
        })?;
        catalogue::read(&mut scratch)
    });
    let dropped = client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(&name)));
    let catalogue = result?;
    dropped.map_err(|error| {
        Error::internal(format!("the scratch database {name} could not be dropped: drop it by hand")).because(error)
    })?;
    Ok(catalogue)
}

/// An empty database with this one's encoding and locale.
fn create_like(client: &mut Client, name: &str) -> Result<()> {
    let query = "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_catalog.pg_database \
                 WHERE datname = current_database()";
    let row = client.query_typed_one(query, &[])?;
    let (encoding, collate, character): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let create = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        identifier(name),
        literal(&encoding),
        literal(&collate),
        literal(&character),
    );
    client.batch_execute(&create).map_err(|error| match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::new(
            Code::InsufficientPermissions,
            "to compare the catalogue, the migrations are run in a scratch database, and this role may not create \
             one: ALTER ROLE … CREATEDB, or verify as a role that may",
        )
        .because(error),
        _ => error.into(),
    })
}
