//! What happened, in words: by project, by user and by team.

use crate::fields::{text, uuid};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::Resource;
use crate::sql;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = Permission::new("read:activity", Role::Viewer);
    let activity = Resource {
        fields: vec![
            uuid("user_id").read_only().help("Who did it."),
            uuid("project_id").read_only().help("The project that it happened to."),
            uuid("team_id").read_only().help("The team that shared it then."),
            text("verb").read_only().never_null().help("What was done: created, changed, active, completed."),
            text("resource_type").read_only().never_null().help("The table: projects, services, generation_history."),
            uuid("resource_id").read_only().never_null().help("The id of what it was done to."),
            text("summary").read_only().never_null().help("All of it: Ann created the service Payments in Shop."),
        ],
        filters: &["user_id", "project_id", "team_id", "verb", "resource_type", "resource_id"],
        beside: &["verb", "resource_type"],
        is_guarded: true,
        own: Some(super::OWN),
        is_log: true,
        ..Resource::new("devx.activity", "activity", "activity", sql!("devx/activity/select"), read, read)
    };
    activity.endpoints()
}
