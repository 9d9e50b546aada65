//! A server with its embedded database at full load for a long time: does it grow, and what do faults do to it?
//!
//! `soak --mainstay PROGRAM [--seconds N] [--clients N] [--fault-every N] [--log FILE]`. Every ten seconds it prints requests a second and
//! what the server holds: memory, descriptors, threads. With `--fault-every` PostgreSQL is killed, stopped for a while and
//! restarted in turn, and the time from there to the next acknowledged write is printed. In the end everything that was
//! acknowledged is counted in the database. It fails if a row is missing or a status is none of 200, 201, 503, 504.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench::Result;
use bench::arguments::Arguments;
use mainstay::db::Binaries;

const SAMPLE: Duration = Duration::from_secs(10);
/// How long PostgreSQL stands still when it is stopped.
const PAUSE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);

/// What happened so far.
#[derive(Default)]
struct Score {
    statuses: Mutex<BTreeMap<u16, u64>>,
    created: AtomicU64,
    /// Connections that broke: none should, for the server is there all the time.
    broken: AtomicU64,
    is_over: AtomicBool,
}

/// The server, killed if this is dropped, and its database with it.
struct Served {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Served {
    fn start(program: &Path, log: &Path) -> Result<Served> {
        let folder = std::env::temp_dir().join(format!("mainstay-soak-{}", std::process::id()));
        Binaries::find()?.make_folder(&folder)?;
        let mut command = Command::new(program);
        command.arg("serve").env("MAINSTAY_DATA", &folder).env("PORT", "0").env("RATE_LIMIT", "0");
        command.env("LOG_ACCESS", "false").env("DB_QUERY_TIMEOUT", "2s").env("DB_ACQUIRE_TIMEOUT", "1s");
        command.env("ADMIN_EMAIL", "soak@example.org").env("ADMIN_PASSWORD", "a secret of the soak");
        let mut child = command.env("CREATE_ADMIN_API_KEY", "true").stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no log")?).lines().map_while(std::result::Result::ok);
        let line = lines.by_ref().find(|line| line.contains("listening on")).ok_or("mainstay does not listen")?;
        let port = line.split("http://127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next()).ok_or("no port")?;
        let served = Served { port: port.parse()?, child, folder };
        lines.by_ref().find(|line| line.ends_with(": ready")).ok_or("mainstay did not become ready")?;
        // Somebody must go on reading, or the server cannot go on logging.
        let mut log = fs::File::create(log)?;
        thread::spawn(move || lines.for_each(|line| drop(writeln!(log, "{line}"))));
        Ok(served)
    }

    /// Memory in MiB, its own and what is read of files (of the program, that is); descriptors, threads.
    fn holds(&self) -> Result<[f64; 4]> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status"))?;
        let memory = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name}"))?;
            Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        let count = |folder: &str| fs::read_dir(process.join(folder)).map(Iterator::count);
        Ok([memory("RssAnon:")?, memory("RssFile:")?, count("fd")? as f64, count("task")? as f64])
    }

    fn postgres(&self) -> Result<String> {
        let file = fs::read_to_string(self.folder.join("postgres/data/postmaster.pid"))?;
        Ok(file.lines().next().ok_or("an empty postmaster.pid")?.to_owned())
    }
}

/// A connection that is kept, and opened again when it breaks.
struct Caller<'a> {
    port: u16,
    key: &'a str,
    stream: Option<BufReader<TcpStream>>,
}

