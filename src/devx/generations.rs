//! Generations: somebody asks for something to be made from a template, a worker makes it, and what came of it stays.

use postgres::Row;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::{
    Field, Form, Mode, boolean, choice, integer, object, object_schema, records, text, timestamp, uuid,
};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, get, post};
use crate::json_schema;
use crate::leases::Work;
use crate::resource::{Resource, Rule, as_object, explain};
use crate::sql;
use crate::sql::Json;

const READ: Permission = Permission::new("read:generations", Role::Viewer);
const WRITE: Permission = Permission::new("write:generations", Role::User);
/// Workers do what anybody has asked for, so an administrator gives them a key that may do this, and nothing else.
const WORK: Permission = Permission::new("write:generation-claims", Role::Admin);

const TABLE: &str = "devx.generation_history";
/// Files of one generation.
const FILES_MAX: usize = 5000;

const RULES: &[Rule] = &[
    Rule::new("generation_history_user_exists", "user_id", "is no user"),
    Rule::new("generation_history_template_exists", "template_id", "is no template"),
    Rule::new("generation_history_template_version_exists", "template_version", "is no version that was published"),
    Rule::new("generation_history_project_exists", "project_id", "is no project"),
    Rule::new("generation_history_service_exists", "service_id", "is no service"),
    Rule::new("generation_history_type_is_a_lower_case_word", "generation_type", "must be a lower-case word"),
    Rule::new("generation_history_input_params_is_an_object", "input_params", "must be an object"),
    Rule::new("generation_history_output_files_is_a_list", "output_files", "must be a list"),
    Rule::new(
        "generation_history_error_has_at_most_10000_characters",
        "error_message",
        "must have at most 10000 characters",
    ),
    Rule::new("generation_history_is_tried_1_to_10_times", "attempts_max", "must be between 1 and 10"),
    Rule::new(
        "generation_history_lease_holder_has_at_most_255_characters",
        "worker",
        "must have at most 255 characters",
    ),
];

/// What somebody who asks for one says.
fn wishes() -> Vec<Field> {
    vec![
        uuid("template_id").help("What it is made from."),
        uuid("project_id").help("The project that it is for."),
        uuid("service_id").help("The service that it is for."),
        text("generation_type").max(50).form(Form::WORD).default("project").help("What is made: project, service."),
        text("template_version")
            .max(100)
            .form(Form::VERSION)
            .help("The version; the one published last, unless given."),
        object("input_params").default(json!({})).help("What the template asks for."),
        integer("attempts_max").range(1, 10).default(3).help("How often it is tried."),
    ]
}

/// A file that was made, as a worker tells of it.
fn files() -> Field {
    let file = vec![
        text("path").required().max(500).form(Form::FILE_PATH).help("Where it is, below the project's folder."),
        text("checksum").max(200).help("The checksum of what is in it."),
        integer("bytes").range(0, i64::from(i32::MAX)).help("How long it is."),
    ];
    records("output_files", file, FILES_MAX).default(json!([])).long().help("The files that were made.")
}

