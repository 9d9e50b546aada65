//! The throw-away PostgreSQL cluster of one test run: started by the first test that needs it, gone with the process.
//!
//! A small shell program, the warden, holds the server as its child and reads from a pipe that this process holds.
//! However this process ends, SIGKILL included, the kernel closes the pipe; the warden then stops the server and
//! removes its folder.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use mainstay::config::Address;
use mainstay::db::Binaries;
use postgres::{Client, NoTls};

use super::wait::wait_for;

/// How long making and starting the cluster may take, on a slow machine under load.
const START_MAX: Duration = Duration::from_secs(120);

/// `$1` is the folder of the programs, `$2` the folder for everything else. What is written here need not be durable,
/// so it is quick; whatever else differs from PostgreSQL's defaults could hide a fault.
const WARDEN: &str = r#"
    programs=$1 folder=$2
    exec >"$folder/log" 2>&1
    init() {
        "$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 \
            --locale="$1" --no-sync --no-instructions
    }
    # After a failure the log stays until whoever started this has read it and gone.
    if ! (init C.UTF-8 || init C) </dev/null; then
        echo "$0: initdb failed"
        cat >/dev/null
    else
        "$programs/postgres" -D "$folder/data" -c listen_addresses= -c unix_socket_directories="$folder" \
            -c max_connections=300 -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
            -c log_checkpoints=off </dev/null &
        server=$!
        cat >/dev/null
        kill -QUIT "$server"
        wait "$server"
    fi
    rm -rf "$folder"
"#;

/// The running cluster.
pub struct Server {
    folder: PathBuf,
}

/// The cluster of this test run.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<(Server, Child)> = OnceLock::new();
    &SERVER.get_or_init(start).0
}

impl Server {
    pub fn address(&self, database: &str) -> Address {
        Address::unix(&self.folder, "postgres", database)
    }

    pub fn client(&self, database: &str) -> Client {
        self.address(database).config.connect(NoTls).unwrap()
    }
}

fn start() -> (Server, Child) {
    let binaries = Binaries::find().unwrap();
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let name = format!("mainstay-test-{}-{}", std::process::id(), age.subsec_nanos());
    let folder = std::env::temp_dir().join(name);
    binaries.make_folder(&folder).unwrap();
    let mut warden = binaries.command("/bin/sh");
    warden.args(["-c", WARDEN, "warden"]).arg(&binaries.folder).arg(&folder);
    warden.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C on the terminal is for the tests; the warden follows when they are gone.
    warden.process_group(0);
    // The child is kept, and with it our end of the pipe.
    let mut child = warden.spawn().unwrap();
    let server = Server { folder };
    let mut log = String::new();
    wait_for("PostgreSQL accepts connections", START_MAX, || {
        log = fs::read_to_string(server.folder.join("log")).unwrap_or(std::mem::take(&mut log));
        assert!(
            child.try_wait().unwrap().is_none() && !log.contains("warden: initdb failed"),
            "PostgreSQL did not start:\n{log}"
        );
        server.address("postgres").config.connect(NoTls).ok()
    });
    (server, child)
}
