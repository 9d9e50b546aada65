//! The binary as a server, on a free port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::binary::{PROGRAM, command_of};
use super::client::Client;
use super::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);

/// A server, which is killed if the test ends without ending it.
pub struct Serving {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Serving {
    /// Starts a server on a free port, which its log tells.
    pub fn start(variables: &[(&str, &str)]) -> Serving {
        Serving::start_program(Path::new(PROGRAM), variables)
    }

    /// A server that limits nobody, with files of its own in a folder, and an administrator who has a key.
    pub fn with_admin(data: &Path, variables: &[(&str, &str)]) -> Serving {
        let usual = [
            ("MAINSTAY_DATA", data.to_str().unwrap()),
            ("ADMIN_EMAIL", "root@example.org"),
            ("ADMIN_PASSWORD", "first secret"),
            ("CREATE_ADMIN_API_KEY", "true"),
            ("BCRYPT_ROUNDS", "4"),
            ("RATE_LIMIT", "0"),
        ];
        Serving::start(&[&usual, variables].concat())
    }

    /// That administrator's client.
    pub fn admin(&self, data: &Path) -> Client {
        let key = std::fs::read_to_string(data.join("admin_api_key")).unwrap();
        Client::new(self.address()).with("X-API-Key", key.trim())
    }

    /// The same of another build.
    pub fn start_program(program: &Path, variables: &[(&str, &str)]) -> Serving {
        let variables = [&[("PORT", "0")], variables].concat();
        let mut child = command_of(program, &["serve"], &variables).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let written = log.clone();
        // Somebody must go on reading, or the server cannot go on logging.
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *written.lock().unwrap() += &format!("{line}\n");
            }
        });
        let mut serving = Serving { child, port: 0, log, reader: Some(reader) };
        serving.port = wait_for("the server listens", PATIENCE, || {
            let log = serving.log();
            assert!(serving.child.try_wait().unwrap().is_none(), "the server has ended: {log}");
            let (_, rest) = log.split_once("listening on http://127.0.0.1:")?;
            rest.split_once(' ').map(|(port, _)| port.parse().unwrap())
        });
        serving
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The status and the body of a reply.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    pub fn wait_until_ready(&self) {
        wait_for("the server is ready", PATIENCE, || (self.get("/ready").0 == 200).then_some(()));
    }

    /// Sends it a signal that does not end it.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it with a signal; its exit code, or -1 if it had none, and all that it has logged.
    pub fn end(mut self, signal: Signal) -> (i32, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        // An embedded PostgreSQL has a log of its own, so nobody holds this one open.
        self.reader.take().unwrap().join().unwrap();
        (status.code().unwrap_or(-1), self.log())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
