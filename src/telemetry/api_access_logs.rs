//! The access log, as administrators read it. How it is written is the recorder's business.

use crate::fields::{inet, integer, number, text, uuid};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::Resource;
use crate::sql;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = Permission::new("read:api-access-logs", Role::Admin);
    let logs = Resource {
        fields: vec![
            uuid("user_id").read_only().help("Who called, if it is known."),
            uuid("api_key_id").read_only().help("The API key that they showed."),
            text("request_id").read_only().never_null().help("What the log calls the request."),
            text("method").read_only().never_null().help("GET, POST and so on."),
            text("path").read_only().never_null().help("The path of the endpoint; empty if there is none."),
            integer("status").read_only().never_null().help("The status of the reply."),
            number("duration_ms").read_only().never_null().unit("ms").help("How long the reply took."),
            integer("bytes").read_only().never_null().help("How long the body of the reply was."),
            inet("ip_address").read_only().help("Where the request came from."),
            text("user_agent").read_only().never_null().help("The program that sent it."),
        ],
        filters: &[
            "user_id",
            "api_key_id",
            "request_id",
            "method",
            "path",
            "status",
            "duration_ms",
            "ip_address",
            "user_agent",
        ],
        beside: &["method", "path", "duration_ms", "ip_address", "user_agent"],
        is_log: true,
        is_partitioned: true,
        ..Resource::new(
            "telemetry.api_access_logs",
            "api-access-logs",
            "API access log",
            sql!("telemetry/api_access_logs/select"),
            read,
            read,
        )
    };
    logs.endpoints()
}
