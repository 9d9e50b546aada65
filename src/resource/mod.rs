//! Resources: a table declared once, and its endpoints, all served by the one engine here.
//!
//! Knows HTTP through `Call` and `Reply`, and the database through `Statements`. It does not know which resources there are.

mod rules;
mod filter;
mod cursor;
mod list;
mod search;
mod one;
mod bulk;
mod expand;
mod parameters;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::db::Which;
use crate::error::Result;
use crate::fields::{Field, Mode, integer, timestamp, uuid};
use crate::http::{Access, Call, Check, Endpoint, Output, Parameter, Permission, delete, get, patch, post, put};
use crate::sql::Query;

pub use expand::Expansion;
pub use rules::{Rule, explain};
pub use search::Search;

/// Makes a body fit for its statement: hashes a password, fills in the caller. Runs before a connection is taken.
pub type Prepare = Box<dyn Fn(&mut Call<'_, '_>, Mode, &mut Map<String, Value>) -> Result<()> + Send + Sync>;

/// A filter that is no column: a word of the query string, and what it means.
pub struct Word {
    pub name: &'static str,
    pub help: &'static str,
    /// A condition on the row `t`, with `{value}` where the text stands that was given.
    pub condition: &'static str,
}

/// A table and how it is served.
pub struct Resource {
    /// `identity.teams`
    pub table: &'static str,
    /// `teams`, as the path has it.
    pub collection: &'static str,
    /// One of them, in words: `team`.
    pub singular: &'static str,
    /// Its own fields; every resource also has `id`, `version`, `created_at` and `updated_at`, and a log the first and
    /// the third of them.
    pub fields: Vec<Field>,
    /// Fields by which lists are filtered, beside the common ones.
    pub filters: &'static [&'static str],
    /// Fields without an index, of a table that grows: lists are filtered and sorted by them only beside a filter that finds
    /// few rows.
    pub beside: &'static [&'static str],
    /// Filters that are no fields.
    pub words: &'static [Word],
    /// How `q` finds rows, the best first.
    pub search: Option<Search>,
    /// Fields by which lists are sorted, beside `id`, `created_at` and `updated_at`. They are never null.
    pub sorts: &'static [&'static str],
    /// Texts with an index on `ops.trigrams` of them, which serves `__contains`.
    pub searched: &'static [&'static str],
    pub select: Query,
    /// `$1` actor, `$2` body.
    pub insert: Option<Query>,
    /// `$1` actor, `$2` ids, `$3` body, `$4` version or null.
    pub update: Option<Query>,
    /// `$1` actor, `$2` ids, `$3` version or null.
    pub delete: Option<Query>,
    pub read: Permission,
    pub write: Permission,
    /// To make one; the same as to change one, unless it says otherwise.
    pub create: Permission,
    /// Rows belong to users, and row-level security hides others'.
    pub is_guarded: bool,
    /// What of a row `t` says that the user `{user}` may see it, in a form that an index serves. It only makes the way to
    /// those rows short: which they are is decided by row-level security.
    pub own: Option<&'static str>,
    /// Whether changes must say which version they change.
    pub needs_match: bool,
    /// Rows are written once and never changed, so they have no version.
    pub is_log: bool,
    /// The table has partitions by `created_at`.
    pub is_partitioned: bool,
    /// What its constraints mean to clients.
    pub rules: &'static [Rule],
    pub prepare: Option<Prepare>,
    pub check: Option<Check>,
    /// Rows that its rows refer to, for `expand=`.
    pub expansions: Vec<Expansion>,
    /// What one of them is called as a type, where that does not follow from its name in words.
    pub type_name: Option<&'static str>,
}

impl Resource {
    /// A resource without fields and statements but the one that reads.
    pub fn new(
        table: &'static str,
        collection: &'static str,
        singular: &'static str,
        select: Query,
        read: Permission,
        write: Permission,
    ) -> Resource {
        Resource {
            table,
            collection,
            singular,
            fields: Vec::new(),
            filters: &[],
            beside: &[],
            words: &[],
            search: None,
            sorts: &[],
            searched: &[],
            select,
            insert: None,
            update: None,
            delete: None,
            read,
            write,
            create: write,
            is_guarded: false,
            own: None,
            needs_match: false,
            is_log: false,
            is_partitioned: false,
            rules: &[],
            prepare: None,
            check: None,
            expansions: Vec::new(),
            type_name: None,
        }
    }

    /// All fields, in the order in which replies show them.
    pub fn all_fields(&self) -> Vec<Field> {
        if self.is_log {
            return [id()].into_iter().chain(self.fields.clone()).chain([created_at()]).collect();
        }
        with_common(self.fields.clone())
    }

