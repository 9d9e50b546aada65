//! What lists read: every filter and every order that is offered finds its rows by an index, also where there are none.
//!
//! PostgreSQL itself says how many rows each statement of the server reads (auto_explain), in tables that are full of others'.

use std::fs;
use std::io::{Read, Seek, SeekFrom};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::folder;
use crate::support::server::{Extras, Server};
use crate::support::serving::Serving;

/// Rows that a page may cost: it has 51 itself, and a walk along an index may meet some more.
const ROWS_MAX: f64 = 1000.0;
/// Rows that are counted at most.
const TOTAL_MAX: f64 = 10_002.0;
/// Lists of what does not grow: what somebody sets up by hand; of routes every server has all in its memory.
const SMALL: [&str; 5] =
    ["/api/settings", "/api/routes", "/api/webhooks", "/api/templates/categories", "/api/templates/technologies"];

/// A server on tables that are full, on a PostgreSQL that tells what it does.
struct Full {
    server: Server,
    _serving: Serving,
    admin: Client,
    user: Client,
}

impl Full {
    fn start() -> Full {
        let settings = [
            "session_preload_libraries=auto_explain",
            "auto_explain.log_min_duration=0",
            "auto_explain.log_analyze=on",
            "auto_explain.log_timing=off",
            "max_parallel_workers_per_gather=0",
        ];
        let server = Server::start(Extras { settings: &settings, ..Extras::default() });
        let data = folder("data");
        let address = format!("host={} user=postgres dbname=postgres", server.folder.display());
        let serving = Serving::with_admin(&data, &[("DATABASE_URL", &address), ("LOG_ACCESS", "false")]);
        serving.wait_until_ready();
        let admin = serving.admin(&data);
        let mut client = server.client("postgres");
        client.batch_execute(include_str!("plans/fill.sql")).unwrap();
        let make = "INSERT INTO identity.users (email, status) VALUES ('nobody@example.org', 'ACTIVE') RETURNING id";
        let id: uuid::Uuid = client.query_one(make, &[]).unwrap().get(0);
        let make = "SELECT identity.generate_api_key('test', $1::uuid::text, '[\"read:*\"]') ->> 'api_key'";
        let key: String = client.query_one(make, &[&id]).unwrap().get(0);
        let user = Client::new(serving.address()).with("X-API-Key", &key);
        Full { server, _serving: serving, admin, user }
    }

    /// What PostgreSQL tells of a request.
    fn log(&self, client: &Client, path: &str) -> String {
        let mut log = fs::File::open(self.server.folder.join("log")).unwrap();
        log.seek(SeekFrom::End(0)).unwrap();
        let answer = client.get(path);
        // What would read much is not offered.
        if answer.status == 400 && answer.text().contains("is taken only beside a filter that finds few rows") {
            return String::new();
        }
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}\n{text}", answer.text());
        text
    }

    /// The most rows that a node of a plan has read for a request.
    fn read(&self, client: &Client, path: &str) -> f64 {
        let text = self.log(client, path);
        let plans = text.split("LOG:  ").filter(|plan| plan.contains("LIMIT") || plan.contains("count(*)"));
        plans.map(rows_read).fold(0.0, f64::max)
    }
}

#[test]
fn a_row_of_a_log_is_read_from_the_partition_that_it_is_in() {
    let full = Full::start();
    full.admin
        .post("/api/webhook-events", &json!({ "type": "tests.made", "source": "tests", "payload": {} }))
        .expect(201);
    for path in ["audit-logs", "webhook-events"] {
        let list = full.admin.get(&format!("/api/{path}?sort=-created_at&limit=1")).expect(200).json();
        let row = format!("/api/{path}/{}", list["data"][0]["id"].as_str().unwrap());
        let text = full.log(&full.admin, &row);
        let scans = text.lines().filter(|line| line.contains("Scan") && line.contains("loops=1")).count();
        assert_eq!(scans, 1, "partitions of {path}: {text}");
    }
}

/// The most rows that a node of a plan gave or threw away.
fn rows_read(plan: &str) -> f64 {
    let number = |text: &str| -> f64 {
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        text[..end].parse().unwrap_or(0.0)
    };
    let (mut most, mut loops) = (0.0_f64, 1.0);
    for line in plan.lines() {
        if let Some((_, actual)) = line.split_once("(actual rows=") {
            loops = actual.split_once("loops=").map_or(1.0, |(_, text)| number(text));
            most = most.max(number(actual) * loops);
        }
        if let Some((_, removed)) = line.split_once("Rows Removed by ").and_then(|(_, text)| text.split_once(": ")) {
            most = most.max(number(removed) * loops);
        }
    }
    most
}

/// A value that no row has, for a parameter of the document.
fn rare(schema: &Value) -> Vec<String> {
    let kind = schema["type"].as_str().unwrap_or_default();
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
    }
    let format = schema["format"].as_str().or_else(|| schema["anyOf"][0]["format"].as_str()).unwrap_or_default();
    match (kind, format) {
        ("array", _) => rare(&schema["items"]),
        ("boolean", _) => vec!["true".to_owned(), "false".to_owned()],
        ("integer" | "number", _) => vec!["456".to_owned()],
        (_, "uuid") => vec!["0192aaaa-0000-7000-8000-000000000001".to_owned()],
        (_, "date-time") => vec!["2090-01-01T00:00:00Z".to_owned(), "1990-01-01T00:00:00Z".to_owned()],
        (_, "ipv4" | "ip") => vec!["10.1.2.3".to_owned()],
        _ => vec!["zqx-nothing".to_owned()],
    }
}

/// Every query string that a list offers, one word at a time.
fn questions(operation: &Value) -> Vec<String> {
    let mut questions = vec![String::new()];
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] != "query" || ["limit", "cursor", "page", "fields", "expand"].contains(&name) {
            continue;
        }
        let name = name.replace(".*", ".team");
        questions.extend(rare(&parameter["schema"]).iter().map(|value| format!("{name}={value}")));
    }
    questions
}

#[test]
fn every_list_reads_little_however_it_is_asked_and_however_much_belongs_to_others() {
    let full = Full::start();
    let document: Value = serde_json::from_slice(&full.admin.get("/openapi.json").expect(200).body).unwrap();
    let mut slow = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let operation = &methods["get"];
        let is_list = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|it| it["name"] == "cursor"));
        if !is_list || path.contains('{') || SMALL.contains(&path.as_str()) {
            continue;
        }
        for question in questions(operation) {
            let path = format!("{path}?{question}");
            for (who, client) in [("admin", &full.admin), ("user", &full.user)] {
                if who == "user" && client.get(&path).status == 403 {
                    continue;
                }
                let rows = full.read(client, &path);
                let max = if question == "total=true" { TOTAL_MAX } else { ROWS_MAX };
                if rows > max {
                    slow.push(format!("{rows:>8} {who:<6} {path}"));
                }
            }
        }
    }
    assert!(slow.is_empty(), "{} lists read too much:\n{}", slow.len(), slow.join("\n"));
}
