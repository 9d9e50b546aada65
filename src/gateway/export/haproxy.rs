//! HAProxy: a whole file. `use_backend` takes the first line that fits, so they stand in the order of the routes.

use std::fmt::Write;

use super::regex::{self, REFUSED};
use super::{Notes, Route, comment, is_closed};

const FRONT: &str = "
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    timeout http-request 10s
    default-server init-addr last,libc,none
";

pub fn write(routes: &[Route], port: u16, notes: &mut Notes) -> String {
    if routes.iter().any(|route| route.timeout_ms.is_some()) {
        notes.general("timeout", "HAProxy limits each wait for more of the answer, and not all of it together");
    }
    let (mut choices, mut backends) = (String::new(), String::new());
    for (index, route) in routes.iter().enumerate() {
        let number = index + 1;
        let path = match route.only_path() {
            Some(path) => format!("path -m str -- {}", quote(path)),
            None => format!("path -m reg -- {}", quote(&regex::whole(route))),
        };
        let methods = route.methods.join(" ");
        let _ = writeln!(choices, "    use_backend mainstay_{number} if {{ method {methods} }} {{ {path} }}");
        let body = match is_closed(route, notes) {
            true => "    http-request return status 403\n".to_owned(),
            false => backend(route, notes),
        };
        let _ = write!(backends, "\n# {}\nbackend mainstay_{number}\n{body}", comment(&route.name));
    }
    format!(
        "{FRONT}\nfrontend mainstay\n    bind :{port}\n    http-request return status 400 if {{ path -m reg -- {} }}\n\
         {choices}    default_backend mainstay_none\n\nbackend mainstay_none\n    http-request return status 404\n{backends}",
        quote(REFUSED)
    )
}

fn backend(route: &Route, notes: &mut Notes) -> String {
    let mut text = String::new();
    if let Some(time) = route.timeout_ms {
        let _ = write!(text, "    timeout connect {time}ms\n    timeout server {time}ms\n");
    }
    if let Some(rate) = route.rate {
        let window = rate.window_ms;
        let _ = write!(
            text,
            "    stick-table type integer size 1 expire {window}ms store http_req_rate({window}ms)\n    \
             http-request track-sc0 int(1)\n    http-request return status 429 if {{ sc0_http_req_rate gt {} }}\n",
            rate.max
        );
    }
    text.push_str(&path(route));
    let _ = writeln!(text, "    http-request set-header Host {}", quote_format(route.host()));
    for (name, value) in route.other_headers() {
        let _ = match value {
            Some(value) => writeln!(text, "    http-request set-header {} {}", quote(name), quote_format(value)),
            None => writeln!(text, "    http-request del-header {}", quote(name)),
        };
    }
    let _ = writeln!(text, "    retries {}", route.retries());
    if let Some(retry) = route.retry.filter(|retry| retry.attempts > 1) {
        text.push_str("    retry-on conn-failure\n");
        if retry.backoff_ms != 1000 || retry.attempts > 2 {
            notes.add(route, "retry", "has pauses of a second between attempts: HAProxy knows no others");
        }
    }
    let _ = write!(text, "    server upstream {}", quote(&route.upstream.place()));
    if route.upstream.is_encrypted {
        let name = quote(&format!("str({})", route.upstream.host.trim_matches(['[', ']'])));
        let name_checked = quote(route.upstream.host.trim_matches(['[', ']']));
        let _ =
            write!(text, " ssl verify required ca-file @system-ca sni {name} verifyhost {name_checked} alpn http/1.1");
    }
    text.push('\n');
    text
}

/// From the path of the request to that of the upstream. What is taken off is always as long, so its bytes are counted.
fn path(route: &Route) -> String {
    let base = &route.upstream.base;
    let strip = match &route.strip {
        None if base.is_empty() => return String::new(),
        None => return format!("    http-request set-path {}\n", sample(base, "path")),
        Some(strip) => strip,
    };
    let rest = sample(base, &format!("path,bytes({})", strip.len()));
    let exactly = format!("{{ path -m str -- {} }}", quote(strip));
    match base.is_empty() {
        // Nothing that begins with what is taken off is the root, so the second line leaves what the first one made.
        true => format!(
            "    http-request set-path / if {exactly}\n    http-request set-path {rest} if !{{ path -m str / }}\n"
        ),
        false => format!("    http-request set-path {rest}\n"),
    }
}

/// A format: a text, and something that HAProxy knows of the request behind it.
fn sample(text: &str, what: &str) -> String {
    format!("'{}%[{what}]'", inner(&text.replace('%', "%%")))
}

/// A text as one word that means itself.
fn quote(text: &str) -> String {
    format!("'{}'", inner(text))
}

/// The same where HAProxy reads a format, in which a per cent sign begins a variable.
fn quote_format(text: &str) -> String {
    quote(&text.replace('%', "%%"))
}

/// Nothing is special between apostrophes but they themselves.
fn inner(text: &str) -> String {
    text.replace('\'', r"'\''")
}
