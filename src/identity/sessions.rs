//! Sessions as their users see them: where they are logged in, and how to end it.

use crate::fields::{inet, text, timestamp, uuid};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::Resource;
use crate::sql;

pub(super) const WRITE: Permission = Permission::new("write:sessions", Role::Viewer);

pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = Permission::new("read:sessions", Role::Viewer);
    let sessions = Resource {
        fields: vec![
            uuid("user_id").read_only().never_null().help("Whose it is."),
            inet("ip_address").read_only().help("Where the login came from."),
            text("user_agent").max(1024).read_only().help("The program that logged in."),
            timestamp("expires_at").read_only().never_null().help("When it ends by itself."),
            timestamp("revoked_at").read_only().help("When it was ended."),
            timestamp("last_seen_at").read_only().never_null().help("When its tokens were renewed last."),
        ],
        filters: &["user_id", "ip_address", "expires_at", "revoked_at", "last_seen_at"],
        beside: &["revoked_at", "last_seen_at", "created_at", "updated_at"],
        sorts: &["last_seen_at", "expires_at"],
        delete: Some(sql!("identity/sessions/delete")),
        is_guarded: true,
        own: Some("t.user_id = {user}"),
        ..Resource::new("identity.sessions", "sessions", "session", sql!("identity/sessions/select"), read, WRITE)
    };
    sessions.endpoints()
}
