//! The command line: every command answers `--help`, says what it did, and exits with a code that means something.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use mainstay::cli::COMMANDS;

use crate::support::binary::{command, mainstay};
use crate::support::database;
use crate::support::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

/// Key=value pairs for the test's database.
fn url(database: &crate::support::database::Database) -> String {
    let address = database.address();
    let postgres::config::Host::Unix(folder) = &address.config.get_hosts()[0] else { panic!("a Unix socket") };
    format!("host={} user=postgres dbname={}", folder.display(), address.name())
}

#[test]
fn every_command_answers_help_and_is_in_the_overview() {
    let overview = mainstay(&["--help"], &[]);
    for one in COMMANDS {
        let words: Vec<&str> = one.name.split(' ').chain(["--help"]).collect();
        let help = mainstay(&words, &[]);
        assert_eq!(help.code(), 0, "{}", one.name);
        assert!(help.text().contains(one.summary) && help.text().contains(&format!("usage: mainstay {}", one.name)));
        assert!(overview.text().contains(one.summary), "{} is not in the overview", one.name);
    }
}

#[test]
fn what_is_not_understood_exits_with_2_and_says_where_to_look() {
    let cases: [(&[&str], &str); 6] = [
        (&["sevre"], "`mainstay --help`"),
        (&["migrate", "--stteps", "1"], "`mainstay migrate --help`"),
        (&["migrate", "repair"], "usage: mainstay migrate repair VERSION"),
        (&["migrate", "rollback", "--steps"], "--steps needs a value"),
        (&["--nonsense"], "`mainstay --help`"),
        (&["config", "more"], "usage: mainstay config"),
    ];
    for (words, hint) in cases {
        let run = mainstay(words, &[]);
        assert_eq!((run.code(), run.text().as_str()), (2, ""), "{words:?}");
        assert!(run.said().contains(hint), "{words:?}: {}", run.said());
    }
}

#[test]
fn migrating_there_and_back_is_shown_to_people_and_to_programs() {
    let home = database();
    let (url, run) = (url(&home), |words: &[&str], url: &str| mainstay(words, &[("DATABASE_URL", url)]));
    assert_eq!(run(&["migrate", "status", "--exit-code"], &url).code(), 1);
    let applied = run(&["migrate"], &url);
    assert_eq!(applied.code(), 0, "{}", applied.said());
    assert!(applied.said().contains("applied 000_ops.sql ("), "{}", applied.said());
    let status = run(&["migrate", "status", "--json", "--exit-code"], &url);
    let shown: serde_json::Value = serde_json::from_str(&status.text()).unwrap();
    assert_eq!(
        (status.code(), &shown["standing"], &shown["rows"][0]["state"]),
        (0, &"current".into(), &"applied".into())
    );
    assert_eq!(run(&["migrate"], &url).text(), "nothing to apply; the database is at version 0\n");
    let verified = run(&["migrate", "verify"], &url);
    assert_eq!(
        (verified.code(), verified.text().as_str()),
        (0, "files, history and database agree\n"),
        "{}",
        verified.said()
    );
    home.client().batch_execute("DROP TABLE ops.settings CASCADE").unwrap();
    let drifted = run(&["migrate", "verify"], &url);
    assert!(drifted.code() == 1 && drifted.text().contains("ops.settings is missing"), "{}", drifted.text());
    assert_eq!(run(&["migrate", "lint"], &url).code(), 0);
}

#[test]
fn a_database_that_is_not_there_is_made_by_db_create_and_never_by_others() {
    let home = database();
    let name = format!("{}_new", home.address().name());
    let url = url(&home).replace(home.address().name(), &name);
    let run = |words: &[&str]| mainstay(words, &[("DATABASE_URL", &url)]);
    let missing = run(&["migrate"]);
    assert!(missing.code() == 1 && missing.said().contains("does not exist"), "{}", missing.said());
    assert_eq!(run(&["db", "create"]).text(), format!("made the database {name}\n"));
    assert_eq!(run(&["db", "create"]).text(), format!("there is a database {name} already\n"));
    let refused = run(&["db", "reset", "--yes"]);
    assert!(refused.code() == 1 && refused.said().contains("not mainstay's own"), "{}", refused.said());
    home.client().batch_execute(&format!("DROP DATABASE {name}")).unwrap();
}

/// A server that is stopped when the test ends.
struct Serving {
    child: Child,
    port: u16,
}

impl Serving {
    /// Starts a server on a free port, which its log tells.
    fn start(variables: &[(&str, &str)]) -> Serving {
        let variables = [&[("PORT", "0")], variables].concat();
        let mut child = command(&["serve"], &variables).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("the server has ended").unwrap();
            if let Some((_, rest)) = line.split_once("listening on http://127.0.0.1:") {
                break rest.split(' ').next().unwrap().parse().unwrap();
            }
        };
        // Somebody must go on reading, or the server cannot go on logging.
        std::thread::spawn(move || lines.for_each(drop));
        Serving { child, port }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn stop(mut self) -> i32 {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_migrates_is_ready_answers_and_stops_when_told() {
    let home = database();
    let serving = Serving::start(&[("DATABASE_URL", &url(&home))]);
    assert_eq!(serving.get("/live"), (200, r#"{"status":"alive"}"#.to_owned()));
    wait_for("the server to be ready", PATIENCE, || (serving.get("/ready").0 == 200).then_some(()));
    let (status, body) = serving.get("/health/database");
    let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &shown["database"]["connectivity"]), (200, &"healthy".into()), "{body}");
    assert_eq!(shown["database"]["pool_stats"]["max_open_connections"], 20);
    let shown: serde_json::Value = serde_json::from_str(&serving.get("/health").1).unwrap();
    assert_eq!((&shown["status"], &shown["services"]["database"]), (&"healthy".into(), &"healthy".into()));
    assert_eq!(serving.get("/nowhere").0, 404);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_server_whose_database_is_away_lives_and_becomes_ready_when_it_comes() {
    let home = database();
    let name = format!("{}_late", home.address().name());
    let url = url(&home).replace(home.address().name(), &name);
    let serving = Serving::start(&[("DATABASE_URL", &url)]);
    assert_eq!(serving.get("/live").0, 200);
    let reason = wait_for("the reason", PATIENCE, || {
        let (status, body) = serving.get("/ready");
        assert_eq!(status, 503);
        body.contains("does not exist").then_some(body)
    });
    assert!(reason.contains("not ready"), "{reason}");
    home.client().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    wait_for("the server to be ready", PATIENCE, || (serving.get("/ready").0 == 200).then_some(()));
    assert_eq!(serving.stop(), 0);
    home.client().batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
}

#[test]
fn in_production_a_server_does_not_migrate_and_says_what_to_do() {
    let home = database();
    let url = url(&home);
    let serving = Serving::start(&[("DATABASE_URL", &url), ("APP_ENV", "production")]);
    wait_for("the reason", PATIENCE, || {
        let (status, body) = serving.get("/ready");
        (status == 503 && body.contains("run `mainstay migrate`")).then_some(())
    });
    assert_eq!(mainstay(&["migrate"], &[("DATABASE_URL", &url)]).code(), 0);
    wait_for("the server to be ready", PATIENCE, || (serving.get("/ready").0 == 200).then_some(()));
    assert_eq!(serving.stop(), 0);
}
