//! While the database is away, the catalogue is answered from memory, to those who were let in before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mainstay::db::{Cluster, cluster};
use rustix::process::Signal;
use serde_json::json;

use super::published;
use crate::support::client::Client;
use crate::support::folder;
use crate::support::serving::Serving;
use crate::support::wait::{AtEnd, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
const CLIENTS: usize = 16;
const LISTS: [&str; 3] = ["/api/templates", "/api/templates/categories", "/api/templates?q=app&limit=5"];

/// A PostgreSQL that the test starts and stops, as somebody else would, and a server that uses it.
struct Home {
    postgres: PathBuf,
    data: PathBuf,
    url: String,
}

impl Home {
    fn new() -> Home {
        let (postgres, data) = (folder("postgres"), folder("data"));
        cluster::start(&postgres, &mut |_| {}).unwrap();
        let guest = Cluster::open(&postgres, &mut |_| {}).unwrap();
        let address = guest.address();
        let password = String::from_utf8(address.config.get_password().unwrap().to_vec()).unwrap();
        let socket = cluster::status(&postgres).unwrap().socket.unwrap();
        let url = format!("host={} user=mainstay dbname=mainstay password={password}", socket.display());
        guest.stop().unwrap();
        Home { postgres, data, url }
    }

    fn serve(&self) -> Serving {
        let variables = [("DATABASE_URL", self.url.as_str()), ("LOG_ACCESS", "false"), ("DB_ACQUIRE_TIMEOUT", "1s")];
        Serving::with_admin(&self.data, &variables)
    }

    fn client(&self, serving: &Serving) -> Client {
        serving.admin(&self.data)
    }

    fn stop(&self) {
        cluster::stop(&self.postgres, &mut |_| {}).unwrap();
    }

    fn start(&self) {
        cluster::start(&self.postgres, &mut |_| {}).unwrap();
    }

    /// What the server does for each of its connections.
    fn connect(&self) {
        self.url.parse::<postgres::Config>().unwrap().connect(postgres::NoTls).unwrap();
    }

    fn snapshot(&self) -> PathBuf {
        self.data.join("last_replies.json")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = cluster::stop(&self.postgres, &mut |_| {});
    }
}

fn is_from_memory(client: &Client, path: &str) -> bool {
    client.get(path).expect(200).header("X-Data-Source") == Some("memory")
}

#[test]
fn lists_are_answered_while_postgresql_is_stopped_under_load_and_are_fresh_a_second_after_its_return() {
    let home = Home::new();
    let serving = home.serve();
    serving.wait_until_ready();
    let client = home.client(&serving);
    published(&client, &json!({ "name": "App" }));
    LISTS.iter().for_each(|path| drop(client.get(path).expect(200)));
    let (is_over, answers) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    thread::scope(|scope| {
        let _end = AtEnd(&is_over);
        for number in 0..CLIENTS {
            let (client, is_over, answers) = (&client, &is_over, &answers);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.get(LISTS[number % LISTS.len()]);
                    let source = answer.header("X-Data-Source").unwrap_or("database").to_owned();
                    answers.lock().unwrap().insert((answer.status, source));
                }
            });
        }
        thread::sleep(Duration::from_millis(500));
        home.stop();
        let answer = client.get("/api/templates").expect(200);
        assert_eq!(answer.header("X-Data-Source"), Some("memory"));
        assert!(answer.header("Age").unwrap().parse::<u64>().unwrap() < 60);
        assert_eq!(answer.json()["data"][0]["name"], "App");
        client.post("/api/templates", &json!({ "name": "B" })).expect(503);
        thread::sleep(Duration::from_secs(2));
        assert!(is_from_memory(&client, "/api/templates/categories"));
        home.start();
        let start = Instant::now();
        wait_for("the list is fresh", PATIENCE, || (!is_from_memory(&client, "/api/templates")).then_some(()));
        let fresh_after = start.elapsed();
        // On a busy machine, proving who one is takes a build without optimisation its time, for each connection.
        let start = Instant::now();
        home.connect();
        let allowed = Duration::from_secs(1) + 10 * start.elapsed();
        assert!(fresh_after < allowed, "{fresh_after:?}, of {allowed:?}");
        thread::sleep(Duration::from_millis(500));
    });
    let answers = answers.into_inner().unwrap();
    let expected = [(200, "database".to_owned()), (200, "memory".to_owned())];
    assert_eq!(answers, BTreeSet::from(expected), "{}", serving.log());
}

