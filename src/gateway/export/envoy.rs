//! Envoy: a whole static configuration.

use serde_json::{Value, json};

use super::regex;
use super::{Notes, Route, comment, is_closed, yaml};

const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const LIMIT: &str = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

pub fn write(routes: &[Route], port: u16, notes: &mut Notes) -> String {
    let (mut all, mut clusters) = (vec![refused()], Vec::new());
    for (index, route) in routes.iter().enumerate() {
        let cluster = format!("mainstay_{}", index + 1);
        if is_closed(route, notes) {
            all.push(json!({ "match": fits(route), "direct_response": { "status": 403 } }));
            continue;
        }
        all.push(one(&cluster, route, notes));
        clusters.push(self::cluster(&cluster, route));
    }
    let hosts = json!([{ "name": "mainstay", "domains": ["*"], "routes": all }]);
    let limit = json!({
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": { "@type": LIMIT, "stat_prefix": "mainstay" },
    });
    let manager = json!({
        "@type": MANAGER,
        "stat_prefix": "mainstay",
        "normalize_path": false,
        "upgrade_configs": [{ "upgrade_type": "websocket", "enabled": false }],
        "route_config": { "name": "mainstay", "virtual_hosts": hosts },
        "http_filters": [limit, { "name": "envoy.filters.http.router", "typed_config": { "@type": ROUTER } }],
    });
    let listener = json!({
        "name": "mainstay",
        "address": address("0.0.0.0", port),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
        }] }],
    });
    yaml::write(&json!({ "static_resources": { "listeners": [listener], "clusters": clusters } }))
}

fn address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}

/// A path that is not in its one form. Envoy's patterns are about all of the path, without the query.
fn refused() -> Value {
    let pattern = format!(".*{}.*", regex::REFUSED);
    json!({ "match": { "safe_regex": { "regex": pattern } }, "direct_response": { "status": 400 } })
}

fn fits(route: &Route) -> Value {
    let methods = json!({ "safe_regex": { "regex": route.methods.join("|") } });
    json!({
        "safe_regex": { "regex": regex::whole(route) },
        "headers": [{ "name": ":method", "string_match": methods }],
    })
}

fn one(cluster: &str, route: &Route, notes: &mut Notes) -> Value {
    let mut action = json!({ "cluster": cluster, "host_rewrite_literal": route.host() });
    // Envoy's own limit is 15 s.
    action["timeout"] = json!(route.timeout_ms.map_or_else(|| "60s".to_owned(), seconds));
    if let Some(rewrite) = rewrite(route) {
        action["regex_rewrite"] = rewrite;
    }
    if let Some(retry) = route.retry.filter(|retry| retry.attempts > 1) {
        let base = seconds(retry.backoff_ms.max(1));
        action["retry_policy"] = json!({
            "retry_on": "connect-failure", "num_retries": route.retries(),
            "retry_back_off": { "base_interval": base, "max_interval": seconds(retry.backoff_ms.max(1) << 10) },
        });
        notes.add(route, "retry", "has pauses of a random length up to the one that it names, which doubles");
    }
    if route.upstream.is_websocket {
        action["upgrade_configs"] = json!([{ "upgrade_type": "websocket", "enabled": true }]);
    }
    let mut one = json!({ "name": comment(&route.name), "match": fits(route), "route": action });
    // A per cent sign begins a variable.
    let set = route.other_headers().filter_map(|(name, value)| Some((name, value?.replace('%', "%%"))));
    let set: Vec<Value> = set
        .map(|(name, value)| {
            json!({ "header": { "key": name, "value": value }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                    "keep_empty_value": true })
        })
        .collect();
    let removed = route.other_headers().filter(|(_, value)| value.is_none()).map(|(name, _)| json!(name));
    let removed: Vec<Value> = removed.collect();
    for (key, list) in [("request_headers_to_add", set), ("request_headers_to_remove", removed)] {
        if !list.is_empty() {
            one[key] = list.into();
        }
    }
    if let Some(rate) = route.rate {
        let all = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
        one["typed_per_filter_config"] = json!({ "envoy.filters.http.local_ratelimit": {
            "@type": LIMIT,
            "stat_prefix": cluster,
            "token_bucket": {
                "max_tokens": rate.max, "tokens_per_fill": rate.max, "fill_interval": seconds(rate.window_ms),
            },
            "filter_enabled": all,
            "filter_enforced": all,
        } });
        if rate.window_ms < 50 {
            notes.add(route, "rate_limit", "needs a window of 50 ms or more: Envoy refuses a shorter one");
        }
    }
    one
}

/// From the path of the request to that of the upstream.
fn rewrite(route: &Route) -> Option<Value> {
    let base = &route.upstream.base;
    let strip = route.strip.as_deref().unwrap_or_default();
    let (front, by) = match (strip.is_empty(), base.is_empty()) {
        (true, true) => return None,
        (_, false) => (regex::literal(strip), base.clone()),
        (false, true) => (format!("{}/?", regex::literal(strip)), "/".to_owned()),
    };
    Some(json!({ "pattern": { "regex": format!("^{front}") }, "substitution": by }))
}

fn cluster(name: &str, route: &Route) -> Value {
    let upstream = &route.upstream;
    let host = upstream.host.trim_matches(['[', ']']);
    let endpoint = json!({ "endpoint": { "address": address(host, upstream.port) } });
    let mut cluster = json!({
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": seconds(route.timeout_ms.unwrap_or(5000)),
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
    });
    if upstream.is_encrypted {
        let context = json!({
            "trusted_ca": { "filename": "/etc/ssl/certs/ca-certificates.crt" },
            "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": host } }],
        });
        cluster["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": { "@type": TLS, "sni": host, "common_tls_context": { "validation_context": context } },
        });
    }
    cluster
}

/// Milliseconds as protobuf writes a duration.
fn seconds(time_ms: u64) -> String {
    format!("{}.{:03}s", time_ms / 1000, time_ms % 1000)
}
