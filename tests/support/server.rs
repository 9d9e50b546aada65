//! Throw-away PostgreSQL clusters: one for the test run, started by the first test that needs it, and others for tests
//! that need a server with certificates, or one to do harm to.
//!
//! A small shell program, the warden, holds the server as its child and reads from a pipe that this process holds.
//! However this process ends, SIGKILL included, the kernel closes the pipe; the warden then stops the server and
//! removes its folder.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use mainstay::config::Address;
use mainstay::db::Binaries;
use postgres::{Client, NoTls};

use super::wait::{limit_the_run, wait_for};

/// How long making and starting the cluster may take, on a slow machine under load.
const START_MAX: Duration = Duration::from_secs(120);
/// How many ports are tried.
const PORTS_MAX: usize = 5;

/// `$1` is the folder of the programs, `$2` the folder for everything else; more arguments are the server's. What is written here need not be durable,
/// so it is quick; whatever else differs from PostgreSQL's defaults could hide a fault.
const WARDEN: &str = r#"
    programs=$1 folder=$2
    exec >"$folder/log" 2>&1
    init() {
        "$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 \
            --locale="$1" --no-sync
    }
    # After a failure the log stays until whoever started this has read it and gone.
    if ! (init C.UTF-8 || init C) </dev/null; then
        echo "$0: initdb failed"
        cat >/dev/null
    else
        shift 2
        "$programs/postgres" -D "$folder/data" -c listen_addresses= -c unix_socket_directories="$folder" \
            -c max_connections=300 -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
            -c log_checkpoints=off "$@" </dev/null &
        server=$!
        cat >/dev/null
        kill -QUIT "$server"
        # What a test has made stand still would not end.
        kill -CONT "$server"
        wait "$server"
    fi
    rm -rf "$folder"
"#;

/// A running cluster, stopped and removed when it is dropped.
pub struct Server {
    pub folder: PathBuf,
    /// The TCP port on 127.0.0.1, where one was asked for.
    pub port: u16,
    warden: Child,
}

/// What a cluster has beside a Unix socket.
#[derive(Default, Clone, Copy)]
pub struct Extras<'a> {
    pub listens: bool,
    /// Settings, as `name=value`. A `{folder}` in them is where the files are.
    pub settings: &'a [&'a str],
    /// Files that the server finds in its folder: their names and what is in them.
    pub files: &'a [(&'a str, &'a str)],
    /// Where its programs are, if not those that are installed.
    pub programs: Option<&'a Path>,
}

/// The cluster of this test run.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        limit_the_run();
        Server::start(Extras::default())
    })
}

impl Server {
    /// Starts a cluster of the test's own.
    pub fn start(extras: Extras<'_>) -> Server {
        // Somebody else may take the port that was free a moment ago.
        (0..PORTS_MAX).find_map(|_| try_start(extras)).expect("a free port for PostgreSQL")
    }

    pub fn address(&self, database: &str) -> Address {
        let mut address = Address::unix(&self.folder, "postgres", database);
        address.config.port(self.port);
        address
    }

    /// The same over TCP, to the server of this name, with what a URL may say of it.
    pub fn tcp(&self, host: &str, database: &str, options: &str) -> Address {
        Address::parse(&format!("postgres://postgres@{host}:{}/{database}?{options}", self.port)).unwrap()
    }

    pub fn client(&self, database: &str) -> Client {
        self.address(database).config.connect(NoTls).unwrap()
    }

    /// The process that listens.
    pub fn postmaster(&self) -> i32 {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().parse().unwrap()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        let _ = self.warden.wait();
    }
}

/// `None`: the port was taken.
fn try_start(extras: Extras<'_>) -> Option<Server> {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let binaries = extras.programs.map_or_else(Binaries::find, Binaries::at).unwrap();
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("mainstay-test-{}-{}-{count}", std::process::id(), age.subsec_nanos());
    let folder = std::env::temp_dir().join(name);
    binaries.make_folder(&folder).unwrap();
    for (name, text) in extras.files {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        binaries.hand_over(&path).unwrap();
    }
    let mut warden = binaries.command("/bin/sh");
    warden.args(["-c", WARDEN, "warden"]).arg(&binaries.folder).arg(&folder);
    let port = if extras.listens { free_port() } else { 5432 };
    if extras.listens {
        warden.args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")]);
    }
    for setting in extras.settings {
        warden.arg("-c").arg(setting.replace("{folder}", &folder.display().to_string()));
    }
    warden.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C on the terminal is for the tests; the warden follows when they are gone.
    warden.process_group(0);
    // The child is kept, and with it our end of the pipe.
    let mut server = Server { folder, port, warden: warden.spawn().unwrap() };
    let is_up = wait_for("PostgreSQL accepts connections", START_MAX, || {
        let log = server.log();
        if log.contains("could not create any TCP/IP sockets") {
            return Some(false);
        }
        assert!(
            server.warden.try_wait().unwrap().is_none() && !log.contains("warden: initdb failed"),
            "PostgreSQL did not start:\n{log}"
        );
        server.address("postgres").config.connect(NoTls).ok().map(|_| true)
    });
    is_up.then_some(server)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
