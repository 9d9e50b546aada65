//! Declarations: what is wrong with them is said at once, and where.

use std::fs;

use mainstay::entities::{Entities, assemble};
use serde_json::{Value, json};

use super::{COLLEX, declare};
use crate::support::binary::mainstay;
use crate::support::database;

fn problems(files: &[(&str, &str)]) -> String {
    let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    assemble(&files).unwrap_err().message
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_file_line_and_field() {
    let orders = r#"{
  "name": "orders",
  "models": ["base", "immortal"],
  "colour": 1,
  "fields": [
    {"name": "Number", "type": "integer"},
    {"name": "total", "type": "decimal", "min": 2},
    {"name": "state", "type": "enum", "values": ["open", "open"]},
    {"name": "note", "type": "text",
     "max": "long", "secret": true, "unique": true},
    {"name": "due", "type": "date", "sort": true, "default": "tomorrow"},
    {"name": "customer", "type": "reference", "to": "customers", "on_delete": "explode"}
  ],
  "unique": [["note"]],
  "checks": [{"name": "c", "field": "due", "operator": "~"}]
}"#;
    let message = problems(&[("etc/entities/orders.json", orders)]);
    for line in [
        "orders.json:3: models[1] must be one of base, auditable",
        "orders.json:4: colour is not known here; there are $schema, name",
        "orders.json:6: Number.name must be at most 40 lower-case letters",
        "orders.json:7: total.precision is required",
        "orders.json:8: state.values must be a list of 1 to 200 different names",
        "orders.json:10: note.max must be a whole number from 1 to 1000000",
        "orders.json:10: note.secret is encrypted: it has no unique",
        "orders.json:11: due.default is no value of this field",
        "orders.json:12: customer.name must end in _id",
        "orders.json:12: customer.on_delete must be one of restrict, cascade, set_null",
        "orders.json:14: unique[0] must be a list of 2 to 8 different names",
        "orders.json:15: checks[0].message is required",
        "orders.json:15: checks[0].operator must be one of",
        "orders.json:15: checks[0].than is another field, or value",
    ] {
        assert!(message.contains(line), "{line}\n{message}");
    }
}

#[test]
fn what_lies_between_declarations_is_looked_at_once_each_can_be_read() {
    let orders = r#"{"name": "orders", "was": "items", "fields": [
  {"name": "customer_id", "type": "reference", "to": "nobody"},
  {"name": "customer", "type": "text"},
  {"name": "deleted_at", "type": "timestamp"}, {"name": "total", "type": "integer", "unique": true},
  {"name": "tenant_id", "type": "reference", "to": "items"},
  {"name": "customer", "type": "text"}],
  "checks": [{"name": "c", "field": "customer", "operator": "<", "than": "tenant_id", "message": "no"}]
}"#;
    let items = r#"{"name": "items", "models": ["business_scoped"], "fields": [{"name": "x", "type": "text"}]}"#;
    let message = problems(&[("orders.json", orders), ("items.json", items)]);
    for line in [
        "orders.json:1: was names items, which is still declared",
        "orders.json:2: customer_id.to names nobody, which is not declared; there are items, orders, identity.users",
        "orders.json:2: customer_id would be expanded as customer, which is another field",
        "orders.json:4: deleted_at is a name that mainstay uses itself",
        "orders.json:4: total is a word of every query string, and so can be no filter",
        "orders.json:5: tenant_id.to names items, whose rows belong to businesses",
        "orders.json:6: customer is there twice",
        "orders.json:7: checks[0] compares customer with tenant_id, which is of another type",
    ] {
        assert!(message.contains(line), "{line}\n{message}");
    }
}

