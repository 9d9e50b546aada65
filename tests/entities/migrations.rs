//! From declarations to tables: when, by whom, and what is not done by itself.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{declare, serving, write};
use crate::support::binary::mainstay;
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::migrated;
use crate::support::serving::Serving;
use crate::support::wait::wait_for;

fn orders(fields: &[Value]) -> Value {
    json!({ "name": "orders", "models": [], "fields": fields })
}

fn number() -> Value {
    json!({ "name": "number", "type": "integer", "required": true, "unique": true })
}

/// The descriptions of the changes that the history has.
fn history(database: &Database) -> Vec<String> {
    let query = "SELECT description FROM schema_migrations WHERE version < 0 ORDER BY applied_at";
    database.client().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// A command on a database, with declarations in a folder.
fn run(database: &Database, folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let address = database.pairs();
    let variables = [("ENTITIES_PATH", folder.to_str().unwrap()), ("DATABASE_URL", address.as_str())];
    let run = mainstay(arguments, &variables);
    (run.code(), run.text(), run.said())
}

#[test]
fn two_servers_that_start_at_once_make_the_tables_once_and_the_history_says_so() {
    let folder = declare(&[orders(&[number()])]);
    let database = migrated();
    let address = database.pairs();
    let variables = [
        ("ENTITIES_PATH", folder.to_str().unwrap()),
        ("DATABASE_URL", address.as_str()),
        ("JWT_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"),
    ];
    let servers = [Serving::start(&variables), Serving::start(&variables)];
    for server in &servers {
        let client = Client::new(server.address());
        wait_for("the server is ready", std::time::Duration::from_secs(60), || {
            (client.get("/ready").status == 200).then_some(())
        });
    }
    assert_eq!(history(&database), ["orders: create the table"]);
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert_eq!((code, said.trim()), (0, "nothing to do: the tables are as they are declared"));
    // To the numbered files it is as if nothing else had happened.
    assert_eq!(run(&database, &folder, &["migrate", "status", "--exit-code"]).0, 0);
}

#[test]
fn in_production_a_server_waits_until_the_tables_are_made_by_a_command() {
    let folder = declare(&[orders(&[number()])]);
    let database = migrated();
    let (code, shown, _) = run(&database, &folder, &["entity", "plan"]);
    assert!(code == 0 && shown.contains("CREATE TABLE app.\"orders\""), "{shown}");
    assert_eq!(history(&database), [""; 0]);
    let address = database.pairs();
    let variables =
        [("ENTITIES_PATH", folder.to_str().unwrap()), ("DATABASE_URL", address.as_str()), ("DB_AUTO_MIGRATE", "false")];
    let server = Serving::start(&variables);
    let client = Client::new(server.address());
    wait_for("it says what is missing", std::time::Duration::from_secs(60), || {
        server.log().contains("1 changes of entities are pending: run `mainstay entity migrate`").then_some(())
    });
    assert_eq!(client.get("/ready").status, 503);
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert!(code == 0 && said.contains("applied entities: orders: create the table"), "{said}");
    wait_for("the server is ready", std::time::Duration::from_secs(60), || {
        (client.get("/ready").status == 200).then_some(())
    });
}

#[test]
fn what_would_lose_data_is_refused_with_a_file_to_complete_and_run() {
    let folder = declare(&[orders(&[number(), json!({ "name": "note", "type": "text" })])]);
    let database = migrated();
    assert_eq!(run(&database, &folder, &["entity", "migrate"]).0, 0);
    database.client().batch_execute("INSERT INTO app.orders (number, note) VALUES (1, 'dear')").unwrap();
    let changed = orders(&[
        json!({ "name": "number", "type": "text", "required": true, "unique": true }),
        json!({ "name": "customer", "type": "text", "required": true }),
    ]);
    write(&folder, &[changed]);
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert_eq!(code, 1);
    for line in [
        "orders: will not drop the column note: what is in it would be lost; if it has another name now, say \"was\": \"note\" there",
        "orders: will not change number from integer to text: values might not fit",
        "orders: will not add the column customer: it is required, and the rows that are there have no value",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let (code, shown, said) = run(&database, &folder, &["entity", "plan", "--write"]);
    assert!(code == 1 && shown.contains("-- REFUSED orders: drop the column note"), "{shown}");
    let file = folder.join("migrations/001_change_orders.sql");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    // As it was written it has a hole in it, which nobody fills by accident.
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert!(code == 1 && said.contains("001_change_orders.sql:"), "{said}");
    let completed = fs::read_to_string(&file).unwrap().replace("= …", "= 'unknown'");
    fs::write(&file, completed).unwrap();
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert_eq!(code, 0, "{said}");
    let row = database.client().query_one("SELECT number, customer FROM app.orders", &[]).unwrap();
    assert_eq!((row.get::<_, String>(0), row.get::<_, String>(1)), ("1".to_owned(), "unknown".to_owned()));
    assert_eq!(run(&database, &folder, &["entity", "plan"]).1, "the tables are as they are declared\n");
    fs::write(&file, "SELECT 1;").unwrap();
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert!(code == 1 && said.contains("was changed after it had been applied"), "{said}");
}

#[test]
fn names_change_and_everything_stays_with_them() {
    let mut app = serving(&[
        orders(&[number()]),
        json!({ "name": "items", "fields": [
        { "name": "order_id", "type": "reference", "to": "orders" }, { "name": "size", "type": "integer", "min": 1, "filter": true },
    ] }),
    ]);
    let client = app.admin().client;
    let order = client.post("/api/entities/orders", &json!({ "number": 7 })).expect(201).json();
    let item = client.post("/api/entities/items", &json!({ "order_id": order["id"], "size": 2 })).expect(201).json();
    let folder = app.variable("ENTITIES_PATH");
    fs::remove_file(Path::new(&folder).join("orders.json")).unwrap();
    let mut purchases = orders(&[number()]);
    purchases["name"] = json!("purchases");
    purchases["was"] = json!("orders");
    write(
        Path::new(&folder),
        &[
            purchases,
            json!({ "name": "items", "fields": [
        { "name": "purchase_id", "was": "order_id", "type": "reference", "to": "purchases" },
        { "name": "amount", "was": "size", "type": "bigint", "min": 1, "filter": true },
    ] }),
        ],
    );
    app.restart();
    let client = client.at(app.address());
    let found = client.get("/api/entities/items?amount=2&expand=purchase").expect(200).json();
    assert_eq!((&found["data"][0]["id"], &found["data"][0]["purchase"]["number"]), (&item["id"], &json!(7)));
    client.get("/api/entities/orders").refuse(404, "NOT_FOUND");
    let names = "SELECT conname::text FROM pg_constraint WHERE connamespace = 'app'::regnamespace AND contype <> 'n'
        UNION SELECT relname::text FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'i'";
    for row in app.database.client().query(names, &[]).unwrap() {
        let name: String = row.get(0);
        assert!(!name.contains("order") && !name.contains("size"), "{name} has its old name");
    }
    assert_eq!(app.nobody().at(app.address()).get("/ready").status, 200);
}

#[test]
fn a_large_table_is_changed_without_keeping_anybody_waiting_or_not_at_all() {
    let note = json!({ "name": "note", "type": "text", "max": 1000 });
    let folder = declare(&[orders(&[json!({ "name": "number", "type": "integer", "required": true }), note.clone()])]);
    let database = migrated();
    assert_eq!(run(&database, &folder, &["entity", "migrate"]).0, 0);
    let fill = "INSERT INTO app.orders (number, note) SELECT n, repeat('x', 900) FROM generate_series(1, 20000) AS n";
    database.client().batch_execute(fill).unwrap();
    let mut required = note.clone();
    required["required"] = json!(true);
    required["max"] = json!(900);
    let changed = orders(&[number(), required, json!({ "name": "paid", "type": "boolean", "default": false })]);
    write(&folder, &[changed]);
    let (code, shown, _) = run(&database, &folder, &["entity", "plan"]);
    let (before, after) = shown.split_once("-- Then, one by one").unwrap();
    assert!(code == 0 && before.contains("NOT VALID") && before.contains("ADD COLUMN \"paid\""), "{shown}");
    for later in ["CREATE UNIQUE INDEX CONCURRENTLY", "VALIDATE CONSTRAINT \"orders_note_length\"", "SET NOT NULL"] {
        assert!(after.contains(later), "{later}\n{shown}");
    }
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(run(&database, &folder, &["entity", "plan"]).1, "the tables are as they are declared\n");
    assert_eq!(history(&database).len(), 3);
    // What would write every row anew is not done by itself.
    write(&folder, &[orders(&[json!({ "name": "number", "type": "bigint", "required": true, "unique": true }), note])]);
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert!(code == 1 && said.contains("MiB would be written anew while everybody waits"), "{said}");
}

#[test]
fn rows_that_do_not_fit_are_the_reason_why_a_rule_is_refused() {
    let folder = declare(&[orders(&[
        json!({ "name": "number", "type": "integer" }),
        json!({ "name": "state", "type": "enum", "values": ["open", "done"] }),
    ])]);
    let database = migrated();
    assert_eq!(run(&database, &folder, &["entity", "migrate"]).0, 0);
    let rows = "INSERT INTO app.orders (number, state) VALUES (1, 'open'), (1, 'done'), (NULL, NULL)";
    database.client().batch_execute(rows).unwrap();
    write(
        &folder,
        &[orders(&[
            json!({ "name": "number", "type": "integer", "unique": true, "required": true, "min": 2 }),
            json!({ "name": "state", "type": "enum", "values": ["open", "late"] }),
        ])],
    );
    let (code, _, said) = run(&database, &folder, &["entity", "migrate"]);
    assert_eq!(code, 1);
    for reason in [
        "will not demand a value of number: there are rows without one",
        "will not add the rule orders_number_is_in_range: there are rows that break it",
        "will not add the rule orders_state_is_known: there are rows that break it",
        "will not add the index orders_number_is_unique: there are rows that have the same",
    ] {
        assert!(said.contains(reason), "{reason}\n{said}");
    }
    write(
        &folder,
        &[orders(&[
            json!({ "name": "number", "type": "integer" }),
            json!({ "name": "state", "type": "enum", "values": ["late", "open", "done"] }),
        ])],
    );
    assert_eq!(run(&database, &folder, &["entity", "migrate"]).0, 0, "a new word is no harm");
}

#[test]
fn what_somebody_changed_by_hand_is_put_right_and_what_they_added_is_not_dropped() {
    let app = serving(&[orders(&[number()])]);
    let folder = app.variable("ENTITIES_PATH");
    let mut client = app.database.client();
    client.batch_execute("DROP INDEX app.orders_number_is_unique; DROP TRIGGER touch ON app.orders").unwrap();
    let (code, _, said) = run(&app.database, Path::new(&folder), &["entity", "migrate"]);
    assert!(code == 0 && said.contains("add the index orders_number_is_unique"), "{said}");
    client.batch_execute("ALTER TABLE app.orders ADD COLUMN mine text; CREATE TABLE app.mine (id int)").unwrap();
    let (code, _, said) = run(&app.database, Path::new(&folder), &["entity", "migrate"]);
    assert!(code == 1 && said.contains("will not drop the column mine"), "{said}");
    assert!(!said.contains("the table"), "a table that nobody declared is nobody's business: {said}");
}

#[test]
fn a_declaration_that_is_gone_does_not_take_its_table_with_it() {
    let mut app = serving(&[orders(&[number()])]);
    let client = app.admin().client;
    client.post("/api/entities/orders", &json!({ "number": 7 })).expect(201);
    app.stop();
    let folder = app.variable("ENTITIES_PATH");
    fs::remove_file(Path::new(&folder).join("orders.json")).unwrap();
    let (code, _, said) = run(&app.database, Path::new(&folder), &["entity", "migrate"]);
    assert!(code == 1 && said.contains("orders: will not drop the table: its declaration is gone"), "{said}");
    let row = app.database.client().query_one("SELECT number FROM app.orders", &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
}
