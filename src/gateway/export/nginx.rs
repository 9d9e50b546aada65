//! nginx: what belongs into its `http` block.
//!
//! One `map` finds the route: its regular expressions are tried in the order in which they stand, on the method and the
//! path as it was sent. `location` would look at a decoded path, and know no methods. What it finds is the name of a
//! location, which has everything that nginx cannot take out of a variable.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::regex::{self, REFUSED};
use super::{Notes, Route, comment, is_closed};

/// What a `map` and its entries need where there are many routes.
const FRONT: &str = r#"
map_hash_max_size 65536;
map_hash_bucket_size 128;

# A dollar sign would begin a variable, and nothing else takes that from it.
geo $mainstay_dollar {
    default "$";
}

map $http_upgrade $mainstay_connection {
    default upgrade;
    "" "";
}

# What is left of a path when all of it was taken off is the root.
map $mainstay_rest $mainstay_behind_root {
    "~^/" $mainstay_rest;
    default /$mainstay_rest;
}
"#;

pub fn write(routes: &[Route], port: u16, notes: &mut Notes) -> String {
    if routes.iter().any(|route| route.timeout_ms.is_some()) {
        notes.general("timeout", "nginx limits each wait for more of the answer, and not all of it together");
    }
    let mut zones = BTreeMap::new();
    let (mut map, mut upstreams, mut locations) = (String::new(), String::new(), String::new());
    for (index, route) in routes.iter().enumerate() {
        let number = index + 1;
        let _ = writeln!(map, "    {} route_{number};", quote_pattern(&pattern(route)));
        if is_closed(route, notes) {
            let _ = write!(locations, "{}", location(number, route, "        return 403;\n"));
            continue;
        }
        upstreams.push_str(&upstream(number, route));
        let body = [limit(route, &mut zones, notes), proxy(number, route, notes)].concat();
        locations.push_str(&location(number, route, &body));
    }
    let zones: String = zones.into_iter().map(|(rate, line)| format!("{line} rate={rate};\n")).collect();
    format!(
        "{FRONT}\nmap \"$request_method $request_uri\" $mainstay_route {{\n    default none;\n    {} refused;\n{map}}}\n\n\
         {zones}{upstreams}\nserver {{\n    listen {port};\n    location / {{\n        \
         try_files /none-of-these-files @mainstay_$mainstay_route;\n    }}\n    location @mainstay_none {{\n        \
         return 404;\n    }}\n    location @mainstay_refused {{\n        return 400;\n    }}\n{locations}}}\n",
        quote_pattern(&format!("~^[A-Z]+ [^?]*{}", REFUSED.replace("/|$", "/|[?]|$"))),
    )
}

/// What the method and the path are when it is this route. Of the rest of the path and the query, the upstream is sent the
/// path less what is taken off.
fn pattern(route: &Route) -> String {
    let parts = regex::parts(route, "[^/?]", "[^?]");
    let methods = route.methods.join("|");
    format!("~^(?:{methods}) {}(?<mainstay_rest>{}(?:[?].*)?)$", parts.front, parts.rest)
}

fn location(number: usize, route: &Route, body: &str) -> String {
    format!("    # {}\n    location @mainstay_route_{number} {{\n{body}    }}\n", comment(&route.name))
}

fn upstream(number: usize, route: &Route) -> String {
    let place = quote(&route.upstream.place());
    // nginx tries the next server when one cannot be reached, so this one stands there as often as it may be tried.
    let servers = format!("    server {place} max_fails=0;\n").repeat(route.retries() as usize + 1);
    format!("upstream mainstay_{number} {{\n{servers}}}\n")
}

fn limit(route: &Route, zones: &mut BTreeMap<String, String>, notes: &mut Notes) -> String {
    let Some(rate) = route.rate else { return String::new() };
    let (a_second, a_minute) = (rate.max * 1000, rate.max * 60_000);
    let speed = match a_second % rate.window_ms {
        0 => format!("{}r/s", a_second / rate.window_ms),
        _ => {
            let speed = ((a_minute + rate.window_ms / 2) / rate.window_ms).max(1);
            if speed * rate.window_ms != a_minute {
                let message = format!("becomes {speed} a minute: nginx counts whole requests in a second or a minute");
                notes.add(route, "rate_limit", message);
            }
            format!("{speed}r/m")
        }
    };
    let zone = format!("mainstay_{}", speed.replace('/', ""));
    zones.entry(speed).or_insert_with(|| format!("limit_req_zone mainstay_$mainstay_route zone={zone}:1m"));
    let burst = match rate.max - 1 {
        0 => String::new(),
        more => format!(" burst={more} nodelay"),
    };
    format!("        limit_req zone={zone}{burst};\n        limit_req_status 429;\n")
}

fn proxy(number: usize, route: &Route, notes: &mut Notes) -> String {
    let upstream = &route.upstream;
    let scheme = if upstream.is_encrypted { "https" } else { "http" };
    let front = route.strip.is_none().then(|| "$request_uri".to_owned());
    let behind = front.unwrap_or_else(|| match upstream.base.is_empty() {
        true => "$mainstay_behind_root".to_owned(),
        false => "$mainstay_rest".to_owned(),
    });
    let target = format!("\"{scheme}://mainstay_{number}{}{behind}\"", escape(&upstream.base));
    let mut text = format!("        proxy_pass {target};\n        proxy_http_version 1.1;\n");
    let _ = writeln!(text, "        proxy_set_header Host {};", quote(route.host()));
    match upstream.is_websocket {
        true => text.push_str(
            "        proxy_set_header Upgrade $http_upgrade;\n        proxy_set_header Connection $mainstay_connection;\n",
        ),
        false => text.push_str("        proxy_set_header Connection \"\";\n"),
    }
    for (name, value) in route.other_headers() {
        // In names, nginx looks for no variables, and they have no quotation marks.
        if value == Some("") {
            notes.add(route, "headers", format!("{name} is taken away: nginx sends no header that is empty"));
        }
        let _ = writeln!(text, "        proxy_set_header \"{name}\" {};", quote(value.unwrap_or_default()));
    }
    if let Some(time) = route.timeout_ms {
        for what in ["connect", "send", "read"] {
            let _ = writeln!(text, "        proxy_{what}_timeout {time}ms;");
        }
    }
    match route.retry {
        Some(retry) if retry.attempts > 1 => {
            let _ = writeln!(
                text,
                "        proxy_next_upstream error;\n        proxy_next_upstream_tries {};",
                retry.attempts
            );
            if retry.backoff_ms > 0 {
                notes.add(route, "retry", "has no pause between attempts: nginx makes none");
            }
        }
        _ => text.push_str("        proxy_next_upstream off;\n"),
    }
    if upstream.is_encrypted {
        let name = quote(upstream.host.trim_matches(['[', ']']));
        let _ = write!(
            text,
            "        proxy_ssl_server_name on;\n        proxy_ssl_name {name};\n        proxy_ssl_verify on;\n        \
             proxy_ssl_verify_depth 5;\n        proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;\n"
        );
    }
    text
}

/// A text as one word that means itself.
fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// A pattern of a map as one word. It knows no variables, and patterns of ours have neither quotation marks nor
/// backslashes.
fn quote_pattern(pattern: &str) -> String {
    format!("\"{pattern}\"")
}

/// Inside of quotation marks, nginx takes a backslash before some characters, and a dollar sign for the beginning of a
/// variable.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            '$' => escaped.push_str("${mainstay_dollar}"),
            _ => escaped.push(letter),
        }
    }
    escaped
}
