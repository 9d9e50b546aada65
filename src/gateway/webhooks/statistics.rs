//! How it goes with a webhook.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;
use uuid::{NoContext, Timestamp};

use super::resource::READ;
use super::rotation::not_found;
use crate::config::show_time;
use crate::db::Which;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, integer, number, timestamp};
use crate::http::{Access, Call, Endpoint, Output, Parameter, Reply, get};
use crate::sql;

const HOURS_DEFAULT: u64 = 24;
/// A month.
const HOURS_MAX: u64 = 31 * 24;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let parameters = || {
        let help = format!("How many hours to look back: {HOURS_DEFAULT}.");
        let schema = serde_json::json!({ "type": "integer", "minimum": 1, "maximum": HOURS_MAX });
        vec![Parameter::new("hours", help, schema)]
    };
    vec![
        get("/api/webhooks/{id}/statistics", Access::Permission(READ), statistics)
            .summary("Show what became of a webhook's deliveries, and what waits")
            .pool(Which::Readonly)
            .parameters(parameters)
            .answers(200, Output::Object(fields()))
            .named("", "WebhookStatistics")
            .fails(&[Code::MalformedRequest]),
    ]
}

fn fields() -> Vec<Field> {
    let count = |name: &'static str, help: &'static str| integer(name).read_only().never_null().help(help);
    let time = |name: &'static str, help: &'static str| integer(name).read_only().unit("ms").help(help);
    vec![
        timestamp("since").read_only().never_null().help("From when on deliveries are counted."),
        count("deliveries", "Deliveries that began since then."),
        count("succeeded", "Those of them that succeeded."),
        count("failed", "Those that were given up."),
        count("cancelled", "Those that somebody gave up."),
        count("attempts", "Attempts of all of them."),
        number("attempts_per_success").read_only().help("How many attempts a success took, on average."),
        time("response_ms_median", "How long half of the last attempts took at most."),
        time("response_ms_95", "How long 95 of 100 took at most."),
        time("response_ms_max", "How long the longest took."),
        timestamp("last_success_at").read_only().help("When one succeeded last, of these."),
        timestamp("last_failure_at").read_only().help("When one was given up last, of these."),
        count("pending", "Deliveries that wait, since whenever."),
        count("delivering", "Deliveries that are being made."),
        timestamp("oldest_waiting_since").read_only().help("When the oldest of these began."),
    ]
}

fn statistics(call: &mut Call<'_, '_>) -> Result<Reply> {
    let id = call.id()?;
    let hours = hours(call)?;
    let since = SystemTime::now() - Duration::from_secs(hours * 3600);
    let since = since.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let parameters: (Uuid, String) = (first_id(since), show_time(since));
    let query = sql!("gateway/webhooks/statistics");
    let rows = call.read(|statements| statements.json(&query, &[&id, &parameters.0, &parameters.1]))?;
    let found = rows.first().ok_or_else(|| not_found(id))?;
    Ok(Reply::value(200, found))
}

fn hours(call: &Call<'_, '_>) -> Result<u64> {
    if let Some((name, _)) = call.query.iter().find(|(name, _)| *name != "hours") {
        return Err(Error::new(Code::MalformedRequest, format!("{name} is not known; there is hours")));
    }
    let Some(text) = call.query.one("hours")? else { return Ok(HOURS_DEFAULT) };
    let hours = text.parse().ok().filter(|hours| (1..=HOURS_MAX).contains(hours));
    hours.ok_or_else(|| Error::new(Code::MalformedRequest, format!("hours must be between 1 and {HOURS_MAX}")))
}

/// No id that was made at a time, in seconds since 1970, or later is before this one.
pub(super) fn first_id(seconds: u64) -> Uuid {
    let made = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0));
    let mut bytes = *made.as_bytes();
    bytes[6..].fill(0);
    Uuid::from_bytes(bytes)
}
