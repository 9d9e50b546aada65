//! The embedded cluster: made once, found again, kept running, and stopped by whoever owns it.

mod folders;
mod owners;
mod commands;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mainstay::config::Address;
use mainstay::db::cluster::{self, Cluster, State};
use mainstay::error::Error;
use postgres::{Client, NoTls};

use crate::support::folder;
use crate::support::wait::wait_for;

/// How long things may take that take a fraction of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn open(data: &Path) -> Cluster {
    try_open(data).unwrap()
}

fn try_open(data: &Path) -> Result<Cluster, Error> {
    Cluster::open(data, &mut |_| {})
}

/// What a person reads when opening fails.
fn refusal(data: &Path) -> String {
    match try_open(data) {
        Ok(_) => panic!("{} was opened", data.display()),
        Err(error) => error.to_string(),
    }
}

fn connect(address: &Address) -> Client {
    address.config.connect(NoTls).unwrap()
}

/// A data folder with a stopped cluster: a copy of one that is made once, because making takes its time.
fn made() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let original = MADE.get_or_init(|| {
        let data = folder("made");
        open(&data).stop().unwrap();
        data
    });
    let data = folder("data");
    let copied = Command::new("cp").arg("-a").arg(original.join("postgres")).arg(&data).status().unwrap();
    assert!(copied.success());
    data
}

/// The server's process.
fn process(data: &Path) -> Option<u32> {
    cluster::status(data).unwrap().process
}

fn kill(signal: &str, process: impl std::fmt::Display) {
    let killed = Command::new("kill").arg(signal).arg("--").arg(process.to_string()).status().unwrap();
    assert!(killed.success());
}

#[test]
fn a_first_start_makes_a_cluster_and_a_second_one_finds_everything_in_it() {
    let data = folder("data");
    let start = Instant::now();
    let mut said = Vec::new();
    let first = Cluster::open(&data, &mut |line| said.push(line.to_owned())).unwrap();
    println!("first start: {:?}", start.elapsed());
    assert!(said.iter().any(|line| line.starts_with("Making a PostgreSQL")), "{said:?}");
    connect(&first.address()).batch_execute("CREATE TABLE kept AS SELECT 'grün' AS colour").unwrap();
    first.stop().unwrap();

    let start = Instant::now();
    let second = open(&data);
    println!("second start: {:?}", start.elapsed());
    let row = connect(&second.address()).query_one("SELECT upper(colour) FROM kept", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), "GRÜN");
    second.stop().unwrap();
}

#[test]
fn the_cluster_is_durable_and_private() {
    let data = made();
    let cluster = open(&data);
    let mut client = connect(&cluster.address());
    for (setting, value) in [
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("password_encryption", "scram-sha-256"),
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
    ] {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{setting}");
    }
    let row = client.query_one("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", &[]).unwrap();
    assert!(!row.get::<_, bool>(0), "the application must not be the superuser");

    let socket = cluster::status(&data).unwrap().socket.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let mut stranger = cluster.address();
    stranger.config.password("a guess");
    assert!(stranger.config.connect(NoTls).is_err());
    cluster.stop().unwrap();
}

#[test]
fn stopping_ends_all_sessions_and_the_server_is_gone() {
    let data = made();
    let cluster = open(&data);
    let (address, server) = (cluster.address(), process(&data).unwrap());
    let mut busy = connect(&address);
    let session = std::thread::spawn(move || busy.batch_execute("SELECT pg_sleep(600)"));
    let mut client = connect(&address);
    wait_for("the session is busy", PATIENCE, || {
        let query = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        client.query_opt(query, &[]).unwrap()
    });
    cluster.stop().unwrap();
    assert!(session.join().unwrap().is_err());
    assert!(address.config.connect(NoTls).is_err());
    assert!(!Path::new(&format!("/proc/{server}/cwd")).exists());
    let status = cluster::status(&data).unwrap();
    assert_eq!((status.state, status.process), (State::Stopped, None));
}