#[test]
fn a_file_that_is_no_declaration_is_named_with_the_line() {
    for (text, expected) in [
        ("", "orders.json:1: the file is empty"),
        ("[]", "orders.json:1: must be a JSON object"),
        ("{\n\"name\": \"orders\",\n}", "orders.json:3: the file is not JSON"),
        (
            "{\n\"name\": \"orders\",\n\"name\": \"orders\"}",
            "orders.json:3: the file is not JSON that can be kept: the key",
        ),
        (
            "{\"name\": \"others\", \"fields\": [{\"name\": \"x\", \"type\": \"text\"}]}",
            "must be that of the file, orders",
        ),
        ("{\"name\": \"orders\", \"fields\": []}", "fields must have at least one field"),
        ("{\"name\": \"orders\", \"fields\": 3}", "fields must be a list"),
    ] {
        let message = problems(&[("orders.json", text)]);
        assert!(message.contains(expected), "{text}: {message}");
    }
    let bytes = assemble(&[("orders.json".to_owned(), vec![b'"', 0xff, b'"'])]).unwrap_err().message;
    assert!(bytes.contains("orders.json:1: the file is not UTF-8"), "{bytes}");
    let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(2 << 20));
    assert!(problems(&[("orders.json", &huge)]).contains("has more than 1048576 bytes"));
}

#[test]
fn a_pattern_is_one_that_postgresql_javascript_and_we_read_alike() {
    let with = |pattern: &str| {
        let entity = json!({ "name": "t", "fields": [{ "name": "x", "type": "text", "pattern": pattern }] });
        assemble(&[("t.json".to_owned(), entity.to_string().into_bytes())]).map(drop).map_err(|error| error.message)
    };
    for pattern in ["^[a-z_]+([.:][a-z_]+)*$", r"^\+?[0-9]{1,3}$", r"a\.b|c", "^[^@ ]+@[^@ ]+$", "^x?y*$"] {
        assert_eq!(with(pattern), Ok(()), "{pattern}");
    }
    for pattern in
        [r"\d+", "(?i)a", "[[:alpha:]]", "a**", "a{2}{3}", "[a-z&&b]", "(a", "[]a]", "(?=a)", r"(a)\1", "a*?"]
    {
        assert!(with(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn the_commands_say_what_is_wrong_and_a_server_does_not_start_with_it() {
    let folder = declare(&[json!({ "name": "orders", "fields": [{ "name": "x", "type": "txt" }] })]);
    let database = database();
    let address = database.pairs();
    let variables = [("ENTITIES_PATH", folder.to_str().unwrap()), ("DATABASE_URL", address.as_str())];
    for command in [&["entity", "list"][..], &["entity", "plan"], &["serve"], &["types"]] {
        let run = mainstay(command, &variables);
        assert_eq!(run.code(), 1, "{command:?}");
        assert!(run.said().contains("orders.json:1: x.type must be one of text, integer"), "{}", run.said());
    }
    let missing = mainstay(&["entity", "list"], &[("ENTITIES_PATH", "/nowhere")]);
    assert!(missing.said().contains("ENTITIES_PATH names /nowhere, which is no folder"), "{}", missing.said());
}

#[test]
fn the_schema_for_editors_is_published_and_knows_every_word_of_the_examples() {
    let published = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/etc/entities.schema.json")).unwrap();
    assert_eq!(
        mainstay(&["entity", "schema"], &[]).text(),
        published,
        "mainstay entity schema > etc/entities.schema.json"
    );
    let schema: Value = serde_json::from_str(&published).unwrap();
    let entities = Entities::read(COLLEX.as_ref()).unwrap();
    assert_eq!(entities.list.len(), 6);
    for entity in &entities.list {
        for key in entity.source.as_object().unwrap().keys() {
            assert!(schema["properties"].get(key).is_some(), "{key}");
        }
        for field in entity.source["fields"].as_array().unwrap() {
            let forms = schema["properties"]["fields"]["items"]["oneOf"].as_array().unwrap();
            let form = forms.iter().find(|form| form["properties"]["type"]["const"] == field["type"]).unwrap();
            for key in field.as_object().unwrap().keys() {
                assert!(form["properties"].get(key).is_some(), "{field}: {key}");
            }
        }
    }
}
