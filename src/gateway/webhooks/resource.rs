//! The resource: webhooks, made with a secret that is shown once.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::signature::parse_secret;
use super::{Webhooks, secrets};
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, Mode, boolean, integer, list, map, object, record, text, timestamp, uuid};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, post};
use crate::resource::{Resource, Rule, as_object, explain};
use crate::sql;
use crate::sql::{Json, Query};

/// A webhook is told of everything that happens here, users included: nobody else may read or make one.
pub(in crate::gateway) const READ: Permission = Permission::new("read:webhooks", Role::Admin);
pub(in crate::gateway) const WRITE: Permission = Permission::new("write:webhooks", Role::Admin);

pub(super) const RULES: &[Rule] = &[
    Rule::new("webhooks_name_and_url_are_unique", "name", "is another webhook's with the same URL"),
    Rule::new("webhooks_creator_exists", "created_by", "is no user"),
    Rule::new("webhooks_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new("webhooks_url_is_http", "url", "must be a whole URL like https://example.org/hooks"),
    Rule::new("webhooks_url_has_at_most_2048_characters", "url", "must have at most 2048 characters"),
    Rule::new("webhooks_events_are_patterns", "events", "must be 1 to 100 of routes.created, routes.* and *"),
    Rule::new("webhooks_secret_is_sealed", "secret", "could not be kept"),
    Rule::new("webhooks_previous_secret_is_sealed", "secret", "could not be kept"),
    Rule::new("webhooks_previous_secret_has_key_and_end", "secret", "could not be kept"),
    Rule::new("webhooks_headers_is_an_object", "headers", "must be an object"),
    Rule::new("webhooks_retry_config_is_an_object", "retry_config", "must be an object"),
    Rule::new("webhooks_metadata_is_an_object", "metadata", "must be an object"),
    Rule::new("webhooks_last_status_is_http", "last_status", "must be a status"),
    Rule::new("webhooks_failure_count_is_not_negative", "failure_count", "must not be negative"),
    Rule::new("webhooks_disabled_since_a_time", "enabled", "must fit to disabled_at"),
    Rule::new("webhooks_disabled_reason_is_of_a_disabled_one", "enabled", "must fit to disabled_reason"),
];

/// What reads them, for this resource and for whole configurations.
pub(super) const SELECT: Query = sql!("gateway/webhooks/select");

const EVENTS_MAX: usize = 100;
const HEADERS_MAX: usize = 20;
const HEADER_CHARACTERS_MAX: usize = 1024;
const ATTEMPTS_MAX: usize = 20;
/// A week, in seconds: the longest wait between two attempts.
const WAIT_MAX: i64 = 7 * 24 * 3600;

/// A secret of 24 to 64 bytes.
const SECRET: Form = Form {
    format: None,
    pattern: Some(concat!(
        "^whsec_(([A-Za-z0-9+/]{4}){8,21}([A-Za-z0-9+/][AQgw]==)?",
        "|([A-Za-z0-9+/]{4}){8,20}[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$",
    )),
    expected: "whsec_ and 24 to 64 bytes in base64",
    check: |text| parse_secret(text).is_some(),
};

/// What an event may be asked for by.
const PATTERN: Form = Form {
    format: None,
    pattern: Some(r"^(\*|[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?)$"),
    expected: "the type of an event like routes.created, the beginning of some like routes.*, or *",
    check: is_pattern,
};

/// The form alone; where a URL may lead is the configuration's business.
const URL: Form = Form {
    format: None,
    pattern: Some("^https?://[!-~]+$"),
    expected: "a whole URL like https://example.org/hooks",
    check: |text| text.starts_with("https://") || text.starts_with("http://"),
};

/// The name of a header that is not mainstay's to set.
const HEADER_NAME: Form = Form {
    format: None,
    pattern: Some("^X-[A-Za-z0-9-]+$"),
    expected: "the name of a header, and of none that mainstay sets itself",
    check: is_header_name,
};

const HEADER_VALUE: Form = Form {
    format: None,
    pattern: Some("^([!-~]([ -~]*[!-~])?)?$"),
    expected: "a line of visible ASCII characters, without white space at its ends",
    check: |text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim_matches(' ').len() == text.len(),
};

/// Headers that are about the connection, or about where a body ends, or that we set.
const OWN_HEADERS: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn is_header_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        && !OWN_HEADERS.contains(&lower.as_str())
        && !lower.starts_with("webhook-")
}

fn is_pattern(text: &str) -> bool {
    text == "*" || (Form::EVENT.check)(text.strip_suffix(".*").unwrap_or(text))
}

