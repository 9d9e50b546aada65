//! `GET /api/event-types`: what webhooks may ask for of what happens here.

use serde_json::json;

use super::resource::READ;
use crate::db::Which;
use crate::error::Result;
use crate::fields::{object_schema, text};
use crate::http::{Access, Call, Endpoint, Output, Reply, get};
use crate::sql;

pub(super) fn endpoint() -> Endpoint {
    let fields = [
        text("type").never_null().help("The type: routes.created."),
        text("resource").never_null().help("Of which resource; routes.* is all of its types, and * is all there are."),
    ];
    let page = json!({
        "type": "object",
        "properties": { "data": { "type": "array", "items": object_schema(&fields, None) } },
        "required": ["data"],
        "additionalProperties": false,
    });
    get("/api/event-types", Access::Permission(READ), list)
        .summary("List the types of events that happen here; others come by POST /api/webhook-events")
        .pool(Which::Readonly)
        .answers(200, Output::Json(page))
        .named("", "EventTypes")
}

fn list(call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let types = call.read(|statements| statements.json(&sql!("gateway/event_types/select"), &[]))?;
    Ok(Reply::value(200, &json!({ "data": types })))
}
