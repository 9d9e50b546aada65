//! Caddy: its JSON. A Caddyfile would read `{$NAME}` in a value as a variable of the environment, whatever is around it.
//!
//! The path that is looked at is the one that was sent: Caddy's own matchers decode it, and take capitals for small letters.

use serde_json::{Map, Value, json};

use super::regex::{self, REFUSED};
use super::{Notes, Route, is_closed};

/// The request's path and query, as they were sent.
const TARGET: &str = "{http.request.orig_uri}";

pub fn write(routes: &[Route], port: u16, notes: &mut Notes) -> String {
    if routes.iter().any(|route| route.timeout_ms.is_some()) {
        notes.general("timeout", "Caddy limits the wait for the beginning of the answer, and not all of it together");
    }
    if routes.iter().any(|route| route.strip.is_some() || !route.upstream.base.is_empty()) {
        notes.general("upstream", "where a path is changed, Caddy encodes ! ' ( ) and * in it");
    }
    let refused = format!("^[^?]*{}", REFUSED.replace("/|$", "/|[?]|$"));
    let written: Vec<Value> = routes.iter().enumerate().map(|(index, route)| one(index + 1, route, notes)).collect();
    let mut all = vec![json!({
        "match": [{ "vars_regexp": { TARGET: { "pattern": refused } } }],
        "handle": [{ "handler": "static_response", "status_code": 400 }],
        "terminal": true,
    })];
    all.extend(written);
    all.push(json!({ "handle": [{ "handler": "static_response", "status_code": 404 }] }));
    if !notes.0.is_empty() {
        // JSON has no comments: these are variables that nobody asks for.
        let lines: Vec<String> = notes.0.iter().map(|note| escape(&note.line())).collect();
        all.insert(0, json!({ "handle": [{ "handler": "vars", "mainstay_not_expressed": lines }] }));
    }
    let server = json!({ "listen": [format!(":{port}")], "automatic_https": { "disable": true }, "routes": all });
    let config = json!({ "apps": { "http": { "servers": { "mainstay": server } } } });
    format!("{config:#}\n")
}

fn one(number: usize, route: &Route, notes: &mut Notes) -> Value {
    let parts = regex::parts(route, "[^/?]", "[^?]");
    let pattern = format!("^{}{}(?:[?].*)?$", parts.front, parts.rest);
    let handlers = match is_closed(route, notes) {
        true => vec![json!({ "handler": "static_response", "status_code": 403 })],
        false => handlers(route, notes),
    };
    json!({
        "@id": format!("mainstay_route_{number}"),
        "match": [{ "method": route.methods, "vars_regexp": { TARGET: { "pattern": pattern } } }],
        "handle": handlers,
        "terminal": true,
    })
}

fn handlers(route: &Route, notes: &mut Notes) -> Vec<Value> {
    let mut handlers = vec![json!({ "handler": "vars", "mainstay_route": escape(&route.name) })];
    if route.rate.is_some() {
        notes.add(route, "rate_limit", "is not there: Caddy counts no requests without a module of somebody else's");
    }
    if let Some(rewrite) = rewrite(route, notes) {
        handlers.push(rewrite);
    }
    handlers.push(proxy(route, notes));
    handlers
}

/// From the path of the request to that of the upstream: Caddy changes both the path as it was sent and the one that it
/// has decoded, so what is taken off must be named in both forms.
fn rewrite(route: &Route, notes: &mut Notes) -> Option<Value> {
    let base = &route.upstream.base;
    let strip = route.strip.as_deref().unwrap_or_default();
    if strip.is_empty() && base.is_empty() {
        return None;
    }
    let sent = regex::literal(strip);
    let front = match decode(strip) {
        Some(decoded) if decoded == strip => sent,
        Some(decoded) => format!("(?:{sent}|{})", regex::literal(&decoded)),
        None => {
            notes.add(route, "strip_path", "is not in UTF-8 when it is decoded, which Caddy's paths must be");
            sent
        }
    };
    // In what it is replaced by, a dollar sign names a part of the pattern.
    let replacement = escape(&base.replace('$', "$$"));
    Some(match base.is_empty() {
        true => json!({ "handler": "rewrite", "path_regexp": [{ "find": format!("^{front}/?"), "replace": "/" }] }),
        false => {
            json!({ "handler": "rewrite", "path_regexp": [{ "find": format!("^{front}"), "replace": replacement }] })
        }
    })
}

fn proxy(route: &Route, notes: &mut Notes) -> Value {
    let (mut set, mut delete) = (Map::new(), Vec::new());
    set.insert("Host".to_owned(), json!([escape(route.host())]));
    for (name, value) in route.other_headers() {
        match value {
            // Caddy would take away all that begins or ends so.
            None if name.contains('*') => {
                notes.add(route, "headers", format!("{name} is not taken away: for Caddy, * is any name"));
            }
            None => delete.push(name),
            Some(value) => drop(set.insert(name.to_owned(), json!([escape(value)]))),
        }
    }
    let mut transport = json!({ "protocol": "http" });
    if let Some(time) = route.timeout_ms {
        transport["dial_timeout"] = json!(format!("{time}ms"));
        transport["response_header_timeout"] = json!(format!("{time}ms"));
    }
    if route.upstream.is_encrypted {
        transport["tls"] = json!({ "server_name": route.upstream.host.trim_matches(['[', ']']) });
    }
    let mut request = json!({ "set": set });
    if !delete.is_empty() {
        request["delete"] = json!(delete);
    }
    let mut proxy = json!({
        "handler": "reverse_proxy",
        "transport": transport,
        "upstreams": [{ "dial": route.upstream.place() }],
        "headers": { "request": request },
    });
    if let Some(retry) = route.retry.filter(|retry| retry.attempts > 1) {
        proxy["load_balancing"] =
            json!({ "retries": route.retries(), "try_interval": format!("{}ms", retry.backoff_ms.max(1)) });
        if retry.attempts > 2 && retry.backoff_ms > 0 {
            notes.add(route, "retry", "has the same pause between all attempts: Caddy's do not grow");
        }
    }
    proxy
}

/// A text that means itself: a brace would begin a placeholder, unless a backslash stands before it. Where there is any,
/// Caddy takes the one backslash before each brace away.
fn escape(text: &str) -> String {
    match text.contains('{') {
        true => text.replace('{', r"\{").replace(r"\}", r"\\}"),
        false => text.to_owned(),
    }
}

/// A path as Caddy reads it, if that is UTF-8.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = (*first == b'%').then(|| behind.get(..2)).flatten();
        let decoded = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8(bytes).ok()
}