fn resource() -> Resource {
    let fields = vec![
        uuid("user_id").read_only().never_null().help("Who asked for it."),
        uuid("template_id").read_only().help("What it is made from."),
        uuid("project_id").read_only().help("The project that it is for."),
        uuid("service_id").read_only().help("The service that it is for."),
        text("generation_type").read_only().never_null().help("What is made."),
        text("template_version").read_only().help("The version of the template."),
        text("template_checksum").read_only().help("The checksum of that version."),
        object("input_params").read_only().never_null().help("What the template asked for."),
        Field { access: crate::fields::Access::ReadOnly, default: None, ..files() },
        choice("generation_status", &["pending", "running", "completed", "failed"])
            .read_only()
            .never_null()
            .help("How far it is."),
        text("error_message").read_only().help("Why it has failed, or is tried again."),
        integer("execution_time_ms").read_only().unit("ms").help("How long the last attempt took."),
        integer("attempts").read_only().never_null().help("How often it was begun."),
        integer("attempts_max").read_only().never_null().help("How often it is tried."),
        timestamp("due_at").read_only().never_null().help("When it may be claimed."),
        timestamp("lease_until").read_only().help("How long it is the worker's without another word."),
        text("lease_holder").read_only().help("The worker that has it."),
        integer("fence").read_only().never_null().help("Counts its claims."),
        timestamp("started_at").read_only().help("When the last attempt began."),
        timestamp("completed_at").read_only().help("When it was over."),
    ];
    Resource {
        fields,
        filters: &[
            "user_id",
            "template_id",
            "project_id",
            "service_id",
            "generation_type",
            "template_version",
            "generation_status",
            "input_params",
            "lease_holder",
            "completed_at",
        ],
        beside: &[
            "generation_type",
            "template_version",
            "input_params",
            "lease_holder",
            "completed_at",
            "created_at",
            "updated_at",
        ],
        is_guarded: true,
        own: Some(super::OWN),
        rules: RULES,
        ..Resource::new(
            "devx.generation_history",
            "generations",
            "generation",
            sql!("devx/generations/select"),
            READ,
            WRITE,
        )
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let resource = resource();
    let fields = resource.all_fields();
    let mut endpoints = vec![
        post("/api/generations", Access::Permission(WRITE), ask)
            .summary("Ask for something to be made from a template; what it asks for is checked")
            .input(wishes(), Mode::Create)
            .answers(201, Output::Object(fields.clone()))
            .named("NewGeneration", "Generation")
            .guarded(true)
            .writes(),
        get("/api/generations/{id}/timeline", Access::Permission(READ), timeline)
            .summary("Show what happened to a generation, step by step")
            .answers(200, Output::Json(timeline_schema()))
            .named("", "GenerationTimeline")
            .guarded(true),
    ];
    endpoints.extend(resource.endpoints());
    let work = Work {
        table: TABLE,
        collection: "generations",
        singular: "generation",
        type_name: "Generation",
        permission: WORK,
        fields,
        outcome: vec![files()],
        failure: vec![
            text("error_message").required().max(10_000).help("Why."),
            boolean("retry").default(true).help("Whether to try again, if it may be tried again."),
        ],
        claim: sql!("devx/generations/claim"),
        heartbeat: sql!("devx/generations/heartbeat"),
        complete: sql!("devx/generations/complete"),
        fail: sql!("devx/generations/fail"),
        rules: RULES,
    };
    endpoints.extend(work.endpoints());
    endpoints
}

fn ask(call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let mut wish = call.input()?;
    wish.insert("user_id".to_owned(), json!(call.caller()?.user_id));
    let actor = call.actor();
    let query = sql!("devx/generations/insert");
    let text = as_object(&query);
    // What was published stays as it is; so it is read, and the input held against it, before there is a transaction.
    let template = call.read(|statements| template(statements, &wish))?;
    if let Some(template) = template {
        check(template, &mut wish)?;
    }
    let body = Value::Object(wish).to_string();
    call.write(Many::No, |statements| {
        let rows = statements.all_of(query.name, text.as_str().into(), &[&Json(&actor), &Json(&body)]);
        let rows = rows.map_err(|error| explain(error, TABLE, RULES))?;
        let row = rows.first().ok_or_else(|| Error::internal("a generation was not made"))?;
        let location = format!("/api/generations/{}", row.get::<_, Uuid>(2));
        Ok(Reply::json(201, row.get::<_, &str>(0)).version(row.get(1)).header("Location", location))
    })
}

fn refused() -> Error {
    Error::new(Code::ValidationError, "the generation is not right")
}

/// The template that is wished for, as it was published, if there is one.
fn template(statements: &mut dyn Statements, wish: &Map<String, Value>) -> Result<Option<Row>> {
    let id = wish.get("template_id").and_then(Value::as_str).and_then(|text| Uuid::try_parse(text).ok());
    let version = wish.get("template_version").and_then(Value::as_str);
    let Some(id) = id else {
        return match version {
            Some(_) => Err(refused().field("template_id", "must be given with template_version")),
            None => Ok(None),
        };
    };
    let row = statements.maybe(&sql!("devx/generations/template"), &[&id, &version])?;
    row.map(Some).ok_or_else(|| refused().field("template_id", "is no template"))
}

/// Holds the input against what a template asks for.
fn check(template: Row, wish: &mut Map<String, Value>) -> Result<()> {
    let published: Option<String> = template.get("template_version");
    let published = published.ok_or_else(|| match wish.get("template_version").and_then(Value::as_str) {
        Some(_) => refused().field("template_version", "was never published"),
        None => refused().field("template_id", "is a draft: nothing of it was published yet"),
    })?;
    let parameters: Value = template.get("parameters");
    if parameters.as_object().is_some_and(|parameters| !parameters.is_empty()) {
        let schema = json_schema::compile(&parameters)
            .map_err(|problem| refused().field("template_id", format!("cannot be used: what it asks for {problem}")))?;
        let input = wish.get("input_params").cloned().unwrap_or_else(|| json!({}));
        let faults = json_schema::faults(&schema, "input_params", &input);
        if !faults.is_empty() {
            let mut error = refused();
            error.fields = faults;
            return Err(error);
        }
    }
    wish.insert("template_version".to_owned(), json!(published));
    wish.insert("template_checksum".to_owned(), json!(template.get::<_, Option<String>>("checksum")));
    Ok(())
}

fn timeline_schema() -> Value {
    let step = [
        choice("type", &["created", "claimed", "lost", "retrying", "completed", "failed"])
            .never_null()
            .help("What happened."),
        integer("attempt").never_null().help("In which attempt; 0 is before the first."),
        text("worker").help("The worker that had it."),
        text("message").help("Why."),
        timestamp("created_at").never_null().help("When."),
    ];
    json!({
        "type": "object",
        "properties": { "data": { "type": "array", "items": object_schema(&step, None) } },
        "required": ["data"],
        "additionalProperties": false,
    })
}

fn timeline(call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let id = call.id()?;
    let steps = call.read(|statements| statements.json(&sql!("devx/generation_events/timeline"), &[&id]))?;
    // Every generation has been created: one without a step is none, or somebody else's.
    if steps.is_empty() {
        return Err(Error::new(Code::NotFound, format!("there is no generation with the id {id}")));
    }
    Ok(Reply::value(200, &json!({ "data": steps })))
}
