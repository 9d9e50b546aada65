//! nginx, HAProxy and Caddy, each with a configuration of its own, for as long as a test runs.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::folder::folder;
use super::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the program when its own input does: when the test lets go of it, or is killed.
const KEEPER: &str = r#""$@" & program=$!; cat >/dev/null; kill "$program"; wait "$program""#;

/// What surrounds an exported file in an nginx that is nobody's service.
const NGINX: &str = "daemon off; master_process off; pid PLACE/pid; error_log stderr warn; events {}
http { access_log off; client_body_temp_path PLACE; proxy_temp_path PLACE; fastcgi_temp_path PLACE;
uwsgi_temp_path PLACE; scgi_temp_path PLACE; include PLACE/exported; }";

/// A gateway that runs.
pub struct Gateway {
    keeper: Child,
    port: u16,
}

impl Gateway {
    /// Runs `nginx`, `haproxy` or `caddy` with an exported file, in which it listens on `port`.
    pub fn start(format: &str, text: &str, port: u16) -> Gateway {
        let place = folder(format);
        let (exported, log) = (place.join("exported"), place.join("log"));
        fs::write(&exported, text).unwrap();
        let file = |path: &Path| path.to_str().unwrap().to_owned();
        let arguments = match format {
            "nginx" => {
                let main = place.join("main");
                fs::write(&main, NGINX.replace("PLACE", &file(&place))).unwrap();
                vec!["-e".to_owned(), "stderr".to_owned(), "-p".to_owned(), file(&place), "-c".to_owned(), file(&main)]
            }
            "haproxy" => vec!["-db".to_owned(), "-f".to_owned(), file(&exported)],
            _ => {
                // Its own port for commands is one for the whole machine.
                let mut config: Value = serde_json::from_str(text).unwrap();
                config["admin"] = json!({ "disabled": true });
                fs::write(&exported, config.to_string()).unwrap();
                vec!["run".to_owned(), "--config".to_owned(), file(&exported)]
            }
        };
        let output = fs::File::create(&log).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(program(format)).args(arguments).env("HOME", &place);
        command.env("LD_LIBRARY_PATH", libraries()).stdin(Stdio::piped());
        let keeper = command.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        let gateway = Gateway { keeper, port };
        let mut lines = String::new();
        wait_for(&format!("{format} listens"), PATIENCE, || {
            lines = fs::read_to_string(&log).unwrap();
            let is_wrong = ["[emerg]", "[ALERT]", "Error:"].iter().any(|word| lines.contains(word));
            assert!(!is_wrong, "{format} does not take the file: {lines}");
            TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
        });
        gateway
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(([127, 0, 0, 1], self.port).into())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn unpacked() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gateways")
}

/// A program: unpacked by `make gateways`, or installed.
fn program(name: &str) -> PathBuf {
    let places = [unpacked().join("usr/sbin"), unpacked().join("usr/bin"), "/usr/sbin".into(), "/usr/bin".into()];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = places.into_iter().chain(std::env::split_paths(&path)).map(|place| place.join(name));
    places.find(|place| place.is_file()).unwrap_or_else(|| panic!("{name} is missing: run `make gateways`"))
}

/// The folders of the libraries that were unpacked with it.
fn libraries() -> std::ffi::OsString {
    let all = fs::read_dir(unpacked().join("usr/lib")).into_iter().flatten().flatten();
    std::env::join_paths(all.map(|entry| entry.path()).filter(|path| path.is_dir())).unwrap()
}
