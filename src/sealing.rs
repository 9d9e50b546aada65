//! Secrets in the database: before anything is sealed, it is made sure that the keys of now open all that is there; what the
//! key before this one has sealed is sealed again, so that one day nobody needs that key any more.
//!
//! Knows no table: each domain says where its secrets are.

use uuid::Uuid;

use crate::db::{Session, Statements, TransactionOptions};
use crate::error::Result;
use crate::secret::{Keys, Place, Sealed};
use crate::sql::Query;

/// Secrets that are sealed again in one transaction.
const AT_ONCE: i64 = 100;

/// Where secrets of one kind are, and how they are found.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// The table that they are sealed for.
    pub table: &'static str,
    /// Those that another key than $1 has sealed, in rows from $2 on, at most $3, sorted by row and locked: `id`, `place`
    /// (the column that they are sealed for), `name`, `text` and `key_id`.
    pub stale: Query,
    /// Keeps the secret of the name $2 in row $1 as $3, which the key $4 has sealed, if it still is $5: whoever waited for
    /// a row that was locked has read what it was before.
    pub reseal: Query,
}

/// Seals again what another key has sealed, and lets the keys seal more. A secret that they do not open is an error.
pub fn settle(keys: &Keys, session: &mut Session, stores: &[Store]) -> Result<()> {
    for store in stores {
        let count = renew(keys, session, store)?;
        if count > 0 {
            log::info!("sealed {count} secrets in {} again, with the key {}", store.table, keys.id());
        }
    }
    keys.trust();
    Ok(())
}

fn renew(keys: &Keys, session: &mut Session, store: &Store) -> Result<usize> {
    let (mut from, mut count) = (Uuid::nil(), 0);
    loop {
        let renewed = session.transaction(TransactionOptions::default(), |transaction| {
            let rows = transaction.all(&store.stale, &[&keys.id(), &from, &AT_ONCE])?;
            for row in &rows {
                let place = Place { table: store.table, column: row.get("place"), row: row.get("id") };
                let before = Sealed { text: row.get("text"), key_id: row.get("key_id") };
                let Sealed { text, key_id } = keys.reseal(place, &keys.open(place, &before)?)?;
                let name: &str = row.get("name");
                transaction.exec(&store.reseal, &[&place.row, &name, &text, &key_id, &before.text])?;
            }
            Ok(rows.last().map(|row| (row.get("id"), rows.len())))
        })?;
        let Some((last, more)) = renewed else { return Ok(count) };
        (from, count) = (last, count + more);
    }
}
