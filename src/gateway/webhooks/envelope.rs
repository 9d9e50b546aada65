//! What is sent: `{"id": …, "type": …, "timestamp": …, "data": {…}}`, the same at every attempt.

use serde_json::json;
use uuid::Uuid;

/// Bytes of an event's data that are sent. Of more, receivers are told where to find them.
const DATA_BYTES_MAX: usize = 20_000;

/// An event on its way.
#[derive(Debug)]
pub struct Event {
    pub id: Uuid,
    pub kind: String,
    /// As RFC 3339 has it.
    pub timestamp: String,
    /// JSON.
    pub payload: String,
}

/// The body of a delivery.
pub fn body(event: &Event, public_url: &str) -> String {
    let Event { id, kind, timestamp, payload } = event;
    let (kind, timestamp) = (json!(kind), json!(timestamp));
    if payload.len() <= DATA_BYTES_MAX {
        return format!(r#"{{"id":"{id}","type":{kind},"timestamp":{timestamp},"data":{payload}}}"#);
    }
    let data = json!({ "reference": format!("{public_url}/api/webhook-events/{id}"), "bytes": payload.len() });
    format!(r#"{{"id":"{id}","type":{kind},"timestamp":{timestamp},"data":{data}}}"#)
}
