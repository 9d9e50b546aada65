//! Events: those of here, as administrators read them, and those that others bring.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Form, Mode, choice, integer, object, text};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, post};
use crate::resource::{Resource, Rule, explain};
use crate::sql;
use crate::sql::Json;

const READ: Permission = Permission::new("read:webhook-events", Role::Admin);
/// Receivers believe what they are told, so not everybody may tell them something.
const WRITE: Permission = Permission::new("write:webhook-events", Role::Admin);

const RULES: &[Rule] = &[
    Rule::new("webhook_events_type_is_lower_case_words", "type", "must be lower-case words with dots between them"),
    Rule::new("webhook_events_type_has_at_most_255_characters", "type", "must have at most 255 characters"),
    Rule::new("webhook_events_source_has_1_to_255_characters", "source", "must have 1 to 255 characters"),
    Rule::new("webhook_events_payload_is_an_object", "payload", "must be an object"),
    Rule::new("webhook_events_status_is_counted", "payload", "could not be counted"),
    Rule::new("webhook_events_counts_are_possible", "payload", "could not be counted"),
];

/// Where what happens here happens. Nobody else may say that of theirs.
const HERE: &str = "mainstay";

fn resource() -> Resource {
    Resource {
        fields: vec![
            text("type").required().form(Form::EVENT).help("What has happened: invoices.paid."),
            text("source").required().form(Form::LINE).help("Which system it happened in; mainstay is here."),
            object("payload")
                .required()
                .help("What receivers are told, as data. Over 20 kB they are told where to read it."),
            text("request_id").read_only().help("What the log calls the request."),
            choice("status", &["PENDING", "PROCESSING", "PROCESSED", "FAILED"])
                .read_only()
                .never_null()
                .help("How far its deliveries are, all together."),
            integer("deliveries").read_only().never_null().help("How many webhooks are told."),
            integer("unfinished").read_only().never_null().help("How many of these deliveries are not at their end."),
            integer("failed").read_only().never_null().help("How many were given up."),
            integer("attempts").read_only().never_null().help("Attempts of all of them that are over."),
        ],
        filters: &["type", "source", "payload", "request_id", "status", "deliveries", "unfinished", "failed"],
        beside: &["source", "payload", "deliveries", "unfinished", "failed"],
        is_log: true,
        is_partitioned: true,
        rules: RULES,
        ..Resource::new(
            "gateway.webhook_events",
            "webhook-events",
            "webhook event",
            sql!("gateway/webhook_events/select"),
            READ,
            WRITE,
        )
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let resource = resource();
    let fields = resource.all_fields();
    let create = post("/api/webhook-events", Access::Permission(WRITE), create)
        .summary("Tell webhooks of something that has happened elsewhere")
        .input(fields.clone(), Mode::Create)
        .answers(201, Output::Object(fields))
        .named("NewWebhookEvent", "WebhookEvent")
        .writes();
    [create].into_iter().chain(resource.endpoints()).collect()
}

fn create(call: &mut Call<'_, '_>) -> Result<Reply> {
    let body = call.input()?;
    if body.get("source") == Some(&json!(HERE)) {
        let message = "must be another system's name: what happens here is told by itself";
        return Err(Error::new(Code::ValidationError, format!("source {message}")).field("source", message));
    }
    let (body, actor) = (Value::Object(body).to_string(), call.actor());
    call.write(Many::No, |statements| {
        let bring = |statements: &mut dyn Statements| {
            statements.one(&sql!("gateway/webhook_events/bring"), &[&Json(&actor), &Json(&body)])
        };
        let row = match bring(statements) {
            Err(error) if error.is_missing_partition() => {
                super::jobs::make_partitions(statements)?;
                bring(statements)
            }
            row => row,
        };
        let row = row.map_err(|error| explain(error, "gateway.webhook_events", RULES))?;
        let location = format!("/api/webhook-events/{}", row.get::<_, Uuid>(1));
        Ok(Reply::json(201, row.get::<_, &str>(0)).header("Location", location))
    })
}
