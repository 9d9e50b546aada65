//! The same table as one sees it who gives rights: each permission, who has it without being given it, and whose rows it opens.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::caller::Role;
use super::endpoint::Endpoint;

/// What the endpoints of one permission have in common.
struct Right {
    role: Role,
    is_guarded: bool,
}

/// The permissions of these endpoints, as a table in Markdown.
pub fn table(endpoints: &[Endpoint]) -> String {
    let mut rights: BTreeMap<&str, Right> = BTreeMap::new();
    for endpoint in endpoints {
        let Some(permission) = endpoint.permission() else { continue };
        let right =
            rights.entry(permission.name).or_insert(Right { role: permission.role, is_guarded: endpoint.is_guarded });
        // One endpoint that shows all is enough for the permission to show all.
        right.is_guarded &= endpoint.is_guarded;
    }
    let mut text = "| permission | who has it | whose rows |\n| --- | --- | --- |\n".to_owned();
    for (name, Right { role, is_guarded }) in rights {
        let who = match role {
            Role::Viewer => "VIEWER, USER, ADMIN",
            Role::User => "USER, ADMIN",
            Role::Admin => "ADMIN",
        };
        let whose = if is_guarded { "own and shared; all for an ADMIN" } else { "all" };
        let _ = writeln!(text, "| `{name}` | {who} | {whose} |");
    }
    text
}
