//! Traefik 3: a dynamic configuration for its file provider.
//!
//! Traefik reads the file as a template before it reads YAML, so there is no brace in any string. Its patterns look at a
//! path that has been decoded.

use serde_json::{Map, Value, json};

use super::regex;
use super::{Notes, Route, is_closed, yaml};

pub fn write(routes: &[Route], port: u16, notes: &mut Notes) -> String {
    notes
        .general("listen", format!("the entry point web belongs into Traefik's static configuration: address :{port}"));
    notes.general("path", "Traefik decodes paths before it looks at them, so %2F in one is like a slash");
    if routes.iter().any(|route| route.timeout_ms.is_some()) {
        notes.general("timeout", "Traefik limits the wait for the beginning of the answer, and not all of it together");
    }
    let mut config = Config::default();
    for (index, route) in routes.iter().enumerate() {
        // Higher is earlier, and below all is nothing: Traefik answers 404.
        config.add(&format!("mainstay-{}", index + 1), routes.len() - index, route, notes);
    }
    let mut http = Map::new();
    let parts = [
        ("routers", config.routers),
        ("services", config.services),
        ("middlewares", config.middlewares),
        ("serversTransports", config.transports),
    ];
    // Traefik refuses a part that is there and empty.
    http.extend(
        parts.into_iter().filter(|(_, part)| !part.is_empty()).map(|(name, part)| (name.to_owned(), part.into())),
    );
    yaml::write(&json!({ "http": http }))
}

#[derive(Default)]
struct Config {
    routers: Map<String, Value>,
    services: Map<String, Value>,
    middlewares: Map<String, Value>,
    transports: Map<String, Value>,
}

impl Config {
    fn add(&mut self, name: &str, priority: usize, route: &Route, notes: &mut Notes) {
        let methods: Vec<String> = route.methods.iter().map(|method| format!("Method(`{method}`)")).collect();
        let rule = format!("PathRegexp(`{}`) && ({})", regex::whole(route), methods.join(" || "));
        let mut uses = Vec::new();
        let mut add = |kind: &str, middleware: Value| {
            let name = format!("{name}-{kind}");
            self.middlewares.insert(name.clone(), middleware);
            uses.push(name);
        };
        if is_closed(route, notes) {
            // No address is within this one, which stands for none.
            add("closed", json!({ "ipAllowList": { "sourceRange": ["0.0.0.0/32"] } }));
        }
        if let Some(rate) = route.rate {
            notes.add(route, "rate_limit", "is counted for each host name that callers use");
            let limit = json!({
                "average": rate.max, "period": format!("{}ms", rate.window_ms), "burst": rate.max,
                "sourceCriterion": { "requestHost": true },
            });
            add("rate", json!({ "rateLimit": limit }));
        }
        if let Some(strip) = &route.strip {
            add("strip", json!({ "stripPrefix": { "prefixes": [strip] } }));
        }
        if !route.upstream.base.is_empty() {
            add("base", json!({ "addPrefix": { "prefix": route.upstream.base } }));
        }
        add("headers", json!({ "headers": { "customRequestHeaders": headers(route, notes) } }));
        if let Some(retry) = route.retry.filter(|retry| retry.attempts > 1) {
            let interval = format!("{}ms", retry.backoff_ms);
            add("retry", json!({ "retry": { "attempts": retry.attempts, "initialInterval": interval } }));
        }
        let router = json!({
            "rule": rule, "ruleSyntax": "v3", "priority": priority, "entryPoints": ["web"], "service": name,
            "middlewares": uses,
        });
        self.routers.insert(name.to_owned(), router);
        let service = self.service(name, route);
        self.services.insert(name.to_owned(), service);
    }

    fn service(&mut self, name: &str, route: &Route) -> Value {
        let scheme = if route.upstream.is_encrypted { "https" } else { "http" };
        let url = format!("{scheme}://{}", route.upstream.place());
        let mut balancer = json!({ "servers": [{ "url": url }], "passHostHeader": true });
        if let Some(time) = route.timeout_ms {
            let time = format!("{time}ms");
            let times = json!({ "dialTimeout": time, "responseHeaderTimeout": time });
            self.transports.insert(name.to_owned(), json!({ "forwardingTimeouts": times }));
            balancer["serversTransport"] = json!(name);
        }
        json!({ "loadBalancer": balancer })
    }
}

/// An empty value takes a header away.
fn headers(route: &Route, notes: &mut Notes) -> Value {
    let mut headers = Map::new();
    headers.insert("Host".to_owned(), json!(route.host()));
    for (name, value) in route.other_headers() {
        if value == Some("") {
            notes.add(route, "headers", format!("{name} is taken away: Traefik sends no header that is empty"));
        }
        headers.insert(name.to_owned(), json!(value.unwrap_or_default()));
    }
    headers.into()
}
