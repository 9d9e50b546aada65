//! Services: what runs for a project, and how it has been doing.

use std::sync::Arc;

use serde_json::json;

use super::{Devx, environment};
use crate::fields::{Form, Mode, boolean, choice, integer, object, text, timestamp, uuid};
use crate::http::{Access, Endpoint, Output, Permission, Role, post};
use crate::resource::{Resource, Rule};
use crate::sql;

const READ: Permission = Permission::new("read:services", Role::Viewer);
const WRITE: Permission = Permission::new("write:services", Role::User);

/// The steps of a service's life; the schema says which leads where.
const STATUSES: &[&str] = &["inactive", "deploying", "active", "failed", "stopped"];

const LIFE_CYCLE: &str = "must follow the life cycle: inactive, deploying, active; what is deploying or active may fail or \
    be stopped; from there it is deployed again";

const RULES: &[Rule] = &[
    Rule::new("services_slug_is_unique", "slug", "is another service's"),
    Rule::new("services_template_exists", "template_id", "is no template"),
    Rule::new("services_user_exists", "user_id", "is no user"),
    Rule::new("services_project_exists", "project_id", "is no project"),
    Rule::new("services_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new(
        "services_slug_is_lower_case_words",
        "slug",
        "must be lower-case letters and digits, with single hyphens",
    ),
    Rule::new("services_slug_has_at_most_63_characters", "slug", "must have at most 63 characters"),
    Rule::new("services_description_has_at_most_10000_characters", "description", "must have at most 10000 characters"),
    Rule::new("services_type_is_a_lower_case_word", "service_type", "must be a lower-case word"),
    Rule::new("services_port_is_one", "port", "must be between 1 and 65535"),
    Rule::new("services_health_check_is_a_url", "health_check_url", "must be a URL with http or https"),
    Rule::new(
        "services_health_check_has_a_url",
        "health_check_url",
        "must be given where health_check_enabled is true",
    ),
    Rule::new("services_status_is_known", "status", "must be inactive, deploying, active, failed or stopped"),
    Rule::new("services_begin_as_inactive", "status", "must be inactive at the beginning"),
    Rule::new("services_was_deployed_when_it_is_active", "status", "must be inactive at the beginning"),
    Rule::new("services_go_through_their_life_cycle", "status", LIFE_CYCLE),
    Rule::new("services_deployment_config_is_an_object", "deployment_config", "must be an object"),
    Rule::new("services_environment_vars_is_an_object", "environment_vars", "must be an object"),
    Rule::new("services_environment_secrets_is_an_object", "environment_vars", "could not be kept"),
    Rule::new("services_secrets_have_values", "environment_vars", "has a secret without a value"),
    Rule::new("services_resource_limits_is_an_object", "resource_limits", "must be an object"),
    Rule::new("services_health_status_is_known", "health_status", "must be UP or DOWN"),
];

fn services(devx: &Arc<Devx>) -> Resource {
    let devx = devx.clone();
    Resource {
        fields: vec![
            text("name").required().form(Form::LINE).help("What people call the service."),
            text("slug")
                .max(63)
                .form(Form::SLUG)
                .never_null()
                .help("Its name in URLs; unique. Made from the name, unless given."),
            text("description").max(10_000).help("What it does."),
            uuid("template_id").help("What it was made from."),
            uuid("user_id").never_null().help("Whose it is; the caller's, unless it is given."),
            uuid("project_id").help("The project that it runs for."),
            text("service_type").max(50).form(Form::WORD).default("api").help("What kind it is."),
            integer("port").range(1, 65_535).help("Where it listens."),
            text("health_check_url").max(500).form(Form::WEB_URL).help("What answers whether it is well."),
            boolean("health_check_enabled").default(false).help("Whether that is asked now and then."),
            choice("status", STATUSES).default("inactive").help(
                "Where it is in its life: inactive, deploying, active; failed and stopped are left by deploying again.",
            ),
            object("deployment_config").default(json!({})).help("How it is deployed."),
            object("environment_vars").default(json!({})).help("What it finds in its environment: texts by name; {\"secret\": true, \"value\": \"…\"} is encrypted, and never shown."),
            object("resource_limits").default(json!({})).help("What it may use."),
            timestamp("deployed_at").read_only().help("When it became active last."),
            choice("health_status", &["UP", "DOWN"]).read_only().help("How it was when it was asked last."),
            timestamp("health_checked_at").read_only().help("When that was."),
        ],
        filters: &[
            "name",
            "slug",
            "template_id",
            "user_id",
            "project_id",
            "service_type",
            "status",
            "health_status",
            "deployed_at",
        ],
        beside: &["service_type", "deployed_at"],
        sorts: &["name", "slug"],
        insert: Some(sql!("devx/services/insert")),
        update: Some(sql!("devx/services/update")),
        delete: Some(sql!("devx/services/delete")),
        is_guarded: true,
        own: Some(super::OWN),
        rules: RULES,
        prepare: Some(Box::new(move |call, mode, body| {
            if mode == Mode::Create {
                let user = json!(call.caller()?.user_id);
                body.entry("user_id").or_insert(user);
            }
            environment::prepare(&devx.keys, call, mode, body)
        })),
        ..Resource::new("devx.services", "services", "service", sql!("devx/services/select"), READ, WRITE)
    }
}

/// How services were, each time that they were asked.
fn health_checks() -> Resource {
    Resource {
        fields: vec![
            uuid("service_id").read_only().never_null().help("The service."),
            choice("status", &["UP", "DOWN"]).read_only().never_null().help("How it was."),
            integer("response_status").read_only().help("The status of its answer."),
            integer("response_ms").read_only().unit("ms").help("How long it took."),
            text("error").read_only().help("Why there was no answer."),
        ],
        filters: &["service_id", "status", "response_status"],
        beside: &["status", "response_status"],
        is_guarded: true,
        own: Some(
            "t.service_id = ANY (ARRAY(SELECT s.id FROM devx.services AS s \
             WHERE s.user_id = {user} OR s.project_id = ANY (ARRAY(SELECT devx.current_project_ids()))))",
        ),
        is_log: true,
        ..Resource::new(
            "devx.health_checks",
            "health-checks",
            "health check",
            sql!("devx/health_checks/select"),
            READ,
            WRITE,
        )
    }
}

pub(super) fn endpoints(devx: &Arc<Devx>) -> Vec<Endpoint> {
    let services = services(devx);
    let devx = devx.clone();
    let environment = object("environment_vars").never_null().help("All of it: texts by name.");
    let mut endpoints = vec![
        post("/api/services/{id}/reveal", Access::Permission(WRITE), move |call| environment::reveal(&devx, call))
            .summary("Read the environment of a service with its secrets, which is told to all who share it")
            .answers(200, Output::Object(vec![environment]))
            .named("", "ServiceEnvironment")
            // No `writes`: it is neither tried nor a part of a batch, both of which could take its trace back.
            .guarded(true),
    ];
    endpoints.extend(services.endpoints());
    endpoints.extend(health_checks().endpoints());
    endpoints
}
