//! The errors that an endpoint may answer: they follow from what it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::reference;
use crate::error::Code;
use crate::http::endpoint::{Access, Endpoint, Limit, Verb};

const URI_TOO_LONG: &str = "UriTooLong";

/// All errors of an endpoint, by their statuses.
fn codes(endpoint: &Endpoint) -> BTreeMap<u16, Vec<Code>> {
    let is_open = endpoint.access == Access::Public;
    let has_body = endpoint.input.is_some();
    let changes_one = endpoint.has_version && endpoint.verb != Verb::Get;
    let of = |applies: bool, codes: &[Code]| if applies { codes.to_vec() } else { Vec::new() };
    let all = [
        vec![Code::MalformedRequest, Code::InternalError],
        of(!is_open, &[Code::MissingApiKey, Code::InvalidApiKey, Code::InvalidToken]),
        of(endpoint.permission().is_some(), &[Code::InsufficientPermissions]),
        of(endpoint.path.contains('{'), &[Code::NotFound]),
        of(endpoint.is_write, &[Code::Conflict]),
        of(changes_one, &[Code::PreconditionFailed]),
        of(endpoint.needs_match, &[Code::PreconditionRequired]),
        of(has_body, &[Code::PayloadTooLarge, Code::UnsupportedMediaType, Code::ValidationError]),
        // An Idempotency-Key that was used for something else.
        of(takes_idempotency_key(endpoint), &[Code::ValidationError]),
        // Whoever shows nothing, or the wrong thing, is counted even where callers are not.
        of(!is_open || endpoint.limit != Limit::None, &[Code::RateLimitExceeded]),
        of(!is_open || endpoint.uses_database, &[Code::DatabaseUnavailable, Code::PoolExhausted, Code::QueryTimeout]),
        endpoint.codes.clone(),
    ];
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in all.concat() {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    by_status
}

pub(super) fn takes_idempotency_key(endpoint: &Endpoint) -> bool {
    endpoint.is_write && endpoint.verb == Verb::Post && endpoint.access != Access::Public
}

/// The errors of an endpoint, as references to the responses.
pub(super) fn references(endpoint: &Endpoint) -> impl Iterator<Item = (u16, Value)> {
    let errors = codes(endpoint).into_iter().map(|(status, codes)| (status, reference("responses", &name(&codes))));
    errors.chain((!(endpoint.parameters)().is_empty()).then(|| (414, reference("responses", URI_TOO_LONG))))
}

/// The error of an endpoint that has this status.
pub(super) fn response_of(endpoint: &Endpoint, status: u16) -> Option<Value> {
    codes(endpoint).get(&status).map(|codes| response(status, codes))
}

/// All error responses that any endpoint has.
pub(super) fn responses(endpoints: &[Endpoint]) -> Map<String, Value> {
    let mut responses = Map::new();
    for (status, codes) in endpoints.iter().flat_map(codes) {
        responses.insert(name(&codes), response(status, &codes));
    }
    // The server says this before it knows what the request is, and so in plain words.
    let plain = json!({
        "description": "The request line has more than 8 KiB",
        "content": { "text/plain": { "schema": { "type": "string" } } },
    });
    responses.insert(URI_TOO_LONG.to_owned(), plain);
    responses
}

/// The schema that all errors have, with the codes that there are.
pub(super) fn problem_schema(endpoints: &[Endpoint]) -> Value {
    let mut names: Vec<&str> = endpoints.iter().flat_map(codes).flat_map(|(_, codes)| codes).map(Code::name).collect();
    names.sort_unstable();
    names.dedup();
    let text = |help: &str| json!({ "type": "string", "description": help });
    let field = json!({
        "type": "object",
        "properties": { "field": text("Where it is: `fields[2].name`."), "message": text("What is wrong there.") },
        "required": ["field", "message"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "description": "An error, as RFC 9457 has it.",
        "properties": {
            "type": text("Always about:blank; see the code."),
            "title": text("The code, in words."),
            "status": { "type": "integer", "description": "The status of the reply." },
            "detail": text("What happened, and what to do."),
            "code": { "type": "string", "enum": names, "description": "What programs decide by." },
            "fields": { "type": "array", "items": field, "description": "What is wrong, by field." },
            "request_id": text("What the log calls the request."),
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
    })
}

/// Errors of one status: `MissingApiKeyOrInvalidToken`.
fn name(codes: &[Code]) -> String {
    let camel = |code: &Code| -> String {
        let word = |word: &str| word[..1].to_owned() + &word[1..].to_ascii_lowercase();
        code.name().split('_').map(word).collect()
    };
    codes.iter().map(camel).collect::<Vec<_>>().join("Or")
}

fn response(status: u16, codes: &[Code]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
    let titles: Vec<&str> = codes.iter().map(|code| code.title()).collect();
    let these = json!({ "properties": { "status": { "const": status }, "code": { "enum": names } } });
    // What cannot be read as HTTP has no id, and gets an answer in plain words.
    let is_plain = codes.contains(&Code::MalformedRequest);
    let request_id = match is_plain {
        true => json!({ "required": false, "schema": { "type": "string" } }),
        false => reference("headers", "X-Request-Id"),
    };
    let mut headers = Map::from_iter([("X-Request-Id".to_owned(), request_id)]);
    for (header, is_required) in headers_of(codes) {
        let schema = json!({ "type": "string" });
        headers.insert(header.to_owned(), json!({ "required": is_required, "schema": schema }));
    }
    let problem = json!({ "schema": { "allOf": [reference("schemas", "Problem"), these] } });
    let mut content = json!({ "application/problem+json": problem });
    if is_plain {
        content["text/plain"] = json!({ "schema": { "type": "string" } });
    }
    json!({ "description": titles.join(", or: "), "headers": headers, "content": content })
}

/// The headers of an error's reply, and whether it always has them.
fn headers_of(codes: &[Code]) -> Vec<(&'static str, bool)> {
    match codes {
        [Code::RateLimitExceeded] => {
            vec![
                ("Retry-After", true),
                ("RateLimit-Limit", true),
                ("RateLimit-Remaining", true),
                ("RateLimit-Reset", true),
            ]
        }
        [Code::AccountLocked] => vec![("Retry-After", true)],
        [Code::Conflict] => vec![("Retry-After", false)],
        [Code::PreconditionFailed] => vec![("ETag", false)],
        [Code::MethodNotAllowed] => vec![("Allow", true)],
        [first, ..] if first.status() == 401 => vec![("WWW-Authenticate", true)],
        [first, ..] if first.status() == 503 => vec![("Retry-After", true)],
        _ => Vec::new(),
    }
}
