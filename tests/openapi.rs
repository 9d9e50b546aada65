//! The OpenAPI document and the TypeScript types: true to the endpoints, and to PostgreSQL. `make test-api` holds a running
//! server against the document.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mainstay::fields::{Field, Kind, object_schema};
use mainstay::http::openapi::{document, input_name, operation_id, output_name};
use mainstay::http::{Endpoint, Output, Verb, types};
use postgres::types::Type;
use serde_json::{Value, json};

use crate::support::App;
use crate::support::binary::mainstay;
use crate::support::folder;

fn endpoints(app: &App) -> &[Endpoint] {
    app.running().service().router().endpoints()
}

#[test]
fn the_document_is_for_everybody_and_the_command_prints_the_same() {
    let app = App::start();
    let reply = app.nobody().get("/openapi.json").expect(200);
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let served = reply.json();
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served["info"]["version"], env!("CARGO_PKG_VERSION"));
    let folder = folder("openapi");
    let data = folder.join("data");
    let printed = mainstay(&["openapi"], &[("MAINSTAY_DATA", data.to_str().unwrap())]);
    assert_eq!(printed.code(), 0, "{}", printed.said());
    assert!(served == serde_json::from_str::<Value>(&printed.text()).unwrap(), "they differ");
    assert!(!data.exists(), "whoever only reads needs neither a database nor a secret");
}

#[test]
fn in_production_the_document_says_that_figures_need_a_permission() {
    let printed = |variables: &[(&str, &str)]| {
        let document: Value = serde_json::from_str(&mainstay(&["openapi"], variables).text()).unwrap();
        document["paths"]["/health/database"]["get"]["security"].clone()
    };
    let needed = json!([{ "apiKey": ["read:metrics"] }, { "token": ["read:metrics"] }]);
    let production =
        [("APP_ENV", "production"), ("DATABASE_URL", "host=db.example.org user=mainstay sslmode=verify-full")];
    assert_eq!(printed(&[]), json!([]));
    assert_eq!(printed(&production), needed);
    assert_eq!(printed(&[&production[..], &[("METRICS_PUBLIC", "true")]].concat()), json!([]));
}

#[test]
fn every_endpoint_is_in_the_document_under_a_name_of_its_own() {
    let app = App::start();
    let document = document(endpoints(&app));
    let mut names = BTreeSet::new();
    for endpoint in endpoints(&app) {
        let operation = &document["paths"][&endpoint.path][endpoint.verb.name().to_lowercase()];
        assert_eq!(operation["operationId"], operation_id(endpoint), "{endpoint:?}");
        assert!(names.insert(operation_id(endpoint)), "{endpoint:?} is called like another");
        assert_eq!(operation["requestBody"].is_object(), endpoint.input.is_some(), "{endpoint:?}");
        assert!(operation["responses"][endpoint.status.to_string()].is_object(), "{endpoint:?}");
        assert!(!endpoint.summary.is_empty(), "{endpoint:?} has no summary");
    }
    let count: usize =
        document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(count, endpoints(&app).len());
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let app = App::start();
    let document = document(endpoints(&app));
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 40, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[test]
fn a_type_that_has_a_name_is_the_same_wherever_it_has_it() {
    let app = App::start_with(&[("ENTITIES_PATH", concat!(env!("CARGO_MANIFEST_DIR"), "/etc/entities/collex"))]);
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut check = |name: String, schema: Value| {
        let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
        assert_eq!(*first, schema, "{name} is two types");
    };
    for endpoint in endpoints(&app) {
        if let Some((fields, mode)) = &endpoint.input {
            check(input_name(endpoint), object_schema(fields, Some(*mode)));
        }
        if let Output::Object(fields) | Output::Page(fields) = &endpoint.output {
            check(output_name(endpoint), object_schema(fields, None));
        }
    }
    assert!(known.len() > 20, "{:?}", known.keys());
}

#[test]
fn every_endpoint_and_every_type_is_in_the_typescript() {
    let app = App::start();
    let text = types::source(endpoints(&app));
    assert_eq!(text, mainstay(&["types"], &[]).text());
    for endpoint in endpoints(&app) {
        assert!(text.contains(&format!("  \"{endpoint:?}\": {{\n")), "{endpoint:?}");
    }
    for line in text.lines().filter(|line| line.starts_with("    input: ") || line.starts_with("    output: ")) {
        let name = line.rsplit(' ').next().unwrap().trim_start_matches("Page<").trim_end_matches([';', '>']);
        let is_declared = ["interface", "type"].iter().any(|word| text.contains(&format!("export {word} {name} ")));
        assert!(is_declared || ["undefined", "string"].contains(&name), "{line}");
    }
}

/// The fields of each resource, by its table: `identity.teams`.
fn resources(app: &App) -> BTreeMap<String, Vec<Field>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let schemas: Vec<String> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut resources = BTreeMap::new();
    for endpoint in endpoints(app).iter().filter(|endpoint| endpoint.verb == Verb::Get) {
        let Output::Page(fields) = &endpoint.output else { continue };
        // The same word names the table and the collection.
        let table = endpoint.path.trim_start_matches("/api/").replace('-', "_");
        let exists = |schema: &&String| root.join(format!("{schema}/{table}/select.sql")).exists();
        let schema = schemas.iter().find(exists).unwrap_or_else(|| panic!("{endpoint:?} has no sql/*/{table}"));
        resources.insert(format!("{schema}/{table}"), fields.clone());
    }
    resources
}

