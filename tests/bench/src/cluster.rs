//! A throw-away PostgreSQL: on a Unix socket in a folder of its own, and gone with this process, however that ends.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use mainstay::config::Address;
use mainstay::db::Binaries;
use postgres::{Client, NoTls};

use crate::Result;

const USER: &str = "postgres";
const START_MAX: Duration = Duration::from_secs(120);

/// Holds the server as its child until the pipe on its standard input is closed, which the kernel does in any case. The disk
/// is not waited for: what is measured is the programs, and they would all wait for it equally.
const WARDEN: &str = r#"
    programs=$1 folder=$2
    exec >"$folder/log" 2>&1
    "$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \
        </dev/null || { cat >/dev/null; exit 1; }
    "$programs/postgres" -D "$folder/data" -c listen_addresses= -c unix_socket_directories="$folder" \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=256MB </dev/null &
    server=$!
    cat >/dev/null
    kill -QUIT "$server"
    wait "$server"
    rm -rf "$folder"
"#;

/// The running server.
pub struct Cluster {
    folder: PathBuf,
    binaries: Binaries,
    warden: Child,
}

impl Cluster {
    pub fn start() -> Result<Cluster> {
        let binaries = Binaries::find()?;
        let folder = env::temp_dir().join(format!("mainstay-bench-{}", process::id()));
        binaries.make_folder(&folder)?;
        let mut command = binaries.command("/bin/sh");
        command.args(["-c", WARDEN, "warden"]).arg(&binaries.folder).arg(&folder).process_group(0);
        let warden = command.stdin(Stdio::piped()).spawn()?;
        let mut cluster = Cluster { folder, binaries, warden };
        let until = Instant::now() + START_MAX;
        while cluster.client(USER).is_err() {
            if cluster.warden.try_wait()?.is_some() || Instant::now() > until {
                let log = fs::read_to_string(cluster.folder.join("log")).unwrap_or_default();
                return Err(format!("PostgreSQL did not start:\n{log}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(cluster)
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder in it, which goes when it goes: it belongs to whoever runs the server.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        self.binaries.make_folder(&folder)?;
        Ok(folder)
    }

    pub fn version(&self) -> u32 {
        self.binaries.version
    }

    /// One of PostgreSQL's own programs, by its full path.
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.folder.join(name)
    }

    pub fn address(&self, database: &str) -> Address {
        Address::unix(&self.folder, USER, database)
    }

    /// Key=value pairs, as libpq and mainstay take them.
    pub fn pairs(&self, database: &str) -> String {
        format!("host={} user={USER} dbname={database}", self.folder.display())
    }

    pub fn client(&self, database: &str) -> Result<Client> {
        Ok(self.address(database).config.connect(NoTls)?)
    }

    /// Makes an empty database, in place of one that has the name.
    pub fn create(&self, database: &str) -> Result<()> {
        let mut client = self.client(USER)?;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))?;
        Ok(client.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE template0"))?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        let _ = self.warden.wait();
    }
}
