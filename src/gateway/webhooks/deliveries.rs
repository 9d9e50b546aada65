//! Deliveries, as administrators read them; and what they may do about one.

use std::borrow::Cow;

use uuid::Uuid;

use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, choice, integer, text, timestamp, uuid};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, post};
use crate::resource::Resource;
use crate::sql;
use crate::sql::{Json, Query};

const READ: Permission = Permission::new("read:webhook-deliveries", Role::Admin);
const WRITE: Permission = Permission::new("write:webhook-deliveries", Role::Admin);

fn resource() -> Resource {
    Resource {
        fields: vec![
            uuid("event_id").read_only().never_null().help("What has happened; receivers know it as webhook-id."),
            uuid("webhook_id").read_only().never_null().help("Who is told."),
            text("event_type").read_only().never_null().help("The event's type."),
            choice("status", &["PENDING", "DELIVERING", "SUCCEEDED", "FAILED", "CANCELLED"])
                .read_only()
                .never_null()
                .help("How far it is."),
            integer("attempt").read_only().never_null().help("Attempts so far."),
            timestamp("next_attempt_at").read_only().help("When the next one is due, if there is one."),
            integer("response_status").read_only().help("The status of the last answer."),
            integer("response_ms").read_only().unit("ms").help("How long the last attempt took."),
            text("response_excerpt").read_only().help("The beginning of the last answer's body."),
            text("error").read_only().help("What went wrong with the last attempt."),
            timestamp("finished_at").read_only().help("When it came to its end."),
        ],
        filters: &[
            "event_id",
            "webhook_id",
            "event_type",
            "status",
            "attempt",
            "next_attempt_at",
            "response_status",
            "response_ms",
            "finished_at",
        ],
        beside: &[
            "event_type",
            "attempt",
            "next_attempt_at",
            "response_status",
            "response_ms",
            "finished_at",
            "created_at",
        ],
        is_log: true,
        ..Resource::new(
            "gateway.webhook_deliveries",
            "webhook-deliveries",
            "webhook delivery",
            sql!("gateway/webhook_deliveries/select"),
            READ,
            WRITE,
        )
    }
}

/// What replies show of a delivery.
pub(super) fn fields() -> Vec<Field> {
    resource().all_fields()
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let change = |path: &str, summary: &str, query: Query, why_not: &'static str| {
        let text = format!("WITH q AS (\n{}\n)\nSELECT to_json(q)::text FROM q", query.text);
        post(path, Access::Permission(WRITE), move |call| change(call, query.name, &text, why_not))
            .summary(summary.to_owned())
            .answers(200, Output::Object(fields()))
            .named("", "WebhookDelivery")
            .fails(&[Code::Conflict])
            .writes()
    };
    let mut endpoints = vec![
        change(
            "/api/webhook-deliveries/{id}/retry",
            "Make a delivery again that has come to its end, whichever",
            sql!("gateway/webhook_deliveries/retry"),
            "is on its way already",
        ),
        change(
            "/api/webhook-deliveries/{id}/cancel",
            "Give up a delivery that waits",
            sql!("gateway/webhook_deliveries/cancel"),
            "is not waiting: it is being made just now, or has come to its end",
        ),
    ];
    endpoints.extend(resource().endpoints());
    endpoints
}

fn change(call: &mut Call<'_, '_>, name: &str, text: &str, why_not: &str) -> Result<Reply> {
    let (id, actor) = (call.id()?, call.actor());
    call.write(Many::No, |statements| {
        let rows = statements.all_of(name, Cow::Borrowed(text), &[&Json(&actor), &id])?;
        match rows.first() {
            Some(row) => Ok(Reply::json(200, row.get::<_, &str>(0))),
            None => Err(why_nothing(statements, id, why_not)),
        }
    })
}

/// Why a change found no delivery: there is none, its event is gone, or it is in no state for that.
fn why_nothing(statements: &mut dyn Statements, id: Uuid, why_not: &str) -> Error {
    match statements.maybe(&sql!("gateway/webhook_deliveries/state"), &[&id]) {
        Err(error) => error,
        Ok(None) => Error::new(Code::NotFound, format!("there is no webhook delivery with the id {id}")),
        Ok(Some(row)) if !row.get::<_, bool>("has_event") => {
            Error::new(Code::Conflict, "the event of this delivery is not kept any more")
        }
        Ok(Some(_)) => Error::new(Code::Conflict, format!("this delivery {why_not}")),
    }
}
