//! When the database is slow, silent or gone: what needs it is told so soon, and what does not notices nothing.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::App;
use crate::support::binary::mainstay;
use crate::support::client::Client;
use crate::support::folder;
use crate::support::server::{Extras, Server};
use crate::support::serving::Serving;
use crate::support::wait::{AtEnd, wait_for};

/// What is meant to be at once, on a machine that others keep busy, too.
const SOON: Duration = Duration::from_secs(3);

/// A server on a PostgreSQL of its own, and an administrator's client.
fn serve(server: &Server) -> (Serving, Client) {
    let data = folder("data");
    let address = format!("host={} user=postgres dbname=postgres", server.folder.display());
    let variables = [("DATABASE_URL", address.as_str()), ("SHUTDOWN_TIMEOUT", "3s"), ("DB_QUERY_TIMEOUT", "5000")];
    let serving = Serving::with_admin(&data, &variables);
    serving.wait_until_ready();
    let client = serving.admin(&data);
    (serving, client)
}

/// All processes of a PostgreSQL.
fn tell(server: &Server, signal: Signal) {
    let main = server.postmaster();
    let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|process| process.parse().ok());
    for process in children.chain([main]) {
        // One that has ended meanwhile needs no telling.
        let _ = kill_process(Pid::from_raw(process).unwrap(), signal);
    }
}

/// Lets what was stopped go on, whatever happens: a PostgreSQL that stands still does not end.
struct GoesOn<'a>(&'a Server);

impl Drop for GoesOn<'_> {
    fn drop(&mut self) {
        tell(self.0, Signal::CONT);
    }
}

/// Does something while many ask by `request`, and answers every status they got.
fn crowded(client: &Client, request: impl Fn(&Client) -> u16 + Sync, act: impl FnOnce()) -> Vec<u16> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ask = || {
            let mut statuses = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                statuses.push(request(client));
                thread::sleep(Duration::from_millis(20));
            }
            statuses
        };
        let threads: Vec<_> = (0..60).map(|_| scope.spawn(ask)).collect();
        let end = AtEnd(&is_over);
        act();
        drop(end);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[track_caller]
