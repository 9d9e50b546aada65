//! Categories: the tree in which templates are found. It is everybody's, so administrators keep it.

use serde_json::json;

use crate::db::Which;
use crate::error::Result;
use crate::fields::{Field, Form, integer, object_schema, text, uuid};
use crate::http::{Access, Call, Endpoint, Output, Permission, Reply, Role, get};
use crate::resource::{Resource, Rule};
use crate::sql;

const READ: Permission = Permission::new("read:categories", Role::Viewer);
const WRITE: Permission = Permission::new("write:categories", Role::Admin);

const RULES: &[Rule] = &[
    Rule::new("categories_slug_is_unique", "slug", "is another category's"),
    Rule::new("categories_parent_exists", "parent_id", "is no category"),
    Rule::new("categories_are_a_tree", "parent_id", "must not be below the category itself, nor ten levels deep"),
    Rule::new("categories_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new(
        "categories_slug_is_lower_case_words",
        "slug",
        "must be lower-case letters and digits, with single hyphens",
    ),
    Rule::new("categories_slug_has_at_most_63_characters", "slug", "must have at most 63 characters"),
    Rule::new(
        "categories_description_has_at_most_10000_characters",
        "description",
        "must have at most 10000 characters",
    ),
    Rule::new("categories_icon_has_at_most_255_characters", "icon", "must have at most 255 characters"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let categories = Resource {
        fields: vec![
            text("name").required().form(Form::LINE).help("What people call the category."),
            text("slug")
                .max(63)
                .form(Form::SLUG)
                .never_null()
                .help("Its name in URLs; unique. Made from the name, unless given."),
            text("description").max(10_000).default("").help("What belongs there."),
            text("icon").form(Form::LINE).help("The name of its picture."),
            uuid("parent_id").help("The category above it."),
            integer("position").default(0).help("The order among those with the same parent."),
        ],
        filters: &["name", "slug", "parent_id"],
        sorts: &["name", "slug", "position"],
        insert: Some(sql!("templates/categories/insert")),
        update: Some(sql!("templates/categories/update")),
        delete: Some(sql!("templates/categories/delete")),
        rules: RULES,
        ..Resource::new(
            "templates.categories",
            "categories",
            "category",
            sql!("templates/categories/select"),
            READ,
            WRITE,
        )
    };
    let mut endpoints = categories.endpoints();
    endpoints.push(
        get("/api/templates/categories", Access::Permission(READ), tree)
            .summary("Show the tree of categories, with how many published templates each has")
            .pool(Which::Readonly)
            .answers(200, Output::Json(tree_schema()))
            .named("", "CategoryTree")
            .remembered(),
    );
    endpoints
}

fn branch() -> Vec<Field> {
    vec![
        uuid("id").never_null().help("Its id."),
        text("name").never_null().help("What people call the category."),
        text("slug").never_null().help("Its name in URLs."),
        text("description").never_null().help("What belongs there."),
        text("icon").help("The name of its picture."),
        uuid("parent_id").help("The category above it."),
        integer("depth").never_null().help("How many categories are above it."),
        integer("templates").never_null().help("How many published templates are in it."),
        integer("templates_total").never_null().help("How many are in it and in all below it."),
    ]
}

fn tree_schema() -> serde_json::Value {
    json!({
        "type": "object",
        "properties": { "data": { "type": "array", "items": object_schema(&branch(), None) } },
        "required": ["data"],
        "additionalProperties": false,
    })
}

/// Every category behind the one above it.
fn tree(call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let rows = call.read(|statements| statements.json(&sql!("templates/categories/tree"), &[]))?;
    Ok(Reply::value(200, &json!({ "data": rows })))
}
