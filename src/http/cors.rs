//! Pages of other origins: which may call, as `CORS_ORIGINS` says.

use tiny_http::{Method, Request};

use super::reply::Reply;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const HEADERS: &str =
    "Authorization, Content-Type, X-API-Key, If-Match, If-None-Match, Idempotency-Key, Prefer, X-Request-Id";
const EXPOSED: &str = "ETag, Location, Retry-After, X-Request-Id, Server-Timing, Preference-Applied, \
    RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset";
/// How long a browser may remember what is allowed.
const SECONDS: &str = "600";

/// The origins that may call; `*` is all of them.
#[derive(Debug, Clone, Default)]
pub struct Cors(Vec<String>);

impl Cors {
    pub fn new(origins: &str) -> Cors {
        Cors(origins.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(str::to_owned).collect())
    }

    fn allowed<'a>(&self, request: &'a Request) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let origin = request.header("Origin")?;
        self.0.iter().any(|allowed| allowed == "*" || allowed == origin).then_some(origin)
    }

    /// The answer to a browser that asks first, if this is one that does.
    pub fn preflight(&self, request: &Request) -> Option<Reply> {
        if *request.method() != Method::Options || request.header("Access-Control-Request-Method").is_none() {
            return None;
        }
        self.allowed(request)?;
        let reply = Reply::empty(204)
            .header("Access-Control-Allow-Methods", METHODS)
            .header("Access-Control-Allow-Headers", HEADERS)
            .header("Access-Control-Max-Age", SECONDS);
        Some(reply)
    }

    /// The reply as a browser may show it to the page.
    pub fn allow(&self, request: &Request, reply: Reply) -> Reply {
        if self.0.is_empty() {
            return reply;
        }
        let reply = reply.header("Vary", "Origin");
        match self.allowed(request) {
            Some(origin) => reply
                .header("Access-Control-Allow-Origin", origin.to_owned())
                .header("Access-Control-Expose-Headers", EXPOSED),
            None => reply,
        }
    }
}
