//! What a handler answers, and how an error looks.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::shared::SharedBody;
use crate::error::{Code, Error};
use crate::request_id::RequestId;

/// The body of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Empty,
    Json(String),
    /// Something else, with its type.
    Text(&'static str, String),
    /// What other replies have too.
    Shared(Arc<SharedBody>),
}

/// A reply: status, headers beside those that every reply has, and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    pub body: Body,
    /// What is kept instead of the body where replies are kept, if the body has a secret in it.
    pub kept: Option<String>,
}

impl Reply {
    fn new(status: u16, body: Body) -> Reply {
        Reply { status, headers: Vec::new(), body, kept: None }
    }

    pub fn json(status: u16, body: impl Into<String>) -> Reply {
        Reply::new(status, Body::Json(body.into()))
    }

    pub fn value(status: u16, body: &Value) -> Reply {
        Reply::json(status, body.to_string())
    }

    pub fn empty(status: u16) -> Reply {
        Reply::new(status, Body::Empty)
    }

    pub fn text(kind: &'static str, body: impl Into<String>) -> Reply {
        Reply::new(200, Body::Text(kind, body.into()))
    }

    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    pub fn shared(body: Arc<SharedBody>) -> Reply {
        Reply::new(200, Body::Shared(body))
    }

    /// With what may be kept of it, as its body may not.
    pub fn keeping(mut self, body: String) -> Reply {
        self.kept = Some(body);
        self
    }

    /// With the version of the row as its `ETag`.
    pub fn version(self, version: i32) -> Reply {
        self.header("ETag", format!("\"{version}\""))
    }

    /// An error as the client sees it. What should not have happened is told by the request's id alone.
    pub fn problem(error: &Error, request_id: &RequestId) -> Reply {
        let code = error.code;
        let mut body = problem(error);
        body["request_id"] = json!(request_id.as_str());
        let mut reply = Reply::new(code.status(), Body::Text("application/problem+json", body.to_string()));
        if let Some(time) = error.retry_after {
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            reply = reply.header("Retry-After", seconds.max(1).to_string());
        }
        if code.status() == 401 {
            reply = reply.header("WWW-Authenticate", r#"Bearer realm="mainstay""#);
        }
        for (name, value) in &error.headers {
            reply = reply.header(name, value.clone());
        }
        reply
    }
}

/// The members of an error, without the request's id.
pub(super) fn problem(error: &Error) -> Value {
    let code = error.code;
    let detail = match code {
        Code::InternalError => "something went wrong here; the log says what, under the request's id",
        // The message says who has the connections, which is nobody's business but the operator's.
        Code::PoolExhausted => "too many requests need the database at this moment; try again soon",
        _ => &error.message,
    };
    let mut body = json!({
        "type": "about:blank",
        "title": code.title(),
        "status": code.status(),
        "detail": detail,
        "code": code.name(),
    });
    if !error.fields.is_empty() {
        let fields = error.fields.iter().map(|fault| json!({ "field": fault.field, "message": fault.message }));
        body["fields"] = fields.collect();
    }
    body
}
