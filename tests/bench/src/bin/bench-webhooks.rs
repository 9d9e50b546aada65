//! Webhooks: what an event costs the write that it is about, against the same write without webhooks; and deliveries a
//! second to receivers on this machine.
//!
//! `bench-webhooks --mainstay PROGRAM [--rounds N] [--writes N] [--events N]`. Prints medians over the rounds and ratios;
//! never judges.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench::arguments::Arguments;
use bench::cluster::Cluster;
use bench::figures::{median, progress, ratio};
use bench::served::Served;
use bench::{Result, statements};
use postgres::Client;

const DATABASE: &str = "bench_webhooks";
/// How many receivers there are at the same time, and how many deliveries each gets at once.
const RECEIVERS: [usize; 3] = [1, 4, 16];
const SETTINGS: [(&str, &str); 3] =
    [("WEBHOOK_ALLOW_HTTP", "true"), ("WEBHOOK_ALLOW_PRIVATE", "127.0.0.1"), ("WEBHOOK_IN_FLIGHT_EACH", "4")];
const DELIVERY_MAX: Duration = Duration::from_secs(600);

/// What is there when a write is made.
struct State {
    name: &'static str,
    /// Brings it about.
    sql: &'static str,
}

/// The first is what the others are compared with.
const STATES: [State; 4] = [
    State {
        name: "without the outbox's trigger",
        sql: "DELETE FROM gateway.webhooks; ALTER TABLE telemetry.audit_logs DISABLE TRIGGER record_events",
    },
    State {
        name: "no webhook",
        sql: "DELETE FROM gateway.webhooks; ALTER TABLE telemetry.audit_logs ENABLE TRIGGER record_events",
    },
    State {
        name: "a webhook for something else",
        sql: "DELETE FROM gateway.webhooks; ALTER TABLE telemetry.audit_logs ENABLE TRIGGER record_events;
              INSERT INTO gateway.webhooks (name, url, events, secret, secret_key_id)
              VALUES ('else', 'https://example.org', '{orders.*}', repeat('0', 24) || ':' || repeat('0', 32) || ':00', 'none')",
    },
    State {
        name: "a webhook for this",
        sql: "DELETE FROM gateway.webhooks; ALTER TABLE telemetry.audit_logs ENABLE TRIGGER record_events;
              INSERT INTO gateway.webhooks (name, url, events, secret, secret_key_id)
              VALUES ('this', 'https://example.org', '{teams.*}', repeat('0', 24) || ':' || repeat('0', 32) || ':00', 'none')",
    },
];

/// Milliseconds of a write, on average.
fn write(client: &mut Client, writes: u32) -> Result<f64> {
    let statement = client.prepare(&statements::create())?;
    let actor = serde_json::json!({ "request_id": "bench" });
    let start = Instant::now();
    for _ in 0..writes {
        let slug = uuid::Uuid::now_v7().to_string();
        let team = serde_json::json!({ "name": "A team", "slug": slug, "metadata": {} });
        client.query(&statement, &[&actor, &team])?;
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0 / f64::from(writes))
}

fn measure_writes(cluster: &Cluster, rounds: usize, writes: u32) -> Result<()> {
    let mut client = cluster.client(DATABASE)?;
    let mut took: [Vec<f64>; STATES.len()] = Default::default();
    for round in 0..=rounds {
        for (state, took) in STATES.iter().zip(&mut took) {
            progress(&format!("writes, {}, round {round} of {rounds}", state.name));
            client.batch_execute(state.sql)?;
            let time = write(&mut client, writes)?;
            // The first round warms up.
            if round > 0 {
                took.push(time);
            }
        }
    }
    progress("");
    println!("{:<30} {:>10}   than {}", "a write with", "ms", STATES[0].name);
    for (state, took_here) in STATES.iter().zip(&took) {
        println!("{:<30} {:>10.3}   {:.2} x as long", state.name, median(took_here), ratio(took_here, &took[0]));
    }
    client.batch_execute("DELETE FROM gateway.webhooks; TRUNCATE gateway.webhook_events")?;
    Ok(())
}

