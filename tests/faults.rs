//! Faults under load: the database is killed, stands still or is restarted while many write, or the server itself is told to
//! stop. Nothing that was acknowledged may be lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::binary::mainstay;
use crate::support::client::Client;
use crate::support::folder;
use crate::support::server::{Extras, Server};
use crate::support::serving::Serving;
use crate::support::wait::{AtEnd, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
const CLIENTS: usize = 64;

/// A server with an embedded database of its own, as durable as in production, and an administrator's client.
fn serve(data: &Path) -> (Serving, Client) {
    let times = [("LOG_ACCESS", "false"), ("DB_QUERY_TIMEOUT", "2s"), ("DB_ACQUIRE_TIMEOUT", "1s")];
    let serving = Serving::with_admin(data, &times);
    serving.wait_until_ready();
    let client = serving.admin(data);
    (serving, client)
}

fn postgres(data: &Path) -> Pid {
    let file = std::fs::read_to_string(data.join("postgres/data/postmaster.pid")).unwrap();
    Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap()
}

/// Lets many clients make rows while something happens, and answers which were acknowledged and all statuses.
fn write_while(client: &Client, happens: impl FnOnce(&Mutex<BTreeSet<String>>)) -> (BTreeSet<String>, BTreeSet<u16>) {
    // No key is written twice, whoever writes before.
    static ROUND: AtomicUsize = AtomicUsize::new(0);
    let round = ROUND.fetch_add(1, Ordering::Relaxed);
    let is_over = AtomicBool::new(false);
    let (acknowledged, statuses) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    thread::scope(|scope| {
        let _end = AtEnd(&is_over);
        for number in 0..CLIENTS {
            let (is_over, acknowledged, statuses) = (&is_over, &acknowledged, &statuses);
            scope.spawn(move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    count += 1;
                    let key = format!("{round}-{number}-{count}");
                    let body = json!({ "key": key, "value": count });
                    // A request with a key is a transaction whose COMMIT is sent by itself; one without is a statement.
                    let answer = match number % 2 {
                        0 => client.post("/api/settings", &body),
                        _ => client.with("Idempotency-Key", &key).post("/api/settings", &body),
                    };
                    statuses.lock().unwrap().insert(answer.status);
                    if answer.status == 201 {
                        acknowledged.lock().unwrap().insert(key);
                    }
                }
            });
        }
        wait_for("much is written", PATIENCE, || (acknowledged.lock().unwrap().len() > 2 * CLIENTS).then_some(()));
        happens(&acknowledged);
        thread::sleep(Duration::from_millis(500));
    });
    (acknowledged.into_inner().unwrap(), statuses.into_inner().unwrap())
}

/// The keys of all rows, read as a client reads them.
fn kept(client: &Client) -> BTreeSet<String> {
    let (mut kept, mut path) = (BTreeSet::new(), "/api/settings?limit=200&fields=key".to_owned());
    loop {
        let page = client.get(&path).expect(200).json();
        kept.extend(page["data"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()));
        match page["page"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/settings?limit=200&fields=key&cursor={cursor}"),
            None => return kept,
        }
    }
}

/// Waits until a write is acknowledged again, and answers how long that took.
fn recovery(client: &Client) -> Duration {
    let start = Instant::now();
    let mut count = 0;
    wait_for("a write is acknowledged again", PATIENCE, || {
        count += 1;
        let body = json!({ "key": format!("after-{count}"), "value": 1 });
        (client.post("/api/settings", &body).status == 201).then_some(())
    });
    start.elapsed()
}

fn check(client: &Client, acknowledged: &BTreeSet<String>, statuses: &BTreeSet<u16>) {
    assert!(acknowledged.len() > CLIENTS, "hardly anything was written: {}", acknowledged.len());
    let is_told = |status: &u16| matches!(status, 201 | 503 | 504);
    assert!(statuses.iter().all(is_told) && statuses.len() > 1, "{statuses:?}");
    let kept = kept(client);
    let lost: Vec<&String> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "acknowledged, and lost: {lost:?}");
}

