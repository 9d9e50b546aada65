//! Notifications: what users are told. Administrators and the other domains send them; users read and remove their own.

use serde_json::json;

use crate::error::{Code, Error, Result};
use crate::fields::{Form, integer, object, text, timestamp, uuid};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, post};
use crate::resource::{Resource, Rule, as_object};
use crate::sql;
use crate::sql::Json;

const READ: Permission = Permission::new("read:notifications", Role::Viewer);
const WRITE: Permission = Permission::new("write:notifications", Role::Viewer);

const RULES: &[Rule] = &[
    Rule::new("notifications_user_exists", "user_id", "is no user"),
    Rule::new("notifications_type_is_lower_case_words", "type", "must be lower-case words with dots between them"),
    Rule::new("notifications_type_has_at_most_255_characters", "type", "must have at most 255 characters"),
    Rule::new("notifications_title_has_1_to_255_characters", "title", "must have 1 to 255 characters"),
    Rule::new("notifications_body_has_at_most_10000_characters", "body", "must have at most 10000 characters"),
    Rule::new("notifications_data_is_an_object", "data", "must be an object"),
];

fn resource() -> Resource {
    Resource {
        fields: vec![
            uuid("user_id").required().fixed().help("Who is told."),
            text("type")
                .required()
                .fixed()
                .form(Form::EVENT)
                .help("What it is about, like the names of events: executions.failed."),
            text("title").required().fixed().form(Form::LINE).help("What has happened, in a line."),
            text("body").max(10_000).fixed().default("").help("The rest."),
            object("data").fixed().default(json!({})).help("What programs need to know of it."),
            timestamp("read_at").help("When it was read; null is not yet."),
            timestamp("expires_at").fixed().help("When it is of no interest any more: then it is gone."),
        ],
        filters: &["user_id", "type", "read_at", "expires_at", "data"],
        beside: &["read_at", "expires_at", "data", "created_at", "updated_at"],
        insert: Some(sql!("telemetry/notifications/insert")),
        update: Some(sql!("telemetry/notifications/update")),
        delete: Some(sql!("telemetry/notifications/delete")),
        create: Permission::new("write:notifications", Role::Admin),
        is_guarded: true,
        own: Some("t.user_id = {user}"),
        rules: RULES,
        ..Resource::new(
            "telemetry.notifications",
            "notifications",
            "notification",
            sql!("telemetry/notifications/select"),
            READ,
            WRITE,
        )
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let resource = resource();
    let fields = resource.all_fields();
    let write = Access::Permission(WRITE);
    let affected = integer("affected").read_only().never_null().help("How many there were.");
    let mut endpoints = vec![
        post("/api/notifications/{id}/read", write, read)
            .summary("Note that one has read a notification")
            .answers(200, Output::Object(fields))
            .named("", "Notification"),
        post("/api/notifications/read-all", write, read_all)
            .summary("Note that one has read all one's notifications")
            .answers(200, Output::Object(vec![affected]))
            .named("", "Affected"),
    ];
    endpoints = endpoints.into_iter().map(|endpoint| endpoint.guarded(true).writes()).collect();
    endpoints.extend(resource.endpoints());
    endpoints
}

/// Only one's own: that an administrator has seen it does not mean that the user has.
fn read(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, actor, user) = (call.id()?, call.actor(), call.caller()?.user_id);
    let query = sql!("telemetry/notifications/read");
    let text = as_object(&query);
    call.write(Many::No, |statements| {
        let rows = statements.all_of(query.name, text.as_str().into(), &[&Json(&actor), &user, &id])?;
        let row = rows.first().ok_or_else(|| {
            Error::new(Code::NotFound, format!("there is no notification with the id {id} for this user"))
        })?;
        Ok(Reply::json(200, row.get::<_, &str>(0)).version(row.get(1)))
    })
}

fn read_all(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (actor, user) = (call.actor(), call.caller()?.user_id);
    call.write(Many::No, |statements| {
        let affected = statements.exec(&sql!("telemetry/notifications/read_all"), &[&Json(&actor), &user])?;
        Ok(Reply::value(200, &json!({ "affected": affected })))
    })
}