    /// The fields around its own by which lists are filtered and sorted.
    fn common_names(&self) -> &'static [&'static str] {
        if self.is_log { &["id", "created_at"] } else { &["id", "created_at", "updated_at"] }
    }

    /// What one of them is called as a type: `TeamMember`.
    fn type_name(&self) -> String {
        if let Some(name) = self.type_name {
            return name.to_owned();
        }
        let word = |word: &str| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + &rest.to_lowercase()
        };
        self.singular.split(' ').map(word).collect()
    }

    /// The endpoints: of the five verbs those that there are statements for, and those for many at once.
    pub fn endpoints(self) -> Vec<Endpoint> {
        let engine = Arc::new(Engine::new(self));
        let resource = &engine.resource;
        let many = format!("/api/{}", resource.collection);
        let one = format!("{many}/{{id}}");
        let (read, write) = (Access::Permission(resource.read), Access::Permission(resource.write));
        let (singular, collection) = (resource.singular, resource.collection.replace('-', " "));
        let object = || Output::Object(resource.shown_fields());
        let name = resource.type_name();
        let on = |act: fn(&Engine, &mut Call<'_, '_>) -> Result<crate::http::Reply>| {
            let engine = engine.clone();
            move |call: &mut Call<'_, '_>| act(&engine, call)
        };
        let check = &resource.check;
        let input =
            |endpoint: Endpoint, mode| endpoint.input(engine.fields.clone(), mode).check(check.clone()).writes();
        let parameters = |make: fn(&Engine) -> Vec<Parameter>| {
            let engine = engine.clone();
            move || make(&engine)
        };
        let reader = engine.clone();
        let mut endpoints = vec![
            get(&*many, read, on(Engine::list))
                .summary(format!("List {collection}"))
                .pool(Which::Readonly)
                .parameters(parameters(Engine::list_parameters))
                .answers(200, Output::Page(resource.shown_fields()))
                .named("", &*name),
            get(&*one, read, on(Engine::get))
                .summary(format!("Read a {singular}"))
                .parameters(parameters(|engine| engine.expand_parameter().into_iter().collect()))
                .answers(200, object())
                .named("", &*name)
                .versioned()
                .together(move |call, ids| reader.get_many(call, ids)),
        ];
        if resource.insert.is_some() {
            let access = Access::Permission(resource.create);
            let create = post(&*many, access, on(Engine::create)).summary(format!("Make a {singular}"));
            endpoints.push(input(create, Mode::Create).answers(201, object()).named(format!("New{name}"), &*name));
        }
        if resource.update.is_some() {
            let change = patch(&*one, write, on(Engine::merge)).summary(format!("Change a {singular}"));
            let change = input(change, Mode::Merge).answers(200, object()).versioned();
            endpoints.push(change.named(format!("{name}Change"), &*name));
            let replace = put(&*one, write, on(Engine::replace)).summary(format!("Replace a {singular}"));
            let replace = input(replace, Mode::Replace).answers(200, object()).versioned();
            endpoints.push(replace.named(format!("{name}Replacement"), &*name));
            let bulk =
                patch(&*many, write, on(Engine::merge_many)).summary(format!("Change all {collection} that match"));
            let bulk = bulk.parameters(parameters(Engine::filter_parameters)).answers(200, bulk::output());
            endpoints.push(input(bulk, Mode::Merge).named(format!("{name}Change"), bulk::NAME));
        }
        if resource.delete.is_some() {
            let remove = delete(&*one, write, on(Engine::delete)).summary(format!("Delete a {singular}"));
            endpoints.push(remove.answers(204, Output::Nothing).writes().versioned());
            let bulk =
                delete(&*many, write, on(Engine::delete_many)).summary(format!("Delete all {collection} that match"));
            let bulk = bulk.parameters(parameters(Engine::filter_parameters)).answers(200, bulk::output()).writes();
            endpoints.push(bulk.named("", bulk::NAME));
        }
        let needs_match = engine.resource.needs_match;
        let is_log = engine.resource.is_log;
        let finish = |mut endpoint: Endpoint| {
            endpoint.has_version &= !is_log;
            let changes_one = endpoint.is_write && endpoint.has_version;
            endpoint.guarded(engine.resource.is_guarded).demands_match(needs_match && changes_one)
        };
        endpoints.into_iter().map(finish).collect()
    }
}

/// The fields of a resource with those that every resource has around them.
pub fn with_common(fields: Vec<Field>) -> Vec<Field> {
    let common = [
        integer("version").read_only().never_null().help("Counts its changes."),
        created_at(),
        timestamp("updated_at").read_only().never_null().help("When it was changed last."),
    ];
    [id()].into_iter().chain(fields).chain(common).collect()
}

fn id() -> Field {
    uuid("id").read_only().never_null().help("Its id.")
}

fn created_at() -> Field {
    timestamp("created_at").read_only().never_null().help("When it was made.")
}

/// A resource with everything that is the same for all its requests.
struct Engine {
    resource: Resource,
    fields: Vec<Field>,
    get: String,
    /// The same of a row that was made in a span of time, `$2` to `$3`.
    get_near: String,
    get_many: String,
    insert: String,
    update: String,
}

impl Engine {
    fn new(resource: Resource) -> Engine {
        let version = if resource.is_log { "NULL::integer" } else { "q.version" };
        let wrap = |query: Option<Query>| query.map_or(String::new(), |query| with_version(&query, version));
        Engine {
            get: format!(
                "SELECT to_json(q.*)::text, {version} FROM (SELECT * FROM (\n{}\n) AS t WHERE t.id = $1) AS q",
                resource.select.text
            ),
            get_near: format!(
                "SELECT to_json(q.*)::text, {version} FROM (SELECT * FROM (\n{}\n) AS t \
                 WHERE t.id = $1 AND t.created_at BETWEEN $2 AND $3) AS q",
                resource.select.text
            ),
            // With the limit PostgreSQL plans each row as `get` plans its own.
            get_many: format!(
                "SELECT to_json(q.*)::text, {version}, w.place\nFROM unnest($1::uuid[]) WITH ORDINALITY AS w(id, place)\n\
                 CROSS JOIN LATERAL (SELECT * FROM (\n{}\n) AS t WHERE t.id = w.id LIMIT 1) AS q",
                resource.select.text
            ),
            insert: wrap(resource.insert),
            update: wrap(resource.update),
            fields: resource.all_fields(),
            resource,
        }
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A statement that changes a row, with the row as an object, its version and its id. PostgreSQL makes the JSON: its shape
/// stands in the statement, and nowhere else.
pub fn as_object(query: &Query) -> String {
    with_version(query, "q.version")
}

fn with_version(query: &Query, version: &str) -> String {
    format!("WITH q AS (\n{}\n)\nSELECT to_json(q.*)::text AS object, {version} AS version, q.id FROM q", query.text)
}
