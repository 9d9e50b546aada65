//! The audit, as administrators read it: what was changed, by whom, and what it was before.

use crate::fields::{inet, object, text, uuid};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::Resource;
use crate::sql;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = Permission::new("read:audit-logs", Role::Admin);
    let logs = Resource {
        fields: vec![
            uuid("user_id").read_only().help("Who did it; nobody, if it was done by hand."),
            uuid("api_key_id").read_only().help("The API key that they did it with."),
            text("request_id").read_only().help("The request that did it."),
            text("action").read_only().never_null().help("The table and what was done: teams.update."),
            text("resource_type").read_only().never_null().help("The table of what was changed: teams."),
            uuid("resource_id").read_only().help("The id of what was changed; of none, if a table was emptied."),
            object("changes").read_only().help(
                "What has changed: {\"column\": [before, after]}. Secrets are \"[redacted]\", and long values are cut.",
            ),
            inet("ip_address").read_only().help("Where the request came from."),
            text("user_agent").read_only().help("The program that sent it."),
            text("database_user").read_only().never_null().help("Who was connected to the database."),
        ],
        filters: &[
            "user_id",
            "api_key_id",
            "request_id",
            "action",
            "resource_type",
            "resource_id",
            "ip_address",
            "database_user",
        ],
        beside: &["ip_address", "database_user"],
        is_log: true,
        is_partitioned: true,
        ..Resource::new(
            "telemetry.audit_logs",
            "audit-logs",
            "audit log",
            sql!("telemetry/audit_logs/select"),
            read,
            read,
        )
    };
    logs.endpoints()
}
