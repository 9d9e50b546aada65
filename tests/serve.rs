//! The server, run as a user runs it: what it is ready for, how it ends, and what it lives through.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::binary::{Run, command_in, mainstay};
use crate::support::serving::Serving;
use crate::support::wait::{AtEnd, wait_for};
use crate::support::{database, folder};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server with an embedded database in a folder.
fn serve_in(data: &Path) -> Serving {
    Serving::start(&[("MAINSTAY_DATA", data.to_str().unwrap())])
}

/// PostgreSQL's process, as its own file tells.
fn postgres(data: &Path) -> u32 {
    let file = fs::read_to_string(data.join("postgres/data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

fn is_running(process: u32) -> bool {
    Path::new(&format!("/proc/{process}/cwd")).exists()
}

#[test]
fn with_nothing_configured_a_server_makes_a_database_says_where_and_stops_it_in_the_end() {
    let data = folder("data");
    let first = serve_in(&data);
    first.wait_until_ready();
    let log = first.log();
    let place = format!("the database is embedded, in {}", data.display());
    for line in ["Making a PostgreSQL", &place, "listening on http://127.0.0.1:", "applied 000_ops.sql"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    let server = postgres(&data);
    let (code, log) = first.end(Signal::TERM);
    assert!(code == 0 && log.contains("told to stop: stopping"), "{log}");
    assert!(log.trim_end().ends_with("stopped"), "{log}");
    assert!(!is_running(server));

    let second = serve_in(&data);
    second.wait_until_ready();
    let server = postgres(&data);
    let (code, log) = second.end(Signal::INT);
    assert!(code == 0 && log.contains("interrupted: stopping") && !log.contains("Making"), "{log}");
    assert!(!is_running(server));
}

#[test]
fn hangup_and_quit_stop_a_server_in_order_and_signals_for_users_are_told_what_they_do_not_do() {
    for (signal, word) in [(Signal::HUP, "SIGHUP"), (Signal::QUIT, "SIGQUIT")] {
        let data = folder("data");
        let serving = serve_in(&data);
        serving.wait_until_ready();
        let server = postgres(&data);
        for (signal, word) in [(Signal::USR1, "SIGUSR1: "), (Signal::USR2, "SIGUSR2: ")] {
            serving.signal(signal);
            wait_for(word, PATIENCE, || serving.log().contains(word).then_some(()));
        }
        assert_eq!(serving.get("/ready").0, 200);
        let (code, log) = serving.end(signal);
        assert!(code == 0 && log.contains(word) && log.trim_end().ends_with("stopped"), "{log}");
        assert!(!is_running(server));
    }
}

#[test]
fn a_server_that_follows_a_killed_one_finds_its_database_and_goes_on() {
    let data = folder("data");
    let first = serve_in(&data);
    first.wait_until_ready();
    let server = postgres(&data);
    first.end(Signal::KILL);
    assert!(is_running(server));
    let second = serve_in(&data);
    second.wait_until_ready();
    assert!(second.log().contains(&format!("is running already (process {server})")), "{}", second.log());
    assert_eq!(second.end(Signal::TERM).0, 0);
    assert!(!is_running(server));
}

#[test]
fn a_server_under_load_whose_postgresql_is_killed_lives_is_not_ready_and_becomes_ready_by_itself() {
    let data = folder("data");
    let serving = serve_in(&data);
    serving.wait_until_ready();
    // Who works on the cluster keeps its owner from starting PostgreSQL again: the time in between is as long as we want.
    let lock = File::options().write(true).open(data.join("postgres/lock")).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let end = AtEnd(&is_over);
        let load = |path: &'static str| {
            let (serving, is_over) = (&serving, &is_over);
            scope.spawn(move || {
                let mut statuses = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    statuses.push(serving.get(path).0);
                    thread::sleep(Duration::from_millis(10));
                }
                statuses
            })
        };
        let live = load("/live");
        // More than the server has threads: whoever waits for the database must not keep the others from an answer.
        let database: Vec<_> = (0..64).map(|_| load("/health/database")).collect();
        lock.lock().unwrap();
        let server = rustix::process::Pid::from_raw(postgres(&data).cast_signed()).unwrap();
        rustix::process::kill_process(server, Signal::KILL).unwrap();
        wait_for("the server not to be ready", PATIENCE, || (serving.get("/ready").0 == 503).then_some(()));
        lock.unlock().unwrap();
        serving.wait_until_ready();
        drop(end);
        let live = live.join().unwrap();
        assert!(live.iter().all(|status| *status == 200), "{live:?}");
        for thread in database {
            let statuses = thread.join().unwrap();
            assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
        }
    });
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

/// Removes what root was given instead of the folder that it asked for, with the folders above that are empty then.
struct Elsewhere(PathBuf);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        for parent in self.0.ancestors().skip(1).take_while(|parent| *parent != Path::new("/var/lib")) {
            let _ = fs::remove_dir(parent);
        }
    }
}