#[test]
fn the_fields_of_every_resource_are_the_columns_that_postgresql_reports() {
    // Of a view, PostgreSQL knows no such thing.
    const IS_NOT_NULL: &str = "SELECT CASE WHEN relkind <> 'v' THEN attnotnull END
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE attrelid = $1 AND attnum = $2";
    let app = App::start();
    let mut client = app.database.client();
    let resources = resources(&app);
    assert!(resources.contains_key("identity/users") && resources.contains_key("ops/settings"));
    for (table, fields) in resources {
        let shown: Vec<&Field> = fields.iter().filter(|field| field.is_shown()).collect();
        for verb in ["select", "insert", "update"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sql/{table}/{verb}.sql"));
            let Ok(text) = fs::read_to_string(path) else { continue };
            // A login makes the session, and answers something else.
            if table == "identity/sessions" && verb == "insert" {
                continue;
            }
            let statement = client.prepare(&text).unwrap();
            let columns: Vec<&str> = statement.columns().iter().map(postgres::Column::name).collect();
            let names: Vec<&str> = shown.iter().map(|field| &*field.name).collect();
            assert_eq!(columns, names, "sql/{table}/{verb}.sql");
            for (column, field) in statement.columns().iter().zip(&shown) {
                assert!(fits(&field.kind, column.type_()), "{table}: {} is {}", field.name, column.type_());
                let (Some(relation), Some(number)) = (column.table_oid(), column.column_id()) else {
                    assert!(field.is_veiled, "{table}: whether {} is null is known to nobody", field.name);
                    continue;
                };
                let is_not_null: Option<bool> = client.query_one(IS_NOT_NULL, &[&relation, &number]).unwrap().get(0);
                assert_eq!(
                    Some(field.is_nullable),
                    is_not_null.map(|is| !is).or(Some(field.is_nullable)),
                    "{table}: whether {} may be null",
                    field.name
                );
            }
        }
    }
}

/// Whether JSON made of a column is of the field's kind.
fn fits(kind: &Kind, column: &Type) -> bool {
    match kind {
        Kind::Text { .. } | Kind::Choice(_) => *column == Type::TEXT,
        Kind::Integer { .. } => [Type::INT2, Type::INT4, Type::INT8].contains(column),
        Kind::Number => *column == Type::FLOAT8,
        Kind::Decimal { .. } => *column == Type::NUMERIC,
        Kind::Boolean => *column == Type::BOOL,
        Kind::Date => *column == Type::DATE,
        Kind::Timestamp => *column == Type::TIMESTAMPTZ,
        Kind::Uuid => *column == Type::UUID,
        Kind::Inet => *column == Type::INET,
        Kind::Set { .. } | Kind::List { .. } => *column == Type::TEXT_ARRAY,
        Kind::Object | Kind::Map { .. } | Kind::Record(_) | Kind::Records { .. } | Kind::Json => *column == Type::JSONB,
    }
}