/// A server that receives and says yes, and how often it has.
fn receive() -> Result<(SocketAddr, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let count = Arc::new(AtomicU64::new(0));
    let counting = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = counting.clone();
            thread::spawn(move || {
                while let Some(()) = answer(&stream) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    Ok((address, count))
}

/// Reads a request to its end, and answers it.
fn answer(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut writer = stream;
    writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()
}

/// What happens, all at once: each event goes to every receiver.
const HAPPEN: &str = "
    WITH events AS (
        INSERT INTO gateway.webhook_events (type, source, payload, deliveries, unfinished, status)
        SELECT 'bench.happened', 'bench', jsonb_build_object('number', n, 'text', repeat('x', 500)), $2::bigint, $2, 'PENDING'
        FROM generate_series(1, $1::bigint) AS n
        RETURNING id, created_at, type
    )
    INSERT INTO gateway.webhook_deliveries (event_id, event_created_at, event_type, webhook_id)
    SELECT events.id, events.created_at, events.type, w.id FROM events, gateway.webhooks AS w";

/// Makes a webhook, through the API, so that its secret is sealed.
fn make_webhook(served: &Served, key: &str, name: usize, to: SocketAddr) -> Result<()> {
    let body = format!(r#"{{"name":"receiver {name}","url":"http://{to}/","events":["bench.*"]}}"#);
    let address = ("127.0.0.1", served.port);
    let until = Instant::now() + DELIVERY_MAX;
    loop {
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "POST /api/webhooks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        match reply.get(9..12) {
            Some("201") => return Ok(()),
            // Not ready yet.
            Some("503") if Instant::now() < until => thread::sleep(Duration::from_millis(100)),
            _ => return Err(reply.into()),
        }
    }
}

/// Deliveries a second.
fn deliver(client: &mut Client, served: &Served, key: &str, receivers: usize, deliveries: u64) -> Result<f64> {
    client
        .batch_execute("DELETE FROM gateway.webhooks; TRUNCATE gateway.webhook_deliveries, gateway.webhook_events")?;
    let mut counts = Vec::new();
    for name in 0..receivers {
        let (address, count) = receive()?;
        make_webhook(served, key, name, address)?;
        counts.push(count);
    }
    let events = deliveries / receivers as u64;
    client.execute(HAPPEN, &[&(events as i64), &(receivers as i64)])?;
    let start = Instant::now();
    client.batch_execute("NOTIFY mainstay_deliveries")?;
    let left = "SELECT count(*) FROM gateway.webhook_events WHERE unfinished > 0";
    while client.query_one(left, &[])?.get::<_, i64>(0) > 0 {
        if start.elapsed() > DELIVERY_MAX {
            return Err("not everything was delivered".into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    let took = start.elapsed().as_secs_f64();
    let arrived: u64 = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    if arrived != events * receivers as u64 {
        return Err(format!("{arrived} deliveries arrived").into());
    }
    Ok(arrived as f64 / took)
}

fn main() -> Result<()> {
    let arguments = Arguments::read(&["--mainstay", "--rounds", "--writes", "--events"])?;
    let program = PathBuf::from(arguments.text("--mainstay").ok_or("--mainstay names the program")?);
    let (rounds, writes) = (arguments.value("--rounds", 5)?, arguments.value("--writes", 2000)?);
    let deliveries = arguments.value("--events", 16_000)?;
    let cluster = Cluster::start()?;
    cluster.create(DATABASE)?;
    let migrated = Command::new(&program).arg("migrate").env("DATABASE_URL", cluster.pairs(DATABASE)).output()?;
    if !migrated.status.success() {
        return Err(String::from_utf8_lossy(&migrated.stderr).into());
    }
    let mut client = cluster.client(DATABASE)?;
    client.batch_execute(
        "INSERT INTO identity.users (email, role, status) VALUES ('bench@example.org', 'ADMIN', 'ACTIVE')",
    )?;
    let key = "SELECT identity.generate_api_key('bench', email, '[\"admin\"]') ->> 'api_key' FROM identity.users";
    let key: String = client.query_one(key, &[])?.get(0);
    println!("PostgreSQL {}, {rounds} rounds, medians\n", cluster.version());
    measure_writes(&cluster, rounds, writes)?;
    let served = Served::mainstay(&program, &cluster, DATABASE, &SETTINGS)?;
    println!("\n{:<30} {:>10}", "receivers, 4 at once each", "deliveries a second");
    for receivers in RECEIVERS {
        let mut rates = Vec::new();
        for round in 1..=rounds {
            progress(&format!("deliveries to {receivers} receivers, round {round} of {rounds}"));
            rates.push(deliver(&mut client, &served, &key, receivers, deliveries)?);
        }
        progress("");
        println!("{receivers:<30} {:>10.0}", median(&rates));
    }
    Ok(())
}
