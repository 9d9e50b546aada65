//! The log: lines for people, or objects for programs.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use env_logger::fmt::Formatter;
use log::Record;
use serde_json::Value;

use crate::config::{Config, show_time};
use crate::http::ACCESS_LOG as ACCESS;

/// Starts logging to the standard error.
pub(super) fn start(config: &Config) {
    let level = config.text("LOG_LEVEL").unwrap_or("info");
    // The driver prints statements with their parameters at its lower levels.
    let access = if config.boolean("LOG_ACCESS") == Some(false) { "off" } else { level };
    let filter = format!("{level},{ACCESS}={access},tokio_postgres=warn,postgres=warn,r2d2=off");
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&filter);
    match config.text("LOG_FORMAT") {
        Some("json") => builder.format(object),
        _ => builder.format(line),
    };
    // Only the first logger of a process counts, and there is none before this.
    let _ = builder.try_init();
}

fn line(buffer: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    writeln!(buffer, "{} {:<5} {}: {}", now(), record.level(), record.target(), record.args())
}

/// What is an object already, as in the access log, has its members beside the others.
fn object(buffer: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let text = record.args().to_string();
    let mut members = match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => members,
        _ => [("message".to_owned(), Value::String(text))].into_iter().collect(),
    };
    members.insert("time".to_owned(), now().into());
    members.insert("level".to_owned(), record.level().as_str().to_ascii_lowercase().into());
    members.insert("target".to_owned(), record.target().into());
    writeln!(buffer, "{}", Value::Object(members))
}

/// The time as RFC 3339 in UTC, to the millisecond.
fn now() -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}Z", show_time(time.as_secs()).trim_end_matches('Z'), time.subsec_millis())
}
