//! The audit in words. Users see what they did themselves, and administrators what everybody did.

use crate::fields::{text, uuid};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::Resource;
use crate::sql;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = Permission::new("read:activity-logs", Role::Viewer);
    let logs = Resource {
        fields: vec![
            uuid("user_id").read_only().help("Who did it."),
            text("user").read_only().help("What they are called."),
            text("verb").read_only().help("What they did: created, changed, deleted."),
            text("resource").read_only().help("What they did it to, in words: team member."),
            text("action").read_only().help("The table and what was done: teams.update."),
            text("resource_type").read_only().help("The table: teams."),
            uuid("resource_id").read_only().help("The id of what they did it to."),
            text("summary").read_only().help("All of it: Ann changed the team Payments: name."),
        ],
        filters: &["user_id", "action", "resource_type", "resource_id"],
        is_guarded: true,
        own: Some("t.user_id = {user}"),
        is_log: true,
        is_partitioned: true,
        ..Resource::new(
            "telemetry.activity_logs",
            "activity-logs",
            "activity log",
            sql!("telemetry/activity_logs/select"),
            read,
            read,
        )
    };
    logs.endpoints()
}