#[test]
fn no_acknowledged_write_is_lost_when_postgresql_is_killed_under_load() {
    let data = folder("data");
    let (serving, client) = serve(&data);
    let (acknowledged, statuses) = write_while(&client, |_| {
        again_and_again(&data, &client, Signal::KILL);
    });
    check(&client, &acknowledged, &statuses);
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

#[test]
fn no_acknowledged_write_is_lost_when_postgresql_is_stopped_without_writing_its_data_under_load() {
    let data = folder("data");
    let (serving, client) = serve(&data);
    let (acknowledged, statuses) = write_while(&client, |_| {
        // What `pg_ctl stop --mode immediate` sends.
        again_and_again(&data, &client, Signal::QUIT);
    });
    check(&client, &acknowledged, &statuses);
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

#[test]
fn every_acknowledged_write_is_on_the_disk_as_it_was_at_that_moment() {
    let data = folder("data");
    let (serving, client) = serve(&data);
    for _ in 0..times(1) {
        let (copy, mut before) = (folder("copy"), BTreeSet::new());
        write_while(&client, |acknowledged| before = copy_frozen(&data, &copy, acknowledged));
        std::fs::copy(data.join("admin_api_key"), copy.join("admin_api_key")).unwrap();
        let (other, reader) = serve(&copy);
        let kept = kept(&reader);
        let lost: Vec<&String> = before.difference(&kept).collect();
        assert!(before.len() > CLIENTS && lost.is_empty(), "{} acknowledged, and lost: {lost:?}", before.len());
        assert_eq!(other.end(Signal::TERM).0, 0);
        std::fs::remove_dir_all(copy.join("postgres")).unwrap();
    }
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

/// How often something happens: `FAULTS` says it for a long run.
fn times(usual: usize) -> usize {
    std::env::var("FAULTS").map_or(usual, |count| count.parse().unwrap())
}

/// Sends PostgreSQL a signal, and waits until it is there again, as often as it shall be. How long that took is shown to
/// whoever wants to know.
#[allow(clippy::print_stdout)]
fn again_and_again(data: &Path, client: &Client, signal: Signal) {
    for _ in 0..times(1) {
        kill_process(postgres(data), signal).unwrap();
        let took = recovery(client);
        println!("a write is acknowledged again after {took:?}");
        thread::sleep(Duration::from_millis(300));
    }
}

/// Copies the database's folder while none of its processes does anything, as if the power had failed then, and answers
/// what was acknowledged before.
fn copy_frozen(data: &Path, copy: &Path, acknowledged: &Mutex<BTreeSet<String>>) -> BTreeSet<String> {
    let main = postgres(data);
    let processes: Vec<Pid> = [main].into_iter().chain(children(main)).collect();
    // One that has ended meanwhile needs no telling.
    let tell = |signal| {
        for process in &processes {
            let _ = kill_process(*process, signal);
        }
    };
    tell(Signal::STOP);
    let before = acknowledged.lock().unwrap().clone();
    let copied = Command::new("cp").args(["-a", "--"]).arg(data.join("postgres")).arg(copy.join("postgres")).status();
    tell(Signal::CONT);
    assert!(copied.unwrap().success());
    std::fs::remove_file(copy.join("postgres/data/postmaster.pid")).unwrap();
    before
}

#[test]
fn no_acknowledged_write_is_lost_when_one_connection_of_postgresql_after_the_other_is_killed_under_load() {
    let data = folder("data");
    let (serving, client) = serve(&data);
    let (acknowledged, statuses) = write_while(&client, |_| {
        for _ in 0..times(5) {
            kill_process(backend(&data), Signal::KILL).unwrap();
            recovery(&client);
            thread::sleep(Duration::from_millis(300));
        }
    });
    check(&client, &acknowledged, &statuses);
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

#[test]
fn no_acknowledged_write_is_lost_when_postgresql_stands_still_under_load() {
    let data = folder("data");
    let (serving, client) = serve(&data);
    let (acknowledged, statuses) = write_while(&client, |_| {
        let main = postgres(&data);
        let processes: Vec<Pid> = children(main).into_iter().chain([main]).collect();
        let tell = |signal| {
            for process in &processes {
                // One that has ended meanwhile needs no telling.
                let _ = kill_process(*process, signal);
            }
        };
        tell(Signal::STOP);
        // Longer than anybody waits for a statement.
        thread::sleep(Duration::from_secs(4));
        tell(Signal::CONT);
        recovery(&client);
    });
    check(&client, &acknowledged, &statuses);
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

#[test]
fn no_acknowledged_write_is_lost_when_postgresql_is_restarted_under_load() {
    let data = folder("data");
    let (serving, client) = serve(&data);
    let first = postgres(&data);
    let (acknowledged, statuses) = write_while(&client, |_| {
        // What `pg_ctl restart --mode fast` sends: every connection is ended, and the data are written.
        kill_process(first, Signal::INT).unwrap();
        recovery(&client);
    });
    check(&client, &acknowledged, &statuses);
    assert_ne!(postgres(&data), first);
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

#[test]
fn a_server_that_is_told_to_stop_under_load_answers_what_it_has_accepted_and_keeps_what_it_acknowledged() {
    let data = folder("data");
    let (serving, client) = serve(&data);
    let acknowledged = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        // These are at work when the signal comes, each with a place and a connection of its own.
        let slow: Vec<_> = (0..4)
            .map(|_| {
                let body = br#"{"sql":"SELECT pg_sleep(1.5), 7 AS answer"}"#;
                scope.spawn(|| client.ask("POST", "/api/database/query", Some(body)))
            })
            .collect();
        for number in 0..16 {
            let (acknowledged, client) = (&acknowledged, &client);
            scope.spawn(move || {
                for count in 0.. {
                    let key = format!("{number}-{count}");
                    let body = json!({ "key": key, "value": count }).to_string();
                    // Without an answer, nobody listens any more.
                    let Some(answer) = client.ask("POST", "/api/settings", Some(body.as_bytes())) else { return };
                    answer.expect(201);
                    acknowledged.lock().unwrap().insert(key);
                }
            });
        }
        thread::sleep(Duration::from_millis(700));
        let (code, log) = serving.end(Signal::TERM);
        assert!(code == 0 && log.trim_end().ends_with("stopped"), "{log}");
        for thread in slow {
            let answer = thread.join().unwrap().expect("an answer").expect(200);
            assert_eq!(answer.json()["rows"][0]["answer"], 7, "{}", answer.text());
        }
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > 16, "hardly anything was written: {}", acknowledged.len());
    let (serving, client) = serve(&data);
    let kept = kept(&client);
    assert!(acknowledged.is_subset(&kept), "acknowledged, and lost: {:?}", acknowledged.difference(&kept));
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

#[test]
fn a_key_that_is_revoked_while_the_connection_that_would_say_so_hangs_is_refused_within_seconds() {
    let server = Server::start(Extras::default());
    let data = folder("data");
    let address = format!("host={} user=postgres dbname=postgres", server.folder.display());
    let serving = Serving::with_admin(&data, &[("DATABASE_URL", &address)]);
    serving.wait_until_ready();
    let admin = serving.admin(&data);
    let made =
        admin.post("/api/api-keys", &json!({ "name": "weak", "permissions": ["read:teams"] })).expect(201).json();
    let weak = Client::new(serving.address()).with("X-API-Key", made["key"].as_str().unwrap());
    weak.get("/api/teams").expect(200);
    let mut client = server.client("postgres");
    let listening = "SELECT pid FROM pg_stat_activity WHERE application_name = 'mainstay/listen'";
    let listening = Pid::from_raw(client.query_one(listening, &[]).unwrap().get(0)).unwrap();
    let _awake = Stopped::new(listening);
    client.batch_execute("DELETE FROM identity.api_keys WHERE name = 'weak'").unwrap();
    let since = Instant::now();
    wait_for("the key is refused", Duration::from_secs(20), || (weak.get("/api/teams").status == 401).then_some(()));
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    // And there is another connection that hears.
    let another = admin.post("/api/api-keys", &json!({ "name": "another", "permissions": ["read:teams"] })).expect(201);
    let weak = Client::new(serving.address()).with("X-API-Key", another.json()["key"].as_str().unwrap());
    weak.get("/api/teams").expect(200);
    client.batch_execute("DELETE FROM identity.api_keys WHERE name = 'another'").unwrap();
    wait_for("it is refused", Duration::from_secs(8), || (weak.get("/api/teams").status == 401).then_some(()));
}

#[test]
fn a_quick_doctor_answers_in_time_when_postgresql_does_not() {
    let data = folder("data");
    let (serving, _) = serve(&data);
    let stopped = Stopped::new(postgres(&data));
    let start = Instant::now();
    let run = mainstay(&["doctor", "--quick"], &[("MAINSTAY_DATA", data.to_str().unwrap())]);
    assert!(start.elapsed() < Duration::from_secs(5) && run.code() == 1, "{:?}: {}", start.elapsed(), run.said());
    for line in ["WRONG  database       the database did not answer within 4s", "ok     memory"] {
        assert!(run.text().contains(line), "{}", run.text());
    }
    drop(stopped);
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

/// A process that stands still until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(process: Pid) -> Stopped {
        kill_process(process, Signal::STOP).unwrap();
        Stopped(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended meanwhile.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// A process of PostgreSQL that serves a connection of the pool of writers.
fn backend(data: &Path) -> Pid {
    wait_for("a connection", PATIENCE, || {
        children(postgres(data)).into_iter().find(|process| {
            let path = format!("/proc/{}/cmdline", process.as_raw_nonzero());
            // While it serves nobody it says "idle".
            std::fs::read_to_string(path).is_ok_and(|title| title.contains("INSERT") || title.contains("COMMIT"))
        })
    })
}

/// The processes that a process has started.
fn children(of: Pid) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", of.as_raw_nonzero());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|process| Pid::from_raw(process.parse().ok()?)).collect()
}
