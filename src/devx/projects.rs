//! Projects: what a user and their team build.

use serde_json::json;

use crate::fields::{Form, Mode, choice, object, text, uuid};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::{Resource, Rule};
use crate::sql;

pub(super) const READ: Permission = Permission::new("read:projects", Role::Viewer);
const WRITE: Permission = Permission::new("write:projects", Role::User);

const RULES: &[Rule] = &[
    Rule::new("projects_slug_is_unique", "slug", "is another project's"),
    Rule::new("projects_owner_exists", "owner_id", "is no user"),
    Rule::new("projects_team_exists", "team_id", "is no team"),
    Rule::new("projects_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new(
        "projects_slug_is_lower_case_words",
        "slug",
        "must be lower-case letters and digits, with single hyphens",
    ),
    Rule::new("projects_slug_has_at_most_63_characters", "slug", "must have at most 63 characters"),
    Rule::new("projects_description_has_at_most_10000_characters", "description", "must have at most 10000 characters"),
    Rule::new("projects_repository_is_a_url", "repository_url", "must be a URL"),
    Rule::new("projects_status_is_known", "status", "must be ACTIVE or ARCHIVED"),
    Rule::new("projects_configuration_is_an_object", "configuration", "must be an object"),
    Rule::new("projects_metadata_is_an_object", "metadata", "must be an object"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let projects = Resource {
        fields: vec![
            text("name").required().form(Form::LINE).help("What people call the project."),
            text("slug")
                .max(63)
                .form(Form::SLUG)
                .never_null()
                .help("Its name in URLs; unique. Made from the name, unless given."),
            text("description").max(10_000).default("").help("What it is for."),
            uuid("owner_id").never_null().help("Whose it is; the caller's, unless it is given."),
            uuid("team_id").help("The team that shares it: its members change it, its viewers look on."),
            text("repository_url").max(2000).form(Form::URL).help("Where its files are kept."),
            choice("status", &["ACTIVE", "ARCHIVED"]).default("ACTIVE").help("Whether it is worked on."),
            object("configuration").default(json!({})).help("How it is built and run."),
            object("metadata").default(json!({})).help("Anything else."),
        ],
        filters: &["name", "slug", "owner_id", "team_id", "status", "metadata"],
        beside: &["status"],
        sorts: &["name", "slug"],
        insert: Some(sql!("devx/projects/insert")),
        update: Some(sql!("devx/projects/update")),
        delete: Some(sql!("devx/projects/delete")),
        is_guarded: true,
        own: Some("t.owner_id = {user} OR t.team_id = ANY (ARRAY(SELECT identity.current_team_ids()))"),
        rules: RULES,
        prepare: Some(Box::new(|call, mode, body| {
            if mode == Mode::Create {
                let owner = json!(call.caller()?.user_id);
                body.entry("owner_id").or_insert(owner);
            }
            Ok(())
        })),
        ..Resource::new("devx.projects", "projects", "project", sql!("devx/projects/select"), READ, WRITE)
    };
    projects.endpoints()
}