#[test]
fn root_in_a_folder_that_nobody_else_may_enter_gets_a_database_elsewhere_and_is_told_where() {
    if !rustix::process::geteuid().is_root() {
        // Only root runs PostgreSQL as somebody else.
        return;
    }
    let closed = folder("closed");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&closed, mode).unwrap();
    let wanted = closed.join("var");
    let elsewhere = Elsewhere(Path::new("/var/lib/mainstay-root").join(wanted.strip_prefix("/").unwrap()));
    let run = |words: &[&str]| Run::of(&mut command_in(&closed, words, &[]));
    let migrated = run(&["migrate"]);
    let told = format!("may not enter {}: the data are in {}", closed.display(), elsewhere.0.display());
    assert!(migrated.code() == 0 && migrated.said().contains(&told), "{}", migrated.said());
    assert_eq!(run(&["db", "status"]).text().split(',').next(), Some("stopped"));
    assert!(!wanted.exists() && elsewhere.0.join("postgres/data").exists());
    assert_eq!(run(&["db", "reset", "--yes"]).code(), 0);
    assert_eq!(run(&["db", "status"]).text(), "missing\n");
}

#[test]
fn a_server_migrates_is_ready_answers_and_stops_when_told() {
    let home = database();
    let serving = Serving::start(&[("DATABASE_URL", &home.pairs())]);
    assert_eq!(serving.get("/live"), (200, r#"{"status":"alive"}"#.to_owned()));
    serving.wait_until_ready();
    let (status, body) = serving.get("/health/database");
    let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &shown["database"]["connectivity"]), (200, &"healthy".into()), "{body}");
    assert_eq!(shown["database"]["pool_stats"]["max_open_connections"], 10);
    let shown: serde_json::Value = serde_json::from_str(&serving.get("/health").1).unwrap();
    assert_eq!((&shown["status"], &shown["services"]["database"]), (&"healthy".into(), &"healthy".into()));
    assert_eq!(serving.get("/nowhere?token=secret").0, 404);
    let (code, log) = serving.end(Signal::TERM);
    assert!(code == 0 && log.contains("GET /nowhere 404") && !log.contains("token="), "{log}");
}

#[test]
fn a_server_whose_database_is_away_lives_and_becomes_ready_when_it_comes() {
    let home = database();
    let name = format!("{}_late", home.address().name());
    let url = home.pairs().replace(home.address().name(), &name);
    let serving = Serving::start(&[("DATABASE_URL", &url)]);
    assert_eq!(serving.get("/live").0, 200);
    let reason = wait_for("the reason", PATIENCE, || {
        let (status, body) = serving.get("/ready");
        assert_eq!(status, 503);
        body.contains("does not exist").then_some(body)
    });
    assert!(reason.contains("not ready"), "{reason}");
    home.client().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    serving.wait_until_ready();
    assert_eq!(serving.end(Signal::TERM).0, 0);
    home.client().batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
}

#[test]
fn a_server_that_cannot_become_ready_says_why_once_however_often_it_tries() {
    let home = database();
    let serving = Serving::start(&[("DATABASE_URL", &home.pairs()), ("CREATE_ADMIN_API_KEY", "true")]);
    let reason = "not ready: CREATE_ADMIN_API_KEY needs an administrator: set ADMIN_EMAIL";
    let told = wait_for("the reason", PATIENCE, || Some(serving.log()).filter(|log| log.contains(reason)));
    // Time for some attempts more.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(serving.log(), told);
    assert!(serving.get("/ready").1.contains("set ADMIN_EMAIL"));
    assert_eq!(serving.end(Signal::TERM).0, 0);
}

#[test]
fn in_production_a_server_does_not_migrate_and_says_what_to_do() {
    let home = database();
    let url = home.pairs();
    let serving = Serving::start(&[
        ("DATABASE_URL", &url),
        ("APP_ENV", "production"),
        ("JWT_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("ENCRYPTION_KEY", "2f1e0d3c4b5a69788796a5b4c3d2e1f9"),
    ]);
    wait_for("the reason", PATIENCE, || {
        let (status, body) = serving.get("/ready");
        (status == 503 && body.contains("run `mainstay migrate`")).then_some(())
    });
    assert_eq!(mainstay(&["migrate"], &[("DATABASE_URL", &url)]).code(), 0);
    serving.wait_until_ready();
    assert_eq!(serving.end(Signal::TERM).0, 0);
}