impl Caller<'_> {
    fn ask(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(("127.0.0.1", self.port))?),
        };
        stream.get_ref().set_read_timeout(Some(PATIENCE))?;
        let stream = self.stream.insert(stream);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        stream.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length) = (0, 0);
        for number in 0.. {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(": ") {
                _ if number == 0 => status = line.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0),
                Some(("Content-Length", value)) => length = value.parse().unwrap_or(0),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// One client: mostly reads, a list now and then, and a new row in each ten requests.
fn load(number: usize, mut caller: Caller<'_>, score: &Score) {
    let mut known = None;
    for count in 0_u64.. {
        if score.is_over.load(Ordering::Relaxed) {
            return;
        }
        let key = format!("soak-{number}-{count}");
        let result = match (count % 10, &known) {
            (0, _) => caller.ask("POST", "/api/settings", &format!(r#"{{"key":"{key}","value":{count}}}"#)),
            (5, _) | (_, None) => caller.ask("GET", "/api/settings?limit=20", ""),
            (_, Some(id)) => caller.ask("GET", &format!("/api/settings/{id}"), ""),
        };
        let Ok((status, body)) = result else {
            caller.stream = None;
            score.broken.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        if status == 201 {
            score.created.fetch_add(1, Ordering::Relaxed);
            known = body.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..36)).map(str::to_owned);
        }
        if let Ok(mut statuses) = score.statuses.lock() {
            *statuses.entry(status).or_default() += 1;
        }
    }
}

/// Does something to PostgreSQL, and answers what, and how long writes then stayed away.
fn disturb(served: &Served, key: &str, turn: u64) -> Result<(&'static str, Duration)> {
    let postgres = served.postgres()?;
    let signal = |signal: &str, process: &str| Command::new("kill").args([signal, process]).status();
    let what = match turn % 3 {
        0 => {
            signal("-KILL", &postgres)?;
            "killed"
        }
        1 => {
            let children = fs::read_to_string(format!("/proc/{postgres}/task/{postgres}/children"))?;
            let processes: Vec<&str> = children.split_whitespace().chain([postgres.as_str()]).collect();
            processes.iter().try_for_each(|process| signal("-STOP", process).map(drop))?;
            thread::sleep(PAUSE);
            processes.iter().try_for_each(|process| signal("-CONT", process).map(drop))?;
            "stopped for 3 s"
        }
        _ => {
            signal("-INT", &postgres)?;
            "restarted"
        }
    };
    let start = Instant::now();
    let mut caller = Caller { port: served.port, key, stream: None };
    for count in 0.. {
        let body = format!(r#"{{"key":"after-{turn}-{count}","value":1}}"#);
        match caller.ask("POST", "/api/settings", &body) {
            Ok((201, _)) => return Ok((what, start.elapsed())),
            _ if start.elapsed() > PATIENCE => break,
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
    Err(format!("{what}, and no write was acknowledged within {} s", PATIENCE.as_secs()).into())
}

fn main() -> Result<()> {
    let arguments = Arguments::read(&["--mainstay", "--seconds", "--clients", "--fault-every", "--log"])?;
    let program = arguments.text("--mainstay").ok_or("--mainstay says which program is measured")?;
    let time = Duration::from_secs(arguments.value("--seconds", 600)?);
    let fault_every: u64 = arguments.value("--fault-every", 0)?;
    let served = Served::start(Path::new(program), Path::new(arguments.text("--log").unwrap_or("/dev/null")))?;
    let key = fs::read_to_string(served.folder.join("admin_api_key"))?;
    let (key, score) = (key.trim(), Score::default());
    println!(
        "{:>8} {:>10} {:>9} {:>9} {:>12} {:>8}",
        "seconds", "requests/s", "own MiB", "file MiB", "descriptors", "threads"
    );
    let turns = thread::scope(|scope| {
        for number in 0..arguments.value("--clients", 64)? {
            let (score, caller) = (&score, Caller { port: served.port, key, stream: None });
            scope.spawn(move || load(number, caller, score));
        }
        let watched = watch(&served, key, &score, time, fault_every);
        score.is_over.store(true, Ordering::Relaxed);
        watched
    })?;
    let statuses = score.statuses.into_inner().map_err(|_| "a client panicked")?;
    let (created, broken) = (score.created.load(Ordering::Relaxed), score.broken.load(Ordering::Relaxed));
    let (_, page) =
        Caller { port: served.port, key, stream: None }.ask("GET", "/api/settings?limit=1&total=true", "")?;
    let total = page.split("\"total\":").nth(1).and_then(|rest| rest.split(['}', ',']).next());
    let total: u64 = total.ok_or_else(|| format!("no total: {page}"))?.trim().parse()?;
    println!(
        "statuses {statuses:?}, connections that broke {broken}, rows acknowledged {}, rows there {total}",
        created + turns
    );
    let is_told = |status: &u16| matches!(status, 200 | 201 | 503 | 504);
    match total >= created + turns && statuses.keys().all(is_told) && broken == 0 {
        true => Ok(()),
        false => Err("something was lost, or told wrongly".into()),
    }
}

/// Prints what the server holds until the time is over, disturbing it now and then; answers how often.
fn watch(served: &Served, key: &str, score: &Score, time: Duration, fault_every: u64) -> Result<u64> {
    let (start, mut turns, mut before) = (Instant::now(), 0, 0);
    while start.elapsed() < time {
        let round = Instant::now();
        if fault_every > 0 && start.elapsed().as_secs() / fault_every > turns {
            let (what, recovery) = disturb(served, key, turns)?;
            turns += 1;
            println!("PostgreSQL was {what}; writes went on after {:.2} s", recovery.as_secs_f64());
        }
        thread::sleep(SAMPLE.saturating_sub(round.elapsed()));
        let done: u64 = score.statuses.lock().map_err(|_| "a client panicked")?.values().sum();
        let rate = (done - before) as f64 / round.elapsed().as_secs_f64();
        before = done;
        let [own, files, descriptors, threads] = served.holds()?;
        let seconds = start.elapsed().as_secs();
        println!("{seconds:>8} {rate:>10.0} {own:>9.1} {files:>9.1} {descriptors:>12} {threads:>8}");
    }
    Ok(turns)
}
