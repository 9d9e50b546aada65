//! Templates as they are worked on: a draft, or what the next version will be.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, Mode, boolean, choice, integer, list, object, records, text, timestamp, uuid};
use crate::http::{Call, Endpoint, Permission, Role};
use crate::json_schema;
use crate::resource::{Resource, Rule, Search, Word};
use crate::sql;

pub(super) const READ: Permission = Permission::new("read:templates", Role::Viewer);
pub(super) const WRITE: Permission = Permission::new("write:templates", Role::User);

/// Technologies, and tags, of one template.
const SLUGS_MAX: usize = 50;
/// Files of one template.
const FILES_MAX: usize = 500;

pub(super) const RULES: &[Rule] = &[
    Rule::new("templates_slug_is_unique", "slug", "is another template's"),
    Rule::new("templates_category_exists", "category_id", "is no category"),
    Rule::new("templates_author_exists", "author_id", "is no user"),
    Rule::new("templates_successor_exists", "successor_id", "is no template"),
    Rule::new("templates_successor_is_another", "successor_id", "must be another template"),
    Rule::new("templates_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new(
        "templates_slug_is_lower_case_words",
        "slug",
        "must be lower-case letters and digits, with single hyphens",
    ),
    Rule::new("templates_slug_has_at_most_63_characters", "slug", "must have at most 63 characters"),
    Rule::new(
        "templates_description_has_at_most_10000_characters",
        "description",
        "must have at most 10000 characters",
    ),
    Rule::new("templates_technologies_are_at_most_50_slugs", "technologies", "must be at most 50 slugs, each once"),
    Rule::new(
        "templates_technologies_exist",
        "technologies",
        "must be slugs of technologies that are in the list of them",
    ),
    Rule::new("templates_tags_are_at_most_50_slugs", "tags", "must be at most 50 slugs, each once"),
    Rule::new("templates_repository_is_a_url", "repository_url", "must be a URL"),
    Rule::new("templates_version_is_semantic", "template_version", "must be a semantic version like 1.2.0"),
    Rule::new("templates_parameters_is_an_object", "parameters", "must be an object"),
    Rule::new("templates_parameters_has_at_most_64_kibibytes", "parameters", "must have at most 64 KiB"),
    Rule::new("templates_files_is_a_list", "files", "must be a list"),
    Rule::new("templates_files_has_at_most_512_kibibytes", "files", "must have at most 512 KiB together"),
    Rule::new("templates_status_is_known", "status", "must be DRAFT, PUBLISHED or DEPRECATED"),
    Rule::new("templates_is_a_draft_until_it_is_published", "status", "follows from what is published"),
    Rule::new("templates_is_deprecated_since_some_time", "status", "follows from when it was deprecated"),
    Rule::new("templates_only_the_deprecated_have_a_successor", "successor_id", "is only for what is deprecated"),
    Rule::new("templates_deprecation_has_at_most_1000_characters", "reason", "must have at most 1000 characters"),
    Rule::new("templates_downloads_is_not_negative", "downloads", "must not be negative"),
];

const WORDS: &[Word] = &[
    Word {
        name: "technology",
        help: "Made with the technology of this slug.",
        condition: "t.technologies @> ARRAY[{value}::text]",
    },
    Word {
        name: "category",
        help: "In the category of this slug, or in one below it.",
        condition: "t.category_id = ANY (ARRAY(SELECT templates.subtree({value}::text)))",
    },
    Word { name: "tag", help: "With this tag.", condition: "t.tags @> ARRAY[{value}::text]" },
];

