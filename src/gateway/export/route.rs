//! A route as exporters read it.

use serde_json::Value;

use crate::fields::{Mode, check};
use crate::gateway::pattern::{self, Segment};
use crate::gateway::routes::fields;

/// A route, checked once more: not everything in the table came through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub name: String,
    pub path: String,
    pub methods: Vec<String>,
    pub upstream: Upstream,
    /// What is taken off the front of the path.
    pub strip: Option<String>,
    /// Set, or taken away.
    pub headers: Vec<(String, Option<String>)>,
    pub timeout_ms: Option<u64>,
    pub retry: Option<Retry>,
    pub rate: Option<Rate>,
    /// What callers must show, if they must show anything.
    pub auth: Option<Auth>,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub is_encrypted: bool,
    pub is_websocket: bool,
    /// An address of IPv6 has its brackets.
    pub host: String,
    pub port: u16,
    /// Host, and the port if the URL has one: what `Host` says.
    pub authority: String,
    /// The path, without a slash at its end.
    pub base: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    pub attempts: u64,
    pub backoff_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub max: u64,
    pub window_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    pub kind: String,
    /// Where an API key is.
    pub header: String,
}

impl Route {
    /// From an object as the API answers it, or the problem with it.
    pub fn read(object: &Value) -> Result<Route, String> {
        let declared = fields();
        let known = object.as_object().into_iter().flatten();
        let body = known.filter(|(key, _)| declared.iter().any(|field| field.name == **key));
        let body = body.map(|(key, value)| (key.clone(), value.clone())).collect();
        let body = check(&declared, body, Mode::Replace, true).map_err(|error| error.to_string())?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let number = |record: &str, name: &str| body.get(record).and_then(|record| record.get(name)?.as_u64());
        let methods = body.get("methods").and_then(Value::as_array).into_iter().flatten();
        let headers = body.get("headers").and_then(Value::as_object).into_iter().flatten();
        let auth = |name: &str| body.get("auth").and_then(|auth| auth.get(name)?.as_str());
        Ok(Route {
            name: text("name").unwrap_or_default().to_owned(),
            path: text("path").unwrap_or_default().to_owned(),
            methods: methods.filter_map(Value::as_str).map(str::to_owned).collect(),
            upstream: Upstream::read(text("upstream").unwrap_or_default()),
            strip: text("strip_path").map(str::to_owned),
            headers: headers.map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned))).collect(),
            timeout_ms: body.get("timeout").and_then(Value::as_u64),
            retry: number("retry", "attempts")
                .map(|attempts| Retry { attempts, backoff_ms: number("retry", "backoff").unwrap_or(0) }),
            rate: number("rate_limit", "max")
                .zip(number("rate_limit", "windowMs"))
                .map(|(max, window_ms)| Rate { max, window_ms }),
            auth: auth("type")
                .filter(|kind| *kind != "none")
                .map(|kind| Auth { kind: kind.to_owned(), header: auth("header").unwrap_or("X-API-Key").to_owned() }),
        })
    }

    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        pattern::segments(&self.path).unwrap_or_default()
    }

    /// The one path that it takes, if it is only one.
    pub fn only_path(&self) -> Option<&str> {
        let is_literal = |segment: &Segment<'_>| matches!(segment, Segment::Literal(_));
        self.segments().iter().all(is_literal).then_some(&*self.path)
    }

    /// What the upstream is sent as `Host`: its own, unless the route says otherwise.
    pub fn host(&self) -> &str {
        let given = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        given.and_then(|(_, value)| value.as_deref()).unwrap_or(&self.upstream.authority)
    }

    /// The headers but `Host`.
    pub fn other_headers(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let others = self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
        others.map(|(name, value)| (&**name, value.as_deref()))
    }

    /// How often the upstream is asked again.
    pub fn retries(&self) -> u64 {
        self.retry.map_or(0, |retry| retry.attempts.saturating_sub(1))
    }
}

impl Upstream {
    /// From a URL that has been checked.
    fn read(url: &str) -> Upstream {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_encrypted = matches!(scheme, "https" | "wss");
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, None),
        };
        Upstream {
            is_encrypted,
            is_websocket: matches!(scheme, "ws" | "wss"),
            host: host.to_owned(),
            port: port.unwrap_or(if is_encrypted { 443 } else { 80 }),
            authority: authority.to_owned(),
            base: base.strip_suffix('/').unwrap_or(base).to_owned(),
        }
    }

    /// Host and port.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
