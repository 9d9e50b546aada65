//! What has happened in some time is told to a webhook again; and what waits for one is given up.

use serde_json::{Value, json};

use super::resource::WRITE;
use super::rotation::not_found;
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Mode, choice, integer, timestamp};
use crate::http::{Access, Call, Endpoint, Many, Output, Reply, post};
use crate::sql;
use crate::sql::Json;

/// Deliveries that one call makes or gives up.
const DELIVERIES_MAX: i64 = 10_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let write = Access::Permission(WRITE);
    let input = vec![
        timestamp("from").required().help("The time of the first event."),
        timestamp("to").help("Events from then on are left out; now, unless it is said."),
        choice("only", &["undelivered", "all"])
            .default("undelivered")
            .help("Whether what was delivered already is delivered again, too."),
    ];
    let affected = || integer("affected").read_only().never_null().help("How many deliveries there were.");
    let is_all = crate::fields::boolean("is_all").read_only().never_null().help(format!(
        "Whether that was all; else call again: one call is for {DELIVERIES_MAX} at most, the oldest first."
    ));
    vec![
        post("/api/webhooks/{id}/replay", write, replay)
            .summary("Deliver to a webhook again, or for the first time, what happened in a time")
            .input(input, Mode::Create)
            .answers(200, Output::Object(vec![affected(), is_all.clone()]))
            .named("Replay", "Replayed")
            .writes(),
        post("/api/webhooks/{id}/cancel", write, cancel)
            .summary("Give up all deliveries that wait for a webhook")
            .answers(200, Output::Object(vec![affected(), is_all]))
            .named("", "Replayed")
            .writes(),
    ]
}

fn replay(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, input) = (call.id()?, call.input()?);
    let moment = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let from = moment("from").unwrap_or_default();
    let to = moment("to").unwrap_or_else(|| "now".to_owned());
    let is_everything = input.get("only") == Some(&json!("all"));
    let actor = call.actor();
    let affected_max = call.preferences()?.affected_max;
    call.write(Many::Yes, |statements| {
        exists(statements, id)?;
        let parameters: crate::db::Params<'_> = &[&Json(&actor), &id, &from, &to, &is_everything, &DELIVERIES_MAX];
        let row = statements.one(&sql!("gateway/webhook_deliveries/replay"), parameters)?;
        let affected: i64 = row.get("affected");
        if let Some(max) = affected_max.filter(|max| affected as u64 > *max) {
            let message = format!("{affected} deliveries would be made, and Prefer allows {max}; nothing was changed");
            return Err(Error::new(Code::MalformedRequest, message));
        }
        let is_all = row.get::<_, i64>("wanted") < DELIVERIES_MAX;
        Ok(Reply::value(200, &json!({ "affected": affected, "is_all": is_all })))
    })
}

fn cancel(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, actor) = (call.id()?, call.actor());
    call.write(Many::Yes, |statements| {
        exists(statements, id)?;
        let query = sql!("gateway/webhook_deliveries/cancel_all");
        let affected = statements.exec(&query, &[&Json(&actor), &id, &DELIVERIES_MAX])?;
        let is_all = affected < DELIVERIES_MAX as u64;
        Ok(Reply::value(200, &json!({ "affected": affected, "is_all": is_all })))
    })
}

fn exists(statements: &mut dyn Statements, id: uuid::Uuid) -> Result<()> {
    let found = statements.maybe(&sql!("gateway/webhooks/exists"), &[&id])?;
    found.map(|_| ()).ok_or_else(|| not_found(id))
}
