//! `GET /api/routes/snapshot`: the routes as a gateway reads them, all at once, and again as soon as they change.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Gateway;
use super::export::{self, Format};
use super::routes::{READ, shown_fields};
use super::snapshot::Snapshot;
use crate::config::{Kind, Value};
use crate::error::{Code, Error, Result};
use crate::fields::object_schema;
use crate::http::{Access, Call, Endpoint, Limit, Output, Parameter, Reply, Who, get};

/// How long a request may wait: less than most proxies do for an answer.
const WAIT_MAX: Duration = Duration::from_secs(55);

/// What it costs to make the configuration of another gateway, in requests.
const EXPORT_COST: u32 = 20;

/// What the request asks for.
struct Wanted {
    wait: Option<Duration>,
    etag: Option<String>,
    format: Option<Format>,
    port: u16,
}

pub(super) fn endpoint(gateway: &Arc<Gateway>) -> Endpoint {
    let gateway = gateway.clone();
    let output = json!({
        "type": "object",
        "description": "All enabled routes, in the order in which they are tried.",
        "required": ["etag", "routes"],
        "properties": {
            "etag": { "type": "string", "description": "Names this configuration, as the header ETag does." },
            "routes": { "type": "array", "items": object_schema(&shown_fields(), None) },
        },
        "additionalProperties": false,
    });
    get("/api/routes/snapshot", Access::Permission(READ), move |call| read(&gateway, call))
        .summary("Read all enabled routes, as a gateway does")
        .parameters(parameters)
        .answers(200, Output::Json(output))
        .named("", "RouteSnapshot")
        .also(200, Output::Text(export::TEXT))
        .also(200, Output::Text(export::YAML))
        .also(304, Output::Nothing)
        // A fleet of gateways may share a key, and all of them come at once when something has changed. What has to be made
        // for one of them has its price.
        .limit(Limit::None)
        .fails(&[Code::RateLimitExceeded])
}

fn parameters() -> Vec<Parameter> {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    vec![
        Parameter::new(
            "wait",
            "How long to wait for a change, if the client has the configuration already: 30s; at most 55s.",
            text("^[1-9][0-9]{0,3}ms$|^([1-9]|[1-4][0-9]|5[0-5])s$"),
        ),
        Parameter::new("etag", "What the client has, as If-None-Match says it too.", json!({ "type": "string" })),
        Parameter::new(
            "format",
            "Answer with the configuration of another gateway. The header X-Not-Expressed says how much that does not say, \
             or not quite; the file says what.",
            json!({ "type": "string", "enum": Format::ALL.map(Format::name) }),
        ),
        Parameter::new(
            "port",
            "With format: where that gateway listens; 8000 if nothing is said.",
            text("^[1-9][0-9]{0,3}$"),
        ),
    ]
}

fn read(gateway: &Gateway, call: &mut Call<'_, '_>) -> Result<Reply> {
    let wanted = wanted(call)?;
    let bell = &gateway.memory.bell;
    // Before the routes are looked at: a change behind the look is one that the bell has rung for since.
    let seen = bell.count();
    let snapshot = gateway.snapshot()?;
    let etag = format!("\"{}\"", snapshot.etag);
    let is_known = wanted.etag.is_some_and(|known| known.split(',').any(|known| is_same(known, &snapshot.etag)));
    let reply = match is_known {
        true => Reply::empty(304),
        false => match wanted.format {
            None => Reply::shared(snapshot.body()),
            Some(format) => exported(call, &snapshot, format, wanted.port)?,
        },
    };
    if let (true, Some(wait)) = (is_known, wanted.wait) {
        call.wait_for(bell, seen, call.arrival + wait);
    }
    Ok(reply.header("ETag", etag).header("Cache-Control", "private, no-cache"))
}

fn exported(call: &Call<'_, '_>, snapshot: &Snapshot, format: Format, port: u16) -> Result<Reply> {
    let who = Who::of(call.caller.as_deref(), call.address);
    let charge = || call.service.limits().charge_for(Limit::General, who, EXPORT_COST);
    let export = snapshot.exported(format, port, charge)?;
    let reply = Reply::text(format.media_type(), export.text.clone());
    Ok(reply.header("X-Not-Expressed", export.notes.len().to_string()))
}

fn wanted(call: &Call<'_, '_>) -> Result<Wanted> {
    let malformed = |message: String| Error::new(Code::MalformedRequest, message);
    const KNOWN: [&str; 4] = ["wait", "etag", "format", "port"];
    if let Some((name, _)) = call.query.iter().find(|(name, _)| !KNOWN.contains(name)) {
        return Err(malformed(format!("{name} is not known here; there are {}", KNOWN.join(", "))));
    }
    let format = call.query.one("format")?.map(|name| {
        let known = Format::ALL.map(Format::name).join(", ");
        Format::parse(name).ok_or_else(|| malformed(format!("format must be one of {known}")))
    });
    let port = call.query.one("port")?.map_or(Ok(export::PORT), |port| {
        let port = port.parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| malformed("port must be one between 1 and 65535".to_owned()))
    });
    let header = call.header("If-None-Match").map(str::to_owned);
    let etag = call.query.one("etag")?.map(str::to_owned).or(header);
    let wait = match call.query.one("wait")?.map(|text| Kind::Duration.parse(text)) {
        None => None,
        Some(Ok(Value::Duration(wait))) if wait <= WAIT_MAX => Some(wait),
        Some(_) => return Err(malformed("wait must be a time of at most 55s, like 30s or 500ms".to_owned())),
    };
    Ok(Wanted { wait, etag, format: format.transpose()?, port: port? })
}

/// Whether a tag that the client has is this one: in quotation marks or without, weak or strong.
fn is_same(known: &str, etag: &str) -> bool {
    let known = known.trim();
    known == "*" || known.strip_prefix("W/").unwrap_or(known).trim_matches('"') == etag
}
