//! Technologies: what templates are made with. Administrators keep the list; a template names those of it by their slugs.

use crate::fields::{Form, choice, text};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::{Resource, Rule};
use crate::sql;

/// The kinds of technology.
pub(super) const KINDS: &[&str] = &["language", "framework", "database", "tool"];

const RULES: &[Rule] = &[
    Rule::new("technologies_slug_is_unique", "slug", "is another technology's"),
    Rule::new("technologies_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new(
        "technologies_slug_is_lower_case_words",
        "slug",
        "must be lower-case letters and digits, with single hyphens",
    ),
    Rule::new("technologies_slug_has_at_most_63_characters", "slug", "must have at most 63 characters"),
    Rule::new("technologies_kind_is_known", "kind", "must be language, framework, database or tool"),
    Rule::new(
        "technologies_version_has_at_most_63_characters",
        "technology_version",
        "must have at most 63 characters",
    ),
    Rule::new("technologies_website_is_a_url", "website", "must be a URL with http or https"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = Permission::new("read:technologies", Role::Viewer);
    let write = Permission::new("write:technologies", Role::Admin);
    let technologies = Resource {
        fields: vec![
            text("name").required().form(Form::LINE).help("What people call it."),
            text("slug")
                .max(63)
                .form(Form::SLUG)
                .never_null()
                .help("Its name in URLs; unique. Made from the name, unless given."),
            choice("kind", KINDS).required().help("What it is."),
            text("technology_version").max(63).form(Form::LINE).help("Its own version."),
            text("website").max(2000).form(Form::WEB_URL).help("Where to read about it."),
        ],
        filters: &["name", "slug", "kind"],
        sorts: &["name", "slug"],
        insert: Some(sql!("templates/technologies/insert")),
        update: Some(sql!("templates/technologies/update")),
        delete: Some(sql!("templates/technologies/delete")),
        rules: RULES,
        ..Resource::new(
            "templates.technologies",
            "technologies",
            "technology",
            sql!("templates/technologies/select"),
            read,
            write,
        )
    };
    technologies.endpoints()
}
