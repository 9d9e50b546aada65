//! A server that is measured: started, and killed when it is dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Result;
use crate::cluster::Cluster;

pub struct Served {
    child: Child,
    pub port: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// mainstay on a database of a cluster, ready, with neither limits nor lines for each request.
    pub fn mainstay(program: &Path, cluster: &Cluster, database: &str, settings: &[(&str, &str)]) -> Result<Served> {
        let mut command = Command::new(program);
        command.arg("serve").env("DATABASE_URL", cluster.pairs(database)).env("PORT", "0").env("RATE_LIMIT", "0");
        command.env("LOG_ACCESS", "false").env("MAINSTAY_DATA", cluster.folder().join("own"));
        let mut child = command.envs(settings.iter().copied()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no log")?).lines().map_while(std::result::Result::ok);
        let mut served = Served { child, port: 0 };
        for line in lines.by_ref() {
            if let Some((_, rest)) = line.split_once("listening on http://127.0.0.1:") {
                served.port = rest.split(' ').next().unwrap_or_default().parse()?;
            }
            if line.ends_with(": ready") {
                // Somebody must go on reading, or the server cannot go on logging.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(served);
            }
        }
        Err("mainstay ended before it was ready".into())
    }

    /// A program that prints its port.
    pub fn other(command: &mut Command) -> Result<Served> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Served { port: line.trim().parse()?, child })
    }

    /// Requests a second, by wrk.
    pub fn rate(&self, script: &Path, connections: u32, seconds: u32) -> Result<f64> {
        let threads = connections.min(2);
        let output = Command::new("wrk")
            .args([format!("-t{threads}"), format!("-c{connections}"), format!("-d{seconds}s")])
            .arg("-s")
            .arg(script)
            .arg(format!("http://127.0.0.1:{}", self.port))
            .output()
            .map_err(|error| format!("wrk: {error}; `make setup` installs it"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if let Some(line) = text.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors")) {
            return Err(format!("{}: {line}", script.display()).into());
        }
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        rate.and_then(|rate| rate.trim().parse().ok()).ok_or_else(|| format!("wrk told no rate: {text}").into())
    }

    /// Memory that it has, in MiB.
    pub fn memory(&self) -> Result<f64> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }
}