#[test]
fn a_server_that_is_started_while_the_database_is_away_answers_from_its_snapshot() {
    let home = Home::new();
    let serving = home.serve();
    serving.wait_until_ready();
    let client = home.client(&serving);
    published(&client, &json!({ "name": "App" }));
    for path in &LISTS[..2] {
        client.get(path).expect(200);
    }
    let shown = client.get("/api/templates").expect(200).json();
    assert_eq!(serving.end(Signal::TERM).0, 0);
    let text = fs::read_to_string(home.snapshot()).unwrap();
    let key = fs::read_to_string(home.data.join("admin_api_key")).unwrap();
    assert!(!text.contains(key.trim()), "the key itself is nowhere");
    assert_eq!(mode(&home.snapshot()), 0o600);
    home.stop();

    let serving = home.serve();
    let client = home.client(&serving);
    let answer = client.get("/api/templates").expect(200);
    assert_eq!((answer.header("X-Data-Source"), answer.json()), (Some("memory"), shown));
    assert!(is_from_memory(&client, "/api/templates/categories"));
    client.get("/api/templates?limit=7").refuse(503, "DATABASE_UNAVAILABLE");
    let stranger = Client::new(serving.address());
    stranger.get("/api/templates").refuse(401, "MISSING_API_KEY");
    stranger.with("X-API-Key", "ctm_wrong").get("/api/templates").refuse(401, "INVALID_API_KEY");
    let log = serving.end(Signal::TERM).1;
    assert!(!log.contains("panicked"), "{log}");

    for broken in ["", "{", "[1]", r#"{"form":2,"replies":[],"callers":[]}"#, "\u{0}\u{0}"] {
        fs::write(home.snapshot(), broken).unwrap();
        let serving = home.serve();
        home.client(&serving).get("/api/templates").refuse(503, "DATABASE_UNAVAILABLE");
        assert_eq!(serving.end(Signal::TERM).0, 0, "{broken:?}");
    }
}

#[test]
fn whoever_was_shut_out_before_the_database_went_away_stays_so() {
    let home = Home::new();
    let serving = home.serve();
    serving.wait_until_ready();
    let admin = home.client(&serving);
    published(&admin, &json!({ "name": "App" }));
    let make = |name: &str| {
        let body = json!({ "name": name, "permissions": ["read:templates"] });
        let made = admin.post("/api/api-keys", &body).expect(201).json();
        let client = Client::new(serving.address()).with("X-API-Key", made["key"].as_str().unwrap());
        client.get("/api/templates").expect(200);
        (client, format!("/api/api-keys/{}", made["id"].as_str().unwrap()))
    };
    let ((kept, _), (revoked, path)) = (make("kept"), make("revoked"));
    kept.get("/api/templates/categories").refuse(403, "INSUFFICIENT_PERMISSIONS");
    admin.get("/api/templates/categories").expect(200);
    admin.post(&format!("{path}/revoke"), &json!({})).expect(204);
    wait_for("the key is forgotten", PATIENCE, || (revoked.get("/api/templates").status == 401).then_some(()));
    home.stop();
    wait_for("the database is away", PATIENCE, || is_from_memory(&kept, "/api/templates").then_some(()));
    revoked.get("/api/templates").expect(503);
    kept.get("/api/templates/categories").expect(503);
    assert!(is_from_memory(&admin, "/api/templates/categories"));
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