/// The fields that people write.
pub(super) fn own_fields() -> Vec<Field> {
    let file = vec![
        text("path").required().max(500).form(Form::FILE_PATH).help("Where it goes, below the project's folder."),
        text("content").max(500_000).help("What is in it; without it, it is in the repository."),
        boolean("executable").help("Whether it is a program."),
    ];
    vec![
        text("name").required().form(Form::LINE).help("What people call the template."),
        text("slug")
            .max(63)
            .form(Form::SLUG)
            .never_null()
            .help("Its name in URLs; unique. Made from the name, unless given."),
        text("description").max(10_000).default("").help("What it is for."),
        uuid("category_id").help("Where it belongs."),
        list("technologies", text("").max(63).form(Form::SLUG), SLUGS_MAX)
            .each_once()
            .default(json!([]))
            .help("What it is made with: slugs of technologies."),
        list("tags", text("").max(63).form(Form::SLUG), SLUGS_MAX)
            .each_once()
            .default(json!([]))
            .help("Words to find it by."),
        text("repository_url").max(2000).form(Form::URL).help("Where its files are kept."),
        text("template_version")
            .max(100)
            .form(Form::VERSION)
            .default("0.1.0")
            .help("The version that is published next, or was published last."),
        object("parameters").default(json!({})).help("What one is asked for, as a JSON Schema of an object."),
        records("files", file, FILES_MAX).default(json!([])).long().help("Its files."),
    ]
}

pub(super) fn resource() -> Resource {
    let mut fields = own_fields();
    fields.extend([
        choice("status", &["DRAFT", "PUBLISHED", "DEPRECATED"]).read_only().never_null().help("What has become of it."),
        uuid("author_id").read_only().help("Who made it, and may change it."),
        text("published_version").read_only().help("The version that was published last."),
        timestamp("published_at").read_only().help("When that was."),
        timestamp("deprecated_at").read_only().help("When it was deprecated."),
        text("deprecation").read_only().help("Why nobody should begin with it any more."),
        uuid("successor_id").read_only().help("The template to use instead."),
        integer("downloads").read_only().never_null().help("How often somebody got it; counted a little later."),
    ]);
    Resource {
        fields,
        filters: &[
            "name",
            "slug",
            "category_id",
            "technologies",
            "tags",
            "status",
            "author_id",
            "successor_id",
            "downloads",
        ],
        words: WORDS,
        search: Some(Search {
            select: sql!("templates/templates/search"),
            // Each in a SELECT of its own, which is computed once, and not for each row.
            condition: "t.search @@ (SELECT templates.query({value}::text))",
            is_name: "t.slug = (SELECT ops.slug({value}::text)) AND position(' -' IN {value}::text) = 0",
            popularity: "t.downloads DESC, t.id DESC",
            score: "templates.score(t.search, t.name, t.slug, t.downloads, {value}::text, \
                    (SELECT templates.query({value}::text)), (SELECT ops.slug({value}::text)))",
        }),
        sorts: &["name", "slug", "downloads"],
        searched: &["name", "slug"],
        insert: Some(sql!("templates/templates/insert")),
        update: Some(sql!("templates/templates/update")),
        delete: Some(sql!("templates/templates/delete")),
        is_guarded: true,
        rules: RULES,
        prepare: Some(Box::new(prepare)),
        check: Some(Arc::new(|body| check(body))),
        ..Resource::new("templates.templates", "templates", "template", sql!("templates/templates/select"), READ, WRITE)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    resource()
        .endpoints()
        .into_iter()
        .map(|endpoint| if endpoint.is_write { endpoint } else { endpoint.remembered() })
        .collect()
}

fn prepare(call: &mut Call<'_, '_>, mode: Mode, body: &mut Map<String, Value>) -> Result<()> {
    if mode == Mode::Create {
        body.insert("author_id".to_owned(), json!(call.caller()?.user_id));
    }
    Ok(())
}

/// What no single field can tell: that the parameters are a JSON Schema that can be kept to, and that no two files are one.
pub(super) fn check(body: &Map<String, Value>) -> Result<()> {
    let mut error = Error::new(Code::ValidationError, "the template is not right");
    if let Some(parameters) = body.get("parameters").filter(|parameters| !is_empty(parameters))
        && let Err(problem) = json_schema::compile(parameters)
    {
        error = error.field("parameters", problem);
    }
    let files = body.get("files").and_then(Value::as_array);
    let mut paths: Vec<&str> = files.into_iter().flatten().filter_map(|file| file["path"].as_str()).collect();
    paths.sort_unstable();
    if let Some(pair) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
        error = error.field("files", format!("must not have {} twice", pair[0]));
    }
    if error.fields.is_empty() { Ok(()) } else { Err(error) }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}
