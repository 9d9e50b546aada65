//! What development begins with: routes to two services that everybody may ask, as FlexGate's own seed had them.

use serde_json::{Value, json};

use super::routes::{INSERT, fields};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{Mode, check};
use crate::sql::Json;

const ACTOR: &str = r#"{"user_agent":"mainstay seed"}"#;

fn samples() -> [Value; 2] {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    [
        json!({
            "name": "JSONPlaceholder",
            "path": "/external/api/*",
            "upstream": "https://jsonplaceholder.typicode.com",
            "methods": methods,
            "strip_path": "/external/api",
            "rate_limit": { "max": 200, "windowMs": 60_000 },
            "timeout": 5000,
            "retry": { "attempts": 3, "backoff": 100 },
            "metadata": { "description": "Posts, comments and users that are made up" },
        }),
        json!({
            "name": "HTTPBin",
            "path": "/httpbin/*",
            "upstream": "https://httpbin.org",
            "methods": methods,
            "strip_path": "/httpbin",
            "rate_limit": { "max": 100, "windowMs": 60_000 },
            "timeout": 5000,
            "metadata": { "description": "Answers what it was asked" },
        }),
    ]
}

/// Makes the sample routes that nobody has made yet, and answers the name and path of each and whether it is new. One that
/// is in the way of another route is left out as well.
pub fn seed(statements: &mut dyn Statements) -> Result<Vec<(String, String, bool)>> {
    samples().into_iter().map(|sample| make(statements, sample)).collect()
}

fn make(statements: &mut dyn Statements, sample: Value) -> Result<(String, String, bool)> {
    let Value::Object(sample) = sample else { return Err(Error::internal("a sample is no object")) };
    let body = check(&fields(), sample, Mode::Create, true)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, path) = (text("name"), text("path"));
    match statements.all(&INSERT, &[&Json(ACTOR), &Json(&Value::Object(body).to_string())]) {
        Ok(_) => Ok((name, path, true)),
        Err(error) if error.code == Code::Conflict => Ok((name, path, false)),
        Err(error) => Err(error),
    }
}
