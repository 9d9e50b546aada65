//! Folders for tests that need one on the disk, and an end for the PostgreSQL servers that are left in them.
//!
//! A small shell program, the keeper, waits for the end of this process, as the warden of `server` does. Then it ends
//! each server whose data lies below and removes everything, so not even a killed test run leaves something behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

/// A killed server may be started again by a mainstay that has not ended yet, so the keeper looks more than once.
const KEEPER: &str = r#"
    cat >/dev/null
    for attempt in 1 2 3 4 5; do
        find "$1" -name postmaster.pid | while read -r file; do
            process=$(head -n 1 "$file")
            [ "$(readlink "/proc/$process/cwd")" = "$(dirname "$file")" ] && kill -QUIT "$process"
        done
        rm -rf "$1" && exit
        sleep 0.2
    done
"#;

/// An empty folder that nobody else uses, of the given name, which goes with the test run.
pub fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let folder = root().join(COUNT.fetch_add(1, Ordering::Relaxed).to_string()).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn root() -> &'static Path {
    static ROOT: OnceLock<(PathBuf, Child)> = OnceLock::new();
    &ROOT.get_or_init(make_root).0
}

fn make_root() -> (PathBuf, Child) {
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let name = format!("mainstay-files-{}-{}", std::process::id(), age.subsec_nanos());
    let root = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let mut keeper = Command::new("/bin/sh");
    keeper.args(["-c", KEEPER, "keeper"]).arg(&root).current_dir("/").process_group(0);
    let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    (root, keeper)
}
