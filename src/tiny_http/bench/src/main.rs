//! Hello world on this crate, on the published tiny_http and on axum, in alternating rounds of one run.
//!
//! `bench-http [--rounds N] [--seconds N]`. Prints medians over the rounds, and ratios; never judges.
//! Needs `wrk`, and `strace` for the system calls. What a ratio means on a machine that others use too: the rounds of all
//! servers alternate, so a slow minute hits them all.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CONNECTIONS: [u32; 3] = [1, 64, 1024];

/// A server to measure: a binary beside this one, and how many threads it gets.
struct Contender {
    name: &'static str,
    binary: &'static str,
    threads: &'static [&'static str],
    at: &'static [u32],
}

const OURS: &str = "tiny_http, 4 threads";
const CONTENDERS: [Contender; 5] = [
    Contender { name: OURS, binary: "ours", threads: &["4"], at: &CONNECTIONS },
    Contender { name: "axum 0.8", binary: "axum", threads: &[], at: &CONNECTIONS },
    Contender { name: "tiny_http 0.12.0, 4 threads", binary: "published", threads: &["4"], at: &CONNECTIONS },
    Contender { name: "tiny_http, 2 threads", binary: "ours", threads: &["2"], at: &[64] },
    Contender { name: "tiny_http, 32 threads", binary: "ours", threads: &["32"], at: &[64] },
];

/// A server that is running, until it is dropped.
struct Running {
    process: Child,
    address: SocketAddr,
}

impl Running {
    fn start(contender: &Contender) -> Result<Running> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(beside_us(contender.binary)?)
            .arg(address.to_string())
            .args(contender.threads)
            .stdin(Stdio::null())
            .spawn()?;
        let running = Running { process, address };
        let until = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err(format!("{} does not listen", contender.name).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }

    /// Processor time that the server has used.
    fn processor_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What one round of `wrk` said.
#[derive(Clone, Copy)]
struct Round {
    per_second: f64,
    p50: f64,
    p99: f64,
    processor_us: f64,
}

fn measure(contender: &Contender, connections: u32, seconds: u32) -> Result<Round> {
    let running = Running::start(contender)?;
    let before = running.processor_time()?;
    let output = Command::new("wrk")
        .args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{seconds}s")])
        .arg(format!("http://{}/", running.address))
        .output()
        .map_err(|error| format!("wrk: {error} (Debian's package is called wrk)"))?;
    let used = running.processor_time()? - before;
    let text = String::from_utf8(output.stdout)?;
    // At the start of a line: a deviation may well be 93.50%.
    let word_after = |label: &str| {
        let rest = text.lines().find_map(|line| line.trim_start().strip_prefix(label)).unwrap_or_default();
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    };
    let requests: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .and_then(|(count, _)| count.parse().ok())
        .ok_or_else(|| format!("wrk said nothing to be used: {text}"))?;
    if let Some(errors) = text.lines().find(|line| line.contains("Socket errors") || line.contains("Non-2xx")) {
        println!("  {}, {connections} connections: {}", contender.name, errors.trim());
    }
    Ok(Round {
        per_second: word_after("Requests/sec:").parse()?,
        p50: microseconds(&word_after("50%"))?,
        p99: microseconds(&word_after("99%"))?,
        processor_us: used.as_secs_f64() * 1e6 / requests.max(1.0),
    })
}

/// A time as `wrk` writes it.
fn microseconds(text: &str) -> Result<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match &text[digits.len()..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        unit => return Err(format!("{text}: unknown unit {unit:?}").into()),
    };
    Ok(digits.parse::<f64>()? * unit)
}

/// System calls for each request at 64 connections, counted by `strace`.
fn system_calls(contender: &Contender) -> Result<String> {
    let running = Running::start(contender)?;
    let report = env::temp_dir().join(format!("bench-http-{}.strace", running.process.id()));
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(&report)
        .args(["-p", &running.process.id().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("strace: {error}"))?;
    thread::sleep(Duration::from_millis(500));
    let output = Command::new("wrk").args(["-t1", "-c64", "-d2s", &format!("http://{}/", running.address)]).output()?;
    drop(running);
    strace.wait()?;
    let text = String::from_utf8(output.stdout)?;
    let requests: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())
        .ok_or("wrk counted no requests")?;
    let mut calls: Vec<(f64, String)> = fs::read_to_string(&report)?
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = *words.last()?;
            Some((words.get(3)?.parse::<f64>().ok()? / requests, name.to_owned()))
        })
        .filter(|(count, name)| *count >= 0.01 && name != "total")
        .collect();
    let _ = fs::remove_file(&report);
    calls.sort_by(|a, b| b.0.total_cmp(&a.0));
    let total: f64 = calls.iter().map(|(count, _)| count).sum();
    let list: Vec<String> = calls.iter().map(|(count, name)| format!("{name} {count:.2}")).collect();
    Ok(format!("{total:.2} ({})", list.join(", ")))
}

fn beside_us(name: &str) -> Result<PathBuf> {
    Ok(env::current_exe()?.parent().unwrap_or(Path::new(".")).join(name))
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 }
}

fn option(name: &str, default: u32) -> Result<u32> {
    let args: Vec<String> = env::args().collect();
    match args.iter().position(|arg| arg == name) {
        Some(position) => Ok(args.get(position + 1).ok_or(format!("{name} needs a number"))?.parse()?),
        None => Ok(default),
    }
}

fn main() -> Result<()> {
    if env::args().any(|arg| arg == "--help") {
        println!("usage: bench-http [--rounds N] [--seconds N]");
        return Ok(());
    }
    let (rounds, seconds) = (option("--rounds", 5)?, option("--seconds", 2)?);
    println!("hello world, wrk -t1, {rounds} rounds of {seconds} s for each, alternating; medians\n");
    for connections in CONNECTIONS {
        let contenders: Vec<&Contender> = CONTENDERS.iter().filter(|one| one.at.contains(&connections)).collect();
        let mut results: BTreeMap<&str, Vec<Round>> = BTreeMap::new();
        for round in 0..rounds {
            eprint!("\r{connections} connections, round {} of {rounds} ", round + 1);
            for contender in &contenders {
                results.entry(contender.name).or_default().push(measure(contender, connections, seconds)?);
            }
        }
        eprint!("\r{:40}\r", "");
        println!(
            "{connections:>5} connections              requests/s   50 % (us)   99 % (us)   processor (us)   {OURS} is"
        );
        for contender in &contenders {
            let mine = &results[contender.name];
            // Ratios are taken round by round, so that a slow minute does not speak for or against anybody.
            let mut ratios: Vec<f64> =
                results[OURS].iter().zip(mine).map(|(a, b)| a.per_second / b.per_second).collect();
            ratios.sort_by(f64::total_cmp);
            println!(
                "  {:<30} {:>10.0} {:>11.0} {:>11.0} {:>16.1}   {:.2} x",
                contender.name,
                median(mine, |round| round.per_second),
                median(mine, |round| round.p50),
                median(mine, |round| round.p99),
                median(mine, |round| round.processor_us),
                ratios[ratios.len() / 2],
            );
        }
        println!();
    }
    println!("system calls for each request, 64 connections");
    for contender in &CONTENDERS[..3] {
        match system_calls(contender) {
            Ok(line) => println!("  {:<30} {line}", contender.name),
            Err(error) => println!("  {:<30} not counted: {error}", contender.name),
        }
    }
    Ok(())
}
