//! Kong 3: a declarative configuration.

use serde_json::{Value, json};

use super::regex;
use super::{Notes, Route, yaml};

/// The windows that Kong counts requests in.
const WINDOWS: [(u64, &str); 4] = [(1000, "second"), (60_000, "minute"), (3_600_000, "hour"), (86_400_000, "day")];

pub fn write(routes: &[Route], port: u16, notes: &mut Notes) -> String {
    notes.general("listen", format!("where Kong listens is in its own settings: proxy_listen = 0.0.0.0:{port}"));
    if routes.iter().any(|route| route.timeout_ms.is_some()) {
        notes.general("timeout", "Kong limits each wait for more of the answer, and not all of it together");
    }
    let services: Vec<Value> = routes
        .iter()
        .enumerate()
        // Higher is earlier.
        .map(|(index, route)| service(&format!("mainstay-{}", index + 1), routes.len() - index, route, notes))
        .collect();
    yaml::write(&json!({ "_format_version": "3.0", "_transform": true, "services": services }))
}

fn service(name: &str, priority: usize, route: &Route, notes: &mut Notes) -> Value {
    let upstream = &route.upstream;
    let mut service = json!({
        "name": name,
        "host": upstream.host.trim_matches(['[', ']']),
        "port": upstream.port,
        "protocol": if upstream.is_encrypted { "https" } else { "http" },
        "retries": route.retries(),
        "routes": [{
            "name": name,
            "paths": [format!("~{}", path(route))],
            "methods": route.methods,
            "regex_priority": priority,
            "strip_path": false,
            "preserve_host": false,
        }],
        "plugins": plugins(route, notes),
    });
    if let Some(time) = route.timeout_ms {
        for what in ["connect_timeout", "read_timeout", "write_timeout"] {
            service[what] = json!(time);
        }
    }
    if route.retry.is_some_and(|retry| retry.attempts > 1 && retry.backoff_ms > 0) {
        notes.add(route, "retry", "has no pause between attempts: Kong makes none");
    }
    service
}

/// Kong's patterns begin where the path does, and end where they say.
fn path(route: &Route) -> String {
    let parts = regex::parts(route, "[^/]", ".");
    format!("{}(?<rest>{})$", parts.front, parts.rest)
}

fn plugins(route: &Route, notes: &mut Notes) -> Vec<Value> {
    let mut plugins = Vec::new();
    match &route.auth {
        None => {}
        Some(auth) if auth.kind == "api_key" => {
            notes.add(
                route,
                "auth",
                format!("asks for a key of one of Kong's consumers, in the header {}", auth.header),
            );
            plugins.push(json!({ "name": "key-auth", "config": { "key_names": [auth.header] } }));
        }
        Some(auth) if auth.kind == "basic" => {
            notes.add(route, "auth", "asks for the password of one of Kong's consumers");
            plugins.push(json!({ "name": "basic-auth" }));
        }
        Some(_) => {
            notes.add(route, "auth", "asks for a token of one of Kong's consumers, whoever made it and for whom");
            plugins.push(json!({ "name": "jwt", "config": { "claims_to_verify": ["exp"] } }));
        }
    }
    if let Some(rate) = route.rate {
        match WINDOWS.iter().find(|(time, _)| *time == rate.window_ms) {
            Some((_, window)) => {
                let config = json!({ *window: rate.max, "policy": "local", "limit_by": "service" });
                plugins.push(json!({ "name": "rate-limiting", "config": config }));
            }
            None => notes.add(route, "rate_limit", "is not there: Kong counts in seconds, minutes, hours and days"),
        }
    }
    plugins.push(json!({ "name": "request-transformer", "config": transformer(route, notes) }));
    plugins
}

/// What becomes of the request. In its values, `$(` would begin a program.
fn transformer(route: &Route, notes: &mut Notes) -> Value {
    let base = route.upstream.base.replace('$', "%24");
    let mut config = json!({});
    let (mut set, mut removed) = (vec![format!("Host:{}", route.host())], Vec::new());
    for (name, value) in route.other_headers() {
        match value {
            Some(value) if value.contains("$(") => {
                notes.add(route, "headers", format!("{name} is not sent: Kong would take $( for a program"));
            }
            Some(value) => set.push(format!("{name}:{value}")),
            None => removed.push(name),
        }
    }
    if set[0].contains("$(") {
        notes.add(route, "headers", "Host is the upstream's own: Kong would take $( for a program");
        set.remove(0);
    }
    config["replace"] = json!({ "headers": set });
    config["add"] = json!({ "headers": set });
    if !removed.is_empty() {
        config["remove"] = json!({ "headers": removed });
    }
    if !base.is_empty() {
        config["replace"]["uri"] = json!(format!("{base}$(uri_captures.rest)"));
    } else if route.strip.is_some() {
        config["replace"]["uri"] = json!("$(uri_captures.rest ~= '' and uri_captures.rest or '/')");
    }
    config
}
