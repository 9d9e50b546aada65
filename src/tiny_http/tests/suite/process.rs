//! A server in a process of its own, so that its descriptors, threads and memory are its own too.
//!
//! The process is this test binary, started again for one test, which is a server if the environment says so.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tiny_http::{Limits, Request, Response, Server, StatusCode};

use crate::support::*;

const VARIABLE: &str = "TINY_HTTP_TEST_SERVER";
const GREETING: &str = "listening on ";

pub struct Process {
    child: Child,
    /// Open, because a test that cannot say that it takes long is ended.
    _output: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Process {
    /// A server of `threads` threads in a process that may have so many descriptors, or as many as this one.
    pub fn start(threads: usize, descriptors: Option<u64>) -> Process {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "process::a_server_when_the_environment_says_so", "--nocapture"])
            .env(VARIABLE, format!("{threads} {}", descriptors.unwrap_or(0)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines();
        let address = lines.find_map(|line| Some(line.unwrap().strip_prefix(GREETING)?.parse().unwrap()));
        Process { child, _output: output, address: address.expect("the server says where it listens") }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// A field of `Server::stats()`, asked for over a connection of its own.
    pub fn stat(&self, name: &str) -> u64 {
        stat(&mut self.client(), name)
    }

    /// A field of `/proc/<pid>/status`; sizes are in KiB.
    pub fn status(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        value.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A field of `Server::stats()`, asked for over this connection.
pub fn stat(client: &mut Client, name: &str) -> u64 {
    client.send("GET /stats HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = client.reply().text();
    let (_, value) = text.split_once(&format!(" {name}: ")).unwrap();
    value.split([',', ' ']).next().unwrap().parse().unwrap()
}

/// Allows this process as many descriptors as the system lets it have, and answers how many.
pub fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    limit.maximum.map_or(usize::MAX, |maximum| maximum as usize)
}

#[test]
fn a_server_when_the_environment_says_so() {
    let Ok(settings) = env::var(VARIABLE) else { return };
    let (threads, descriptors) = settings.split_once(' ').unwrap();
    if descriptors != "0" {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: descriptors.parse().ok(), ..limit }).unwrap();
    }
    let limits = Limits {
        connections: 20_000,
        head_time: Duration::from_secs(60),
        linger_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = Arc::new(server(limits));
    for _ in 0..threads.parse().unwrap() {
        let server = server.clone();
        thread::spawn(move || server.incoming_requests().for_each(|request| answer(request, &server)));
    }
    println!("\n{GREETING}{}", server.server_addr());
    // The end of the input is the end of whoever started this process.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

fn answer(request: Request, server: &Server) {
    let target = request.url().to_owned();
    let number = |text: &str| text.parse().unwrap_or(0);
    let _ = match target.trim_start_matches('/').split_once('/') {
        _ if target == "/stats" => request.respond(Response::from_string(format!("{:?}", server.stats()))),
        Some(("sleep", time)) => {
            thread::sleep(Duration::from_millis(number(time)));
            request.respond(Response::from_string(target))
        }
        Some(("big", size)) => request.respond(Response::from_data(vec![b'x'; number(size) as usize])),
        Some(("stream", size)) => {
            let body = io::repeat(b'x').take(number(size));
            request.respond(Response::new(StatusCode(200), Vec::new(), body, None, None))
        }
        _ => {
            respond_with_echo(request);
            Ok(())
        }
    };
}