fn soon(client: &Client, path: &str, status: u16) -> Value {
    let start = Instant::now();
    let answer = client.get(path).expect(status);
    assert!(start.elapsed() < SOON, "{path} took {:?}", start.elapsed());
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

#[test]
fn what_needs_no_database_is_not_behind_queries_that_take_long() {
    let app = App::start();
    let admin = app.admin().client;
    let slow = |client: &Client| client.post("/api/database/query", &json!({ "sql": "SELECT pg_sleep(2)" })).status;
    let statuses = crowded(&admin, slow, || {
        thread::sleep(Duration::from_millis(1500));
        for _ in 0..20 {
            soon(&app.nobody(), "/live", 200);
            soon(&app.nobody(), "/metrics", 200);
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(statuses.contains(&200) && statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
}

#[test]
fn a_crowd_of_quick_requests_waits_and_nobody_is_turned_away() {
    let app = App::start_with(&[("DB_POOL_MAX", "2"), ("DB_POOL_READONLY_MAX", "1")]);
    let admin = app.admin().client;
    let quick = |client: &Client| client.post("/api/database/query", &json!({ "sql": "SELECT pg_sleep(0.01)" })).status;
    let statuses = crowded(&admin, quick, || thread::sleep(Duration::from_secs(3)));
    assert!(statuses.len() > 100 && statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[test]
fn bodies_that_come_slowly_take_no_thread_and_large_ones_are_few() {
    let app = App::start();
    let key = app.admin().key;
    let head = |path: &str| {
        let length = 31 << 20;
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let begin = |path: &str, bytes: usize| {
        let mut stream = std::net::TcpStream::connect(app.address()).unwrap();
        stream.write_all(head(path).as_bytes()).unwrap();
        // What is refused meanwhile takes no more.
        let _ = stream.write_all(&vec![b' '; bytes]);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let _slow: Vec<_> = (0..100).map(|_| begin("/api/gateway/plan", 100)).collect();
    let mut large: Vec<_> = (0..6).map(|_| begin("/api/gateway/plan", 2 << 20)).collect();
    let is_refused = |stream: &mut std::net::TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut bytes = [0; 12];
        stream.read_exact(&mut bytes).is_ok() && &bytes == b"HTTP/1.1 503"
    };
    let refused = large.iter_mut().map(is_refused).filter(|is_refused| *is_refused).count();
    assert_eq!(refused, 2, "an address has four places for large bodies");
    let mut refused = String::new();
    let _ = begin("/api/teams", 0).read_to_string(&mut refused);
    assert!(refused.starts_with("HTTP/1.1 413"), "what is announced as too long is not even waited for: {refused}");
    soon(&app.nobody(), "/live", 200);
    app.admin().client.get("/api/teams").expect(200);
}

#[test]
fn with_the_database_silent_or_gone_health_is_told_soon_in_its_own_shape_and_stopping_takes_no_longer_than_it_may() {
    for is_silent in [true, false] {
        let server = Server::start(Extras::default());
        let (serving, client) = serve(&server);
        let _goes_on = GoesOn(&server);
        client.get("/api/teams").expect(200);
        match is_silent {
            true => tell(&server, Signal::STOP),
            false => tell(&server, Signal::KILL),
        }
        let statuses = crowded(
            &client,
            |client| client.get("/api/teams").status,
            || {
                thread::sleep(Duration::from_secs(2));
                for _ in 0..3 {
                    soon(&client, "/live", 200);
                    soon(&client, "/metrics", 200);
                    assert_eq!(soon(&client, "/ready", 503)["status"], "not ready");
                    assert_eq!(soon(&client, "/health", 503)["status"], "unhealthy");
                    let detailed = soon(&client, "/health/detailed", 503);
                    assert_eq!(
                        (&detailed["status"], &detailed["services"]["database"]),
                        (&json!("unhealthy"), &json!("unhealthy"))
                    );
                    assert!(detailed["database"]["error"].is_string() && detailed["pools"].is_object(), "{detailed}");
                    assert_eq!(soon(&client, "/api/database/status", 503)["status"], "disconnected");
                    let pools = soon(&client, "/api/database/health", 503);
                    assert!(pools["pools"]["primary"]["error"].is_string(), "{pools}");
                    assert!(soon(&client, "/api/database/metrics", 503)["database"]["error"].is_string());
                }
            },
        );
        assert!(statuses.iter().all(|status| matches!(status, 503 | 504)), "{statuses:?}");
        let start = Instant::now();
        let (code, log) = serving.end(Signal::TERM);
        assert!(code == 0 && log.trim_end().ends_with("stopped"), "{log}");
        // Its three seconds, two for the last words, and what a busy machine adds.
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

#[test]
fn a_start_that_fails_leaves_no_postgresql_and_names_all_that_is_missing() {
    let data = folder("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = mainstay(&["serve"], &[("MAINSTAY_DATA", data.to_str().unwrap()), ("PORT", &port)]);
    assert!(run.code() == 1 && run.said().contains("cannot listen on"), "{}", run.said());
    wait_for("PostgreSQL is gone", Duration::from_secs(10), || {
        (!data.join("postgres/data/postmaster.pid").exists()).then_some(())
    });
    let data = folder("data");
    let variables = [("MAINSTAY_DATA", data.to_str().unwrap()), ("APP_ENV", "production")];
    for arguments in [&["serve"][..], &["config"]] {
        let run = mainstay(arguments, &variables);
        assert_eq!(run.code(), i32::from(arguments == ["serve"]));
        assert!(run.said().contains("JWT_SECRET and ENCRYPTION_KEY must be set in production"), "{}", run.said());
    }
    assert!(!data.join("postgres").exists(), "nothing is made for a server that cannot start");
}
