//! One row by its key, through mainstay's pool and session, by the driver alone, and by pgbench, which is as thin as a
//! client gets.
//!
//! `bench-db [--rounds N] [--seconds N] [--rows N]`. Prints medians over the rounds, and ratios; never judges. Each of our
//! threads takes a session from the pool for each row, as a request does, and gives it back.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench::Result;
use bench::arguments::Arguments;
use bench::cluster::Cluster;
use bench::figures::{median, progress, ratio};
use mainstay::config::{Config, Variables};
use mainstay::db::{Database, Purpose, Statements, Which};
use mainstay::sql::Query;
use postgres::Row;

const DATABASE: &str = "bench_db";
const CLIENTS: [u32; 3] = [1, 4, 16];
const QUERY: Query = Query { name: "bench/select", text: "SELECT id, name, note FROM bench WHERE id = $1" };
/// The same for pgbench, which draws the key itself.
const SCRIPT: &str = "\\set key random(1, :rows)\nSELECT id, name, note FROM bench WHERE id = :key;\n";

fn prepare(cluster: &Cluster, rows: i64) -> Result<()> {
    cluster.create(DATABASE)?;
    fs::write(cluster.folder().join("script"), SCRIPT)?;
    let mut client = cluster.client(DATABASE)?;
    client.batch_execute(&format!(
        "CREATE TABLE bench (id bigint PRIMARY KEY, name text NOT NULL, note text NOT NULL);
         INSERT INTO bench SELECT id, 'name ' || id, repeat('x', 100) FROM generate_series(1, {rows}) AS id;"
    ))?;
    Ok(client.batch_execute("VACUUM ANALYZE bench")?)
}

/// Rows a second by as many threads as there are readers, each of which reads the row of a key.
fn rate(readers: Vec<impl FnMut(i64) -> Result<Row> + Send>, rows: i64, time: Duration) -> Result<f64> {
    let is_over = &AtomicBool::new(false);
    let run = |mut read: Box<dyn FnMut(i64) -> Result<Row> + Send + '_>, seed: u64| -> Result<u64> {
        let (mut chance, mut count) = (seed * 2 + 1, 0);
        while !is_over.load(Ordering::Relaxed) {
            // A linear congruential generator: what matters is only that the keys are all over the table.
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = 1 + ((chance >> 33) as i64) % rows;
            let row = read(key)?;
            let (id, _name, _note): (i64, &str, &str) = (row.get(0), row.get(1), row.get(2));
            if id != key {
                return Err(format!("asked for {key}, got {id}").into());
            }
            count += 1;
        }
        Ok(count)
    };
    thread::scope(|scope| {
        let start = Instant::now();
        let spawn = |(seed, read)| scope.spawn(move || run(Box::new(read), seed));
        let threads: Vec<_> = (0..).zip(readers).map(spawn).collect();
        thread::sleep(time);
        is_over.store(true, Ordering::Relaxed);
        let mut count = 0;
        for thread in threads {
            count += thread.join().map_err(|_| "a client panicked")??;
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    })
}

/// Through pool and session, as a request does it.
fn ours(database: &Database, clients: u32, rows: i64, time: Duration) -> Result<f64> {
    let purpose = Purpose { what: "benchmark", request: None };
    let reader = |_| move |key| Ok(database.session(Which::Primary, purpose)?.one(&QUERY, &[&key])?);
    rate((0..clients).map(reader).collect(), rows, time)
}

/// By the driver alone, on a connection for each thread: what pool and session add is the difference to this.
fn driver(cluster: &Cluster, clients: u32, rows: i64, time: Duration) -> Result<f64> {
    let reader = |_| {
        let mut client = cluster.client(DATABASE)?;
        let statement = client.prepare(QUERY.text)?;
        Ok(move |key: i64| Ok(client.query_one(&statement, &[&key])?))
    };
    rate((0..clients).map(reader).collect::<Result<Vec<_>>>()?, rows, time)
}

/// Transactions a second, as pgbench counts them.
fn pgbench(cluster: &Cluster, clients: u32, rows: i64, seconds: u32) -> Result<f64> {
    let program = cluster.program("pgbench");
    let mut command = Command::new(&program);
    command.args(["--no-vacuum", "--protocol=prepared", "--username=postgres"]);
    command.args([format!("--client={clients}"), format!("--jobs={clients}"), format!("--time={seconds}")]);
    command.arg(format!("--define=rows={rows}")).arg("--file").arg(cluster.folder().join("script"));
    command.arg("--host").arg(cluster.folder()).arg(DATABASE);
    let output = command.output().map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    let said = String::from_utf8_lossy(&output.stderr);
    rate.ok_or_else(|| format!("pgbench told no rate: {text}{said}").into())
}

fn main() -> Result<()> {
    let arguments = Arguments::read(&["--rounds", "--seconds", "--rows"])?;
    let (rounds, seconds) = (arguments.value("--rounds", 5)?, arguments.value("--seconds", 2)?);
    let rows: i64 = arguments.value("--rows", 100_000)?;
    let cluster = Cluster::start()?;
    prepare(&cluster, rows)?;
    let most = CLIENTS.iter().max().copied().unwrap_or_default().to_string();
    let variables = Variables::of([("DB_POOL_MIN", most.as_str()), ("DB_POOL_MAX", &most)]);
    let config = Config::from(&variables, |path| fs::read_to_string(path)).map_err(|problems| problems.to_string())?;
    let database = Database::open(&config, &cluster.address(DATABASE))?;
    println!(
        "one row of {rows} by its key on PostgreSQL {}, {rounds} alternating rounds of {seconds} s; medians in rows a second, so more is better\n",
        cluster.version()
    );
    println!("{:>7} {:>10} {:>10} {:>10}   mainstay is", "clients", "mainstay", "driver", "pgbench");
    // Connections are opened before they are counted on.
    ours(&database, CLIENTS[2], rows, Duration::from_millis(500))?;
    let time = Duration::from_secs(seconds.into());
    for clients in CLIENTS {
        let (mut us, mut alone, mut them) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=rounds {
            progress(&format!("{clients} clients, round {round} of {rounds}"));
            us.push(ours(&database, clients, rows, time)?);
            alone.push(driver(&cluster, clients, rows, time)?);
            them.push(pgbench(&cluster, clients, rows, seconds)?);
        }
        progress("");
        println!(
            "{clients:>7} {:>10.0} {:>10.0} {:>10.0}   {:.2} x the driver, {:.2} x pgbench",
            median(&us),
            median(&alone),
            median(&them),
            ratio(&us, &alone),
            ratio(&us, &them),
        );
    }
    Ok(())
}
