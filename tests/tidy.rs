//! Rules of the source that no compiler knows, and of the schema that no other test would miss.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mainstay::http::{Endpoint, Output};

use crate::support::{App, migrated};

/// Files have about a hundred lines; more than this is another file.
const LINES_MAX: usize = 400;

/// Statements that have more than one caller, and why.
const SHARED: [(&str, &str); 11] = [
    ("db/act_as", "a transaction becomes a user, and then itself again"),
    ("gateway/webhooks/delete", "the resource, and whole configurations"),
    ("gateway/webhooks/insert", "the resource, whole configurations, and the seed"),
    ("gateway/webhooks/update", "the resource, and whole configurations"),
    ("identity/sessions/revoke_all", "of oneself, and of another by an administrator"),
    ("identity/users/insert", "whoever registers, and whom an administrator makes"),
    ("identity/users/login", "a login, and a password that was forgotten"),
    ("identity/users/select", "the resource, and GET /api/auth/me"),
    ("identity/users/set_password", "one's own, a forgotten one, and by an administrator"),
    ("identity/users/verify_email", "a mail that verifies an address, and one with which a password is set"),
    ("ops/jobs/select", "the details of health, and the command line"),
];

/// The file that does for the command line what others do for HTTP; it has no statements of its own for the same thing.
const COMMAND_LINE: &str = "src/identity/admin.rs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder with this ending, by their paths from the root. The HTTP server is a project of its own.
fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let (mut folders, mut found) = (vec![root().join(folder)], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in entries {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !["src/tiny_http", "tests/bench"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

/// What stands behind each occurrence of a word, up to the first character that does not belong to a name.
fn behind<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let name = |rest: &'a str| {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_/-.".contains(letter));
        &rest[..end.unwrap_or(rest.len())]
    };
    text.match_indices(word).map(|(at, _)| name(&text[at + word.len()..])).collect()
}

/// The code of a file without its comments: those may speak of anything.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_use_only_those_above_them() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let order = behind(&lib, "\npub mod ");
    assert!(order.len() > 10 && order[0] == "error", "{order:?}");
    for (file, text) in files("src", ".rs") {
        let own = file["src/".len()..].split(['/', '.']).next().unwrap();
        let Some(place) = order.iter().position(|module| *module == own) else { continue };
        for used in behind(&code(&text), "crate::") {
            let Some(other) = order.iter().position(|module| *module == used) else { continue };
            assert!(other <= place, "{file} uses {used}, which stands below {own} in src/lib.rs");
        }
    }
}

