//! Routes: from a method and a path to who answers.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{forms, pattern};
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, boolean, choice, integer, map, object, record, set, text};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::{Resource, Rule, with_common};
use crate::sql;
use crate::sql::Query;

pub(super) const READ: Permission = Permission::new("read:routes", Role::Viewer);
pub(super) const WRITE: Permission = Permission::new("write:routes", Role::Admin);

/// The methods that a route may take.
pub(super) const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Headers that a route may set.
const HEADERS_MAX: usize = 50;

pub(super) const RULES: &[Rule] = &[
    Rule::new("routes_name_is_unique", "name", "is another route's"),
    Rule::new("routes_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new("routes_path_starts_with_slash", "path", "must start with /"),
    Rule::new("routes_path_has_at_most_1024_characters", "path", "must have at most 1024 characters"),
    Rule::new("routes_path_is_a_pattern", "path", "must be a path pattern"),
    Rule::new("routes_upstream_is_a_url", "upstream", "must be an http, https, ws or wss URL"),
    Rule::new("routes_upstream_has_at_most_2048_characters", "upstream", "must have at most 2048 characters"),
    Rule::new("routes_methods_are_known_and_each_there_once", "methods", "must be some methods, each once"),
    Rule::new("routes_strip_path_begins_path", "strip_path", "must be what path begins with, in whole segments"),
    Rule::new("routes_rate_limit_has_max_and_window", "rate_limit", "must have max and windowMs"),
    Rule::new("routes_auth_has_a_type", "auth", "must have a type"),
    Rule::new("routes_headers_is_an_object", "headers", "must be an object"),
    Rule::new("routes_timeout_is_1_to_600000_ms", "timeout", "must be between 1 and 600000 ms"),
    Rule::new("routes_retry_has_attempts", "retry", "must have attempts"),
    Rule::new("routes_metadata_is_an_object", "metadata", "must be an object"),
    Rule::new("routes_get_has_the_path_once", "path", "is that of another enabled route that takes GET"),
    Rule::new("routes_post_has_the_path_once", "path", "is that of another enabled route that takes POST"),
    Rule::new("routes_put_has_the_path_once", "path", "is that of another enabled route that takes PUT"),
    Rule::new("routes_patch_has_the_path_once", "path", "is that of another enabled route that takes PATCH"),
    Rule::new("routes_delete_has_the_path_once", "path", "is that of another enabled route that takes DELETE"),
    Rule::new("routes_head_has_the_path_once", "path", "is that of another enabled route that takes HEAD"),
    Rule::new("routes_options_has_the_path_once", "path", "is that of another enabled route that takes OPTIONS"),
];

/// What makes one, for this resource and for the seed.
pub(super) const INSERT: Query = sql!("gateway/routes/insert");
/// What reads them, for this resource and for whoever keeps them in memory.
pub(super) const SELECT: Query = sql!("gateway/routes/select");

pub(super) fn fields() -> Vec<Field> {
    vec![
        text("name").required().form(Form::LINE).help("What people and configurations call it; unique."),
        text("path").required().max(pattern::LENGTH_MAX).form(forms::PATH).help(
            "The paths that it takes: {name} stands for one segment, * at the end for all that may follow. Two enabled \
             routes must not have the same path and a method in common.",
        ),
        text("upstream").required().max(2048).form(forms::UPSTREAM).help("Who answers, as a URL."),
        set("methods", &METHODS).not_empty().default(json!(["GET"])).help("The methods that it takes."),
        text("strip_path")
            .max(pattern::LENGTH_MAX)
            .form(forms::PREFIX)
            .help("What is taken off the front of the path before the upstream is asked."),
        boolean("enabled").default(true).help("Whether gateways take it."),
        record(
            "rate_limit",
            vec![
                integer("max").required().range(1, 1_000_000_000).help("Requests."),
                integer("windowMs")
                    .required()
                    .range(1, 86_400_000)
                    .unit("ms")
                    .help("The time for which they are counted."),
            ],
        )
        .help("How many requests it takes in a time; null is as many as come."),
        record("auth", auth_fields()).help("What callers must show; null is nothing."),
        map("headers", forms::HEADER_NAME, text("value").max(4096).form(forms::HEADER_VALUE), HEADERS_MAX)
            .default(json!({}))
            .help(
                "Headers that the upstream is sent beside the caller's; null takes one of those away. Whoever may read \
                 routes sees them.",
            ),
        integer("timeout")
            .range(1, 600_000)
            .unit("ms")
            .help("How long the upstream may take; null is the gateway's own."),
        record(
            "retry",
            vec![
                integer("attempts").required().range(1, 10).help("How often the upstream is asked in all."),
                integer("backoff")
                    .default(0)
                    .range(0, 60_000)
                    .unit("ms")
                    .help("The pause before the second attempt; each later one is twice as long."),
            ],
        )
        .help("What is done when the upstream cannot be reached; null is nothing."),
        object("metadata").default(json!({})).help("Anything else."),
    ]
}

fn auth_fields() -> Vec<Field> {
    vec![
        choice("type", &["none", "api_key", "basic", "jwt"]).required().help("What is asked for."),
        text("header")
            .form(forms::HEADER_NAME)
            .help("For api_key: the header that the key is in; X-API-Key without it."),
        text("realm").form(Form::LINE).help("For basic: what the caller is asked for a password for."),
        text("issuer").max(2048).form(Form::LINE).help("For jwt: who must have made the token."),
        text("audience").max(2048).form(Form::LINE).help("For jwt: whom it must be for."),
        text("jwks_url")
            .max(2048)
            .form(forms::KEYS_URL)
            .help("For jwt: where the keys are that it must be signed with."),
    ]
}

/// Whether what is said of a kind of authentication is said of the one that it is for.
pub(super) fn check_auth(body: &Map<String, Value>) -> Result<()> {
    let Some(Value::Object(auth)) = body.get("auth") else { return Ok(()) };
    let kind = auth.get("type").and_then(Value::as_str).unwrap_or_default();
    let is_meant = |name: &str| match name {
        "header" => kind == "api_key",
        "realm" => kind == "basic",
        "issuer" | "audience" | "jwks_url" => kind == "jwt",
        _ => true,
    };
    let mut error =
        Error::new(Code::ValidationError, format!("auth of the type {kind} does not know all that it says"));
    for name in auth.iter().filter(|(name, value)| !value.is_null() && !is_meant(name)).map(|(name, _)| name) {
        error = error.field(format!("auth.{name}"), format!("is not known to the type {kind}"));
    }
    if error.fields.is_empty() { Ok(()) } else { Err(error) }
}

fn routes() -> Resource {
    Resource {
        fields: fields(),
        filters: &["enabled", "name", "path", "upstream", "methods", "strip_path", "metadata"],
        sorts: &["name", "path"],
        searched: &["name", "path"],
        insert: Some(INSERT),
        update: Some(sql!("gateway/routes/update")),
        delete: Some(sql!("gateway/routes/delete")),
        rules: RULES,
        check: Some(Arc::new(|body| check_auth(body))),
        ..Resource::new("gateway.routes", "routes", "route", SELECT, READ, WRITE)
    }
}

/// The fields of a route as replies show it.
pub(super) fn shown_fields() -> Vec<Field> {
    with_common(fields())
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    routes().endpoints()
}
