//! Random declarations, random edits of them, and rows of every kind: after each edit the tables are as they are declared,
//! or nothing has changed and it is said why; and no row and no value is ever lost.

use std::collections::BTreeMap;

use mainstay::entities::{self, Entities};
use mainstay::error::Code;
use mainstay::migrate::Options;
use postgres::Client;
use serde_json::{Map, Value, json};

use super::edits::{Chance, edit, entity};
use crate::support::{migrated, number};

/// The declarations by their names, as files would have them.
pub type Declared = BTreeMap<String, Value>;

fn read(declared: &Declared) -> Result<Entities, String> {
    let files: Vec<_> =
        declared.iter().map(|(name, it)| (format!("{name}.json"), it.to_string().into_bytes())).collect();
    let list = entities::assemble(&files).map_err(|error| error.message)?;
    Ok(Entities { list, ..Entities::default() })
}

/// All rows of all tables, by table and id.
fn rows(client: &mut Client) -> BTreeMap<(String, String), Map<String, Value>> {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'";
    let tables: Vec<String> = client.query(tables, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let mut all = BTreeMap::new();
    for table in tables {
        for row in client.query(&format!("SELECT id::text, to_jsonb(t) FROM app.\"{table}\" AS t"), &[]).unwrap() {
            let Value::Object(columns) = row.get::<_, Value>(1) else { unreachable!("a row is an object") };
            all.insert((table.clone(), row.get(0)), columns);
        }
    }
    all
}

/// Adds some rows; those that the declaration refuses are not added.
fn fill(client: &mut Client, declared: &Declared, chance: &mut Chance) {
    for (name, declaration) in declared {
        for _ in 0..chance.below(4) {
            let mut body = Map::new();
            for field in declaration["fields"].as_array().unwrap() {
                let value = match (field["type"].as_str().unwrap(), field["to"].as_str()) {
                    ("reference", Some(target)) => some_id(client, target),
                    _ => chance.value(field),
                };
                body.insert(field["name"].as_str().unwrap().to_owned(), value);
            }
            if chance.below(6) == 0 {
                body.insert("deleted_at".to_owned(), json!("2026-01-01T00:00:00Z"));
            }
            // What is not given has its default.
            body.retain(|_, value| !value.is_null());
            let columns: Vec<String> = columns(client, name).into_iter().filter(|it| body.contains_key(it)).collect();
            let listed = columns.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ");
            let insert = match columns.is_empty() {
                true => continue,
                false => format!(
                    "INSERT INTO app.\"{name}\" ({listed}) SELECT {listed} FROM jsonb_populate_record(NULL::app.\"{name}\", $1)"
                ),
            };
            // A broken rule is what the next row may not break.
            let _ = client.execute(&insert, &[&Value::Object(body)]);
        }
    }
}

fn columns(client: &mut Client, table: &str) -> Vec<String> {
    let query = "SELECT attname::text FROM pg_attribute WHERE attrelid = format('app.%I', $1::text)::regclass
        AND attnum > 0 AND NOT attisdropped";
    client.query(query, &[&table]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn some_id(client: &mut Client, target: &str) -> Value {
    let table = if target.contains('.') { target.to_owned() } else { format!("app.\"{target}\"") };
    let row = client.query_opt(&format!("SELECT id::text FROM {table} LIMIT 1"), &[]).unwrap();
    row.map_or(Value::Null, |row| json!(row.get::<_, String>(0)))
}

/// What a name was before the edit.
fn old_name<'a>(now: &'a Value, name: &'a str) -> &'a str {
    now["was"].as_str().filter(|_| now["name"] == name).unwrap_or(name)
}

/// Every row that was there still is, with every value that it had.
fn assert_nothing_is_lost(
    before: &BTreeMap<(String, String), Map<String, Value>>,
    after: &BTreeMap<(String, String), Map<String, Value>>,
    declared: &Declared,
    story: &str,
) {
    let renamed = |table: &str| {
        let now = declared
            .values()
            .find(|it| it["was"] == table && !before.keys().any(|(name, _)| it["name"] == name.as_str()));
        now.map_or(table.to_owned(), |now| now["name"].as_str().unwrap().to_owned())
    };
    for ((table, id), row) in before {
        let now = renamed(table);
        let later = after.get(&(now.clone(), id.clone())).unwrap_or_else(|| panic!("{story}: {table} {id} is gone"));
        let fields = declared.get(&now).map_or(&Value::Null, |it| &it["fields"]);
        for (column, value) in row {
            let is_renamed = |field: &&Value| old_name(field, field["name"].as_str().unwrap()) == column;
            let field = fields.as_array().into_iter().flatten().find(is_renamed);
            let name = match later.contains_key(column) {
                true => column,
                false => field.map_or(column.as_str(), |field| field["name"].as_str().unwrap()),
            };
            assert_eq!(later.get(name), Some(value), "{story}: {table}.{column} of {id}");
        }
    }
    assert_eq!(before.len(), after.len(), "{story}: rows came from nowhere");
}

/// A random story on a database of its own; answers how many edits were applied, refused and malformed.
fn story(seed: u64, edits: usize) -> [usize; 3] {
    let database = migrated();
    let mut client = database.client();
    let mut chance = Chance::new(seed);
    let mut declared = Declared::new();
    for name in ["alpha", "beta"] {
        declared.insert(name.to_owned(), entity(name, &mut chance));
    }
    let mut counts = [0; 3];
    for step in 0..edits {
        let mut next = declared.clone();
        let what = if step == 0 { "make".to_owned() } else { edit(&mut next, &mut chance) };
        let story = format!("seed {seed}, step {step}, {what}");
        let entities = match read(&next) {
            Ok(entities) => entities,
            Err(_) if step > 0 => {
                counts[2] += 1;
                continue;
            }
            Err(message) => panic!("{story}: {message}\n{next:#?}"),
        };
        let before = rows(&mut client);
        let plan = entities::plan(&mut client, &entities).unwrap_or_else(|error| panic!("{story}: {error}\n{next:#?}"));
        if step % 3 == 0 {
            assert_eq!(before, rows(&mut client), "{story}: a plan changes nothing");
        }
        let result = entities::migrate(&mut client, &entities, &Options::default(), &mut |_| {});
        let after = rows(&mut client);
        assert_nothing_is_lost(&before, &after, &next, &story);
        match result {
            Ok(done) => {
                assert!(plan.refusals.is_empty(), "{story}: {plan:#?}");
                assert_eq!(done, plan, "{story}");
                let left = entities::plan(&mut client, &entities).unwrap();
                assert!(left.is_empty(), "{story}: there is something left\n{left:#?}\n{plan:#?}");
                // A name of the past is said once; then it is history.
                declared = next;
                counts[0] += 1;
            }
            Err(error) => {
                assert!(!plan.refusals.is_empty(), "{story}: {error}\n{plan:#?}\n{next:#?}");
                assert_eq!(error.code, Code::Conflict, "{story}: {error}");
                assert!(plan.refusals.iter().all(|it| !it.why.is_empty() && !it.sql.is_empty()), "{story}");
                let old = read(&declared).unwrap();
                let left = entities::plan(&mut client, &old).unwrap();
                assert!(left.is_empty(), "{story}: what was refused left something behind\n{left:#?}");
                counts[1] += 1;
            }
        }
        fill(&mut client, &declared, &mut chance);
    }
    counts
}

/// Several stories, two at a time; answers what they came to together.
fn stories(seeds: std::ops::Range<u64>, edits: usize) -> [usize; 3] {
    let run = |seeds: std::ops::Range<u64>| {
        seeds.map(|seed| story(seed, edits)).fold([0; 3], |one, other| [0, 1, 2].map(|at| one[at] + other[at]))
    };
    let middle = seeds.start.midpoint(seeds.end);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| run(seeds.start..middle));
        let (second, first) = (run(middle..seeds.end), first.join().unwrap());
        [0, 1, 2].map(|at| first[at] + second[at])
    })
}

/// Six stories; ENTITY_STORIES=500 makes it a thousand declarations, and a matter of many minutes.
#[test]
fn after_any_edit_tables_are_as_declared_or_it_is_refused_with_a_reason_and_nothing_is_lost() {
    let stories_told = number("ENTITY_STORIES", 6);
    let counts = stories(1..1 + stories_told as u64, 7);
    assert!(
        counts[0] * 2 >= stories_told * 5 && counts[1] * 3 >= stories_told * 2,
        "applied, refused, malformed: {counts:?}"
    );
}
