//! Claims deliveries for this server.

use std::time::Instant;

use postgres::Row;
use uuid::Uuid;

use super::Webhooks;
use super::attempt::Target;
use super::envelope::Event;
use super::lanes::Free;
use super::outcome::Claim;
use crate::db::{Params, Session, Statements, TransactionOptions};
use crate::error::Result;
use crate::sql;

/// A lease is so many times as long as an attempt may take.
const LEASE_ATTEMPTS: u32 = 2;

/// A delivery that has been claimed.
pub(super) struct Claimed {
    pub claim: Claim,
    pub target: Result<Target>,
    pub event: Option<Event>,
}

/// Claims what is due, as much of it as there is room for.
pub(super) fn claim(webhooks: &Webhooks, session: &mut Session, free: &Free) -> Result<Vec<Claimed>> {
    let lease = webhooks.timeout * LEASE_ATTEMPTS;
    let until = Instant::now() + lease;
    let (each, quick, others) = (webhooks.in_flight_each as i32, free.quick as i64, free.others as i64);
    let rows = session.transaction(TransactionOptions::default(), |transaction| {
        let parameters: Params<'_> = &[&each, &free.quick_webhooks, &quick, &others];
        let locked = transaction.all(&sql!("gateway/webhooks/lock_due"), parameters)?;
        let locked: Vec<Uuid> = locked.iter().map(|row| row.get(0)).collect();
        if locked.is_empty() {
            return Ok(Vec::new());
        }
        let parameters: Params<'_> = &[
            &(lease.as_millis() as i64),
            &quick,
            &each,
            &free.quick_webhooks,
            &others,
            &(free.others_first as i64),
            &locked,
        ];
        transaction.all(&sql!("gateway/webhook_deliveries/claim"), parameters)
    })?;
    Ok(rows.iter().map(|row| Claimed::read(webhooks, row, until)).collect())
}

impl Claimed {
    fn read(webhooks: &Webhooks, row: &Row, until: Instant) -> Claimed {
        let claim = Claim {
            id: row.get("id"),
            webhook: row.get("webhook_id"),
            fence: row.get("fence"),
            attempt: row.get("attempt"),
            until,
        };
        let event = row.get::<_, Option<String>>("type").map(|kind| Event {
            id: row.get("event_id"),
            kind,
            timestamp: row.get("timestamp"),
            payload: row.get("payload"),
        });
        Claimed { claim, target: Target::read(webhooks, row), event }
    }
}