#[test]
fn domains_do_not_know_each_other_and_never_see_a_socket_or_the_pool_of_another_crate() {
    let domains = ["identity", "ops", "gateway", "templates", "devx", "automation", "cicd", "entities"];
    for (file, text) in files("src", ".rs") {
        let own = file["src/".len()..].split(['/', '.']).next().unwrap();
        if !domains.contains(&own) {
            continue;
        }
        let code = code(&text);
        for foreign in ["tiny_http", "r2d2", "std::net::Tcp", "use crate::serve", "use crate::cli"] {
            assert!(!code.contains(foreign), "{file} knows {foreign}");
        }
        for used in behind(&code, "crate::").into_iter().filter(|used| domains.contains(used) && *used != own) {
            assert!(used == "identity", "{file}: {own} uses {used}");
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is_for_and_is_short() {
    let all = files("src", ".rs").into_iter().chain(files("tests", ".rs"));
    for (file, text) in all {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{file} has {lines} lines; what part of it is a file of its own?");
        assert!(text.starts_with("//! ") || file.ends_with("main.rs"), "{file} does not open with //!");
        for name in file.split(['/', '.']) {
            let is_vague = ["util", "utils", "common", "helper", "helpers", "misc"].contains(&name);
            assert!(!is_vague, "{file}: {name} says nothing");
        }
    }
}

#[test]
fn every_statement_is_used_once_or_it_is_known_why_more_often() {
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in files("src", ".rs") {
        for name in behind(&code(&text), "sql!(\"") {
            uses.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    let statements: BTreeSet<String> = files("sql", ".sql")
        .into_keys()
        .filter(|file| !file.starts_with("sql/migrations/"))
        .map(|file| file["sql/".len()..file.len() - ".sql".len()].to_owned())
        .collect();
    let used: BTreeSet<String> = uses.keys().cloned().collect();
    let unused: Vec<&String> = statements.difference(&used).collect();
    let missing: Vec<&String> = used.difference(&statements).collect();
    assert!(missing.is_empty(), "there is no file for {missing:?}");
    assert!(unused.is_empty(), "nobody uses {unused:?}");
    for (name, files) in uses {
        let count = files.iter().filter(|file| *file != COMMAND_LINE).count();
        let is_shared = SHARED.iter().any(|(shared, _)| *shared == name);
        assert!(count <= 1 || is_shared, "sql/{name}.sql is used by {files:?}: say in SHARED why");
        assert!(count > 1 || !is_shared, "sql/{name}.sql is used once; take it out of SHARED");
    }
}

/// The resources, as the source declares them: collection and table. Those of entities come from files.
fn resources() -> BTreeMap<String, String> {
    let mut resources = BTreeMap::new();
    for (file, text) in files("src", ".rs")
        .into_iter()
        .filter(|(file, _)| !file.starts_with("src/resource") && !file.starts_with("src/entities/"))
    {
        for (at, word) in text.match_indices("Resource::new(") {
            let mut literals = text[at + word.len()..].split('"').skip(1).step_by(2);
            let (table, collection) = (literals.next().unwrap(), literals.next().unwrap());
            assert!(table.contains('.'), "{file}: {table}");
            resources.insert(collection.to_owned(), table.to_owned());
        }
    }
    assert!(resources.len() >= 6, "{resources:?}");
    resources
}

/// The constraints of a table that a client may run into: checks, references, and what is unique beside the id.
const CONSTRAINTS: &str = "
    SELECT conname::text FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype IN ('c', 'f', 'u', 'x', 't')
    UNION
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE indrelid = $1::text::regclass AND indisunique AND NOT indisprimary
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)";

#[test]
fn every_constraint_of_a_table_that_clients_write_has_a_rule_that_tells_them_and_every_rule_a_constraint() {
    let database = migrated();
    let mut client = database.client();
    client.batch_execute("SET search_path = identity, ops, public").unwrap();
    let sources = files("src", ".rs");
    // A long rule begins on a line of its own.
    let sources: Vec<String> =
        sources.values().map(|text| text.replace("Rule::new(\n        ", "Rule::new(")).collect();
    let rules: BTreeSet<&str> = sources.iter().flat_map(|text| behind(text, "Rule::new(\"")).collect();
    let mut all = BTreeSet::new();
    for table in resources().values() {
        let rows = client.query(CONSTRAINTS, &[&table]).unwrap();
        let names = rows.iter().map(|row| row.get::<_, String>(0));
        let names: Vec<String> = names.map(|name| name.rsplit('.').next().unwrap().to_owned()).collect();
        // What clients only read or delete breaks no rule of its own.
        let is_written = root().join(format!("sql/{}/update.sql", table.replace('.', "/"))).exists();
        for name in names.iter().filter(|_| is_written) {
            assert!(rules.contains(name.as_str()), "{table}: {name} has no rule");
        }
        all.extend(names);
    }
    let known: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    let dead: Vec<&&str> = rules.difference(&known).collect();
    assert!(dead.is_empty(), "rules without a constraint: {dead:?}");
}

/// The endpoints that answer pages, each with its table and the columns of that which are never null.
fn lists(app: &App) -> Vec<(&Endpoint, BTreeSet<String>)> {
    let resources = resources();
    let mut client = app.database.client();
    let columns = "SELECT attname::text FROM pg_attribute
        WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull";
    // PostgreSQL knows nothing of the columns of a view.
    let is_table = "SELECT relkind <> 'v' FROM pg_class WHERE oid = $1::text::regclass";
    let endpoints = app.running().service().router().endpoints();
    let lists = endpoints.iter().filter(|endpoint| matches!(endpoint.output, Output::Page(_)));
    let mut read = |endpoint: &Endpoint| -> Option<BTreeSet<String>> {
        let table = &resources[endpoint.collection()];
        if !client.query_one(is_table, &[table]).unwrap().get::<_, bool>(0) {
            return None;
        }
        let rows = client.query(columns, &[table]).unwrap();
        Some(rows.iter().map(|row| row.get(0)).collect())
    };
    lists.filter_map(|endpoint| Some((endpoint, read(endpoint)?))).collect()
}

#[test]
fn lists_are_sorted_by_columns_that_are_never_null() {
    let app = App::start();
    let lists = lists(&app);
    assert!(lists.len() >= 6);
    for (endpoint, never_null) in lists {
        let sort = (endpoint.parameters)().into_iter().find(|parameter| parameter.name == "sort").unwrap();
        let names = sort.schema["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        for name in names.map(|name| name.trim_start_matches('-')) {
            assert!(
                never_null.contains(name),
                "{endpoint:?} is sorted by {name}, which may be null: a walk would miss rows"
            );
        }
    }
}

#[test]
fn fields_that_are_never_null_are_columns_that_are_not() {
    // What is computed for the reply has no column, or another value than the column's.
    let computed = ["settings.value"];
    let app = App::start();
    for (endpoint, never_null) in lists(&app) {
        let Output::Page(fields) = &endpoint.output else { unreachable!("lists are pages") };
        for field in fields.iter().filter(|field| field.is_shown()) {
            let name = format!("{}.{}", endpoint.collection(), field.name);
            let is_right = field.is_nullable || never_null.contains(&*field.name);
            assert!(is_right || computed.contains(&name.as_str()), "{name} is declared as never null");
        }
    }
}

#[test]
fn tests_have_sentences_for_names() {
    for (file, text) in files("tests", ".rs") {
        for (at, word) in text.match_indices("#[test]\nfn ") {
            let name = text[at + word.len()..].split('(').next().unwrap();
            assert!(name.matches('_').count() >= 2, "{file}: {name} is no sentence");
        }
    }
}
