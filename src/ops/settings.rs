//! Settings that are changed while the service runs.

use crate::fields::{boolean, json, text};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::{Resource, Rule};
use crate::sql;

const RULES: &[Rule] = &[
    Rule::new("settings_key_is_unique", "key", "is set already"),
    Rule::new("settings_key_has_1_to_255_characters", "key", "must have 1 to 255 characters"),
];

pub fn endpoints() -> Vec<Endpoint> {
    let read = Permission::new("read:settings", Role::Admin);
    let write = Permission::new("write:settings", Role::Admin);
    let settings = Resource {
        fields: vec![
            text("key").required().help("What is set; unique."),
            json("value").required().veiled().help("The value; replies have null where it is secret."),
            text("description").max(2000).default("").help("What it is for."),
            boolean("secret").default(false).help("Whether the value is shown to nobody."),
        ],
        filters: &["key", "description", "secret"],
        sorts: &["key"],
        insert: Some(sql!("ops/settings/insert")),
        update: Some(sql!("ops/settings/update")),
        delete: Some(sql!("ops/settings/delete")),
        rules: RULES,
        ..Resource::new("ops.settings", "settings", "setting", sql!("ops/settings/select"), read, write)
    };
    settings.endpoints()
}