fn resource(webhooks: &Arc<Webhooks>) -> Resource {
    let schedule = list("schedule", integer("").range(1, WAIT_MAX), ATTEMPTS_MAX)
        .required()
        .help("Seconds before each further attempt; an empty list is one attempt alone.");
    let webhooks = webhooks.clone();
    Resource {
        fields: vec![
            text("name").required().form(Form::LINE).help("What it is for."),
            text("url").required().max(2048).form(URL).help("Where events are posted."),
            list("events", text("").max(255).form(PATTERN), EVENTS_MAX)
                .required()
                .not_empty()
                .help("What is told: routes.created, routes.*, *."),
            map("headers", HEADER_NAME, text("value").max(HEADER_CHARACTERS_MAX).form(HEADER_VALUE).never_null(), HEADERS_MAX)
                .default(json!({}))
                .help("Headers of each request, beside those of Standard Webhooks."),
            record("retry_config", vec![schedule]).help(
                "When to try again. If null: after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h, and up to a fifth longer.",
            ),
            boolean("ordered").default(false).help("Whether each event waits until the one before it is delivered or given up."),
            boolean("enabled").default(true).help("Whether events are recorded for it, and sent."),
            object("metadata").default(json!({})).help("Anything else."),
            uuid("created_by").read_only().help("Who made it."),
            timestamp("previous_secret_until").read_only().help("Until when events are signed with the old secret, too."),
            timestamp("last_triggered_at").read_only().help("When an attempt ended last."),
            integer("last_status").read_only().help("The status of its answer; null if there was none."),
            integer("failure_count").read_only().never_null().help("Failures in a row."),
            timestamp("failing_since").read_only().help("When they began; after five days it is disabled."),
            timestamp("blocked_until").read_only().help("Until when nothing is sent, because of five of them or more."),
            text("disabled_reason").read_only().help("Why mainstay has disabled it, if it was not somebody."),
            timestamp("disabled_at").read_only().help("When it was disabled."),
        ],
        filters: &["name", "url", "events", "ordered", "enabled", "created_by", "last_status", "failure_count", "metadata"],
        sorts: &["name", "url", "failure_count"],
        update: Some(sql!("gateway/webhooks/update")),
        delete: Some(sql!("gateway/webhooks/delete")),
        rules: RULES,
        check: Some(Arc::new(move |body| check(&webhooks, body))),
        ..Resource::new("gateway.webhooks", "webhooks", "webhook", SELECT, READ, WRITE)
    }
}

/// The fields of a webhook that are its own.
pub(super) fn fields(webhooks: &Arc<Webhooks>) -> Vec<Field> {
    resource(webhooks).fields
}

/// All fields, and for once the secret among them.
pub(super) fn with_secret(webhooks: &Arc<Webhooks>) -> Vec<Field> {
    let secret =
        text("secret").read_only().help("The secret. It is shown this once: null where the reply is given again.");
    resource(webhooks).all_fields().into_iter().chain([secret]).collect()
}

pub(super) fn given_secret() -> Field {
    text("secret")
        .write_only()
        .max(128)
        .form(SECRET)
        .help("whsec_ and 24 to 64 bytes in base64; one is made if it is not given.")
}

pub(super) fn endpoints(webhooks: &Arc<Webhooks>) -> Vec<Endpoint> {
    let resource = resource(webhooks);
    let input = resource.all_fields().into_iter().chain([given_secret()]).collect();
    let maker = webhooks.clone();
    let create = post("/api/webhooks", Access::Permission(WRITE), move |call| create(&maker, call))
        .summary("Make a webhook; its secret is shown this once")
        .input(input, Mode::Create)
        .check(resource.check.clone())
        .answers(201, Output::Object(with_secret(webhooks)))
        .named("NewWebhook", "WebhookWithSecret")
        .writes();
    [create].into_iter().chain(resource.endpoints()).collect()
}

fn create(webhooks: &Webhooks, call: &mut Call<'_, '_>) -> Result<Reply> {
    let mut body = call.input()?;
    let (id, secret) = webhooks.seal_new(&mut body, call.caller()?.user_id.into())?;
    let (body, actor) = (Value::Object(body).to_string(), call.actor());
    let query = sql!("gateway/webhooks/insert");
    let text = as_object(&query);
    call.write(Many::No, |statements| {
        let rows = statements.all_of(query.name, Cow::Borrowed(&text), &[&Json(&actor), &Json(&body)]);
        let rows = rows.map_err(|error| explain(error, "gateway.webhooks", RULES))?;
        let row = rows.first().ok_or_else(|| Error::internal("a webhook was made, and is not there"))?;
        let (shown, kept) = secrets::shown(row.get(0), &secret);
        let reply = Reply::json(201, shown).keeping(kept).version(row.get(1));
        Ok(reply.header("Location", format!("/api/webhooks/{id}")))
    })
}

/// What no field can say of itself: where the URL leads, and that a list is not empty.
pub(in crate::gateway) fn check(webhooks: &Webhooks, body: &Map<String, Value>) -> Result<()> {
    let Some(Err(problem)) = body.get("url").and_then(Value::as_str).map(|url| webhooks.reach.check(url)) else {
        return Ok(());
    };
    Err(Error::new(Code::ValidationError, format!("url {problem}")).field("url", problem))
}
