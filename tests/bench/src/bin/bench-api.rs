//! Requests through the whole API: a row by its id, a list of 20, a new row; against the same statements in pgbench, and
//! against axum with deadpool-postgres doing the same work. For the row by its id there is the floor, too: the least that
//! blocking threads with r2d2 and postgres have to do.
//!
//! Mainstay answers reads that come together by one statement; the others run one statement for each read.
//!
//! `bench-api --mainstay PROGRAM [--rounds N] [--seconds N] [--work NAME] [--connections N]`. Prints medians over the rounds,
//! ratios, and the memory of the server; never judges. Needs wrk and pgbench.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench::arguments::Arguments;
use bench::cluster::Cluster;
use bench::figures::{median, progress, ratio};
use bench::served::Served;
use bench::{Result, statements};

const DATABASE: &str = "bench_api";
const ROWS: u32 = 10_000;
const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Connections to the database, of everybody who has a pool.
const POOL: &str = "16";
const SETTINGS: [(&str, &str); 3] =
    [("DB_POOL_MAX", POOL), ("DB_POOL_READONLY_MAX", POOL), ("ACCESS_LOG_TABLE", "false")];

/// What is asked for.
struct Work {
    name: &'static str,
    /// For wrk: what a request is. `key`, `ids` and `path` are known to it.
    lua: &'static str,
    /// For pgbench.
    script: String,
}

fn works(user: &str) -> Vec<Work> {
    let create = statements::create();
    // What mainstay sends as parameters, made where pgbench can make it.
    let create = create.replace("$1", "'{\"request_id\": \"bench\"}'::jsonb").replace(
        "$2",
        "jsonb_build_object('name', 'A team', 'slug', md5(:client_id || '-' || :number || random()), 'metadata', '{}'::jsonb, 'created_by', '{user}')",
    );
    let create = create.replace("{user}", user);
    let id = "md5(:number::text)::uuid";
    let with_number = |text: &str| format!("\\set number random(1, {ROWS})\n{};\n", plain(text));
    vec![
        Work {
            name: "read",
            lua: "function request() return wrk.format('GET', '/api/teams/' .. ids[math.random(#ids)]) end",
            script: with_number(&statements::read(id)),
        },
        Work {
            name: "list",
            lua: "local fixed = nil\nfunction request() fixed = fixed or wrk.format('GET', '/api/teams?limit=20') return fixed end",
            script: format!("{};\n", plain(&statements::list())),
        },
        Work {
            name: "create",
            lua: "local count = 0\nwrk.headers['Content-Type'] = 'application/json'\nfunction request() count = count + 1\n\
                  return wrk.format('POST', '/api/teams', nil, '{\"name\":\"A team\",\"slug\":\"' .. run .. '-' .. count .. '\"}') end",
            script: with_number(&create),
        },
    ]
}

/// A statement without comments and line ends: pgbench takes each line for itself otherwise.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn axum(cluster: &Cluster, key: &str, user: &str) -> Result<Served> {
    let program = std::env::current_exe()?.with_file_name("axum-api");
    Served::other(Command::new(program).arg(POOL).arg(cluster.folder()).arg(DATABASE).arg(key).arg(user))
}

/// What does nothing but the read, in the frame that mainstay has.
fn floor(cluster: &Cluster) -> Result<Served> {
    let program = std::env::current_exe()?.with_file_name("floor-api");
    Served::other(Command::new(program).arg(POOL).arg(cluster.folder()).arg(DATABASE))
}

fn pgbench(cluster: &Cluster, script: &Path, clients: u32, seconds: u32) -> Result<f64> {
    let mut command = Command::new(cluster.program("pgbench"));
    command.args(["--no-vacuum", "--protocol=prepared", "--username=postgres"]);
    command.args([format!("--client={clients}"), format!("--jobs={}", clients.min(2)), format!("--time={seconds}")]);
    let output = command.arg("--file").arg(script).arg("--host").arg(cluster.folder()).arg(DATABASE).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench told no rate: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Fills the table, and makes an administrator with a key.
fn prepare(cluster: &Cluster) -> Result<(String, String)> {
    let mut client = cluster.client(DATABASE)?;
    client.batch_execute(&format!(
        "INSERT INTO identity.users (email, role, status) VALUES ('bench@example.org', 'ADMIN', 'ACTIVE');
         INSERT INTO identity.teams (id, name, slug, metadata)
         SELECT md5(n::text)::uuid, 'Team ' || n, 'team-' || n, '{{\"cost_centre\": 4711}}'
         FROM generate_series(1, {ROWS}) AS n;"
    ))?;
    client.batch_execute("VACUUM ANALYZE identity.teams")?;
    let key = "SELECT identity.generate_api_key('bench', email, '[\"admin\"]') ->> 'api_key' FROM identity.users";
    let key: String = client.query_one(key, &[])?.get(0);
    let ids = client.query("SELECT id::text FROM identity.teams ORDER BY random() LIMIT 2000", &[])?;
    let ids: Vec<String> = ids.iter().map(|row| row.get(0)).collect();
    fs::write(cluster.folder().join("ids"), ids.join("\n"))?;
    let user: String = client.query_one("SELECT id::text FROM identity.users", &[])?.get(0);
    Ok((key, user))
}

/// What wrk runs: every run makes rows of its own, in every thread.
fn lua(cluster: &Cluster, key: &str, work: &Work) -> Result<PathBuf> {
    let path = cluster.folder().join(format!("{}.lua", work.name));
    let ids = cluster.folder().join("ids");
    let text = format!(
        "wrk.headers['X-API-Key'] = '{key}'\n\
         ids = {{}}\n\
         for line in io.lines('{}') do ids[#ids + 1] = line end\n\
         local random = io.open('/dev/urandom', 'rb')\n\
         run = ''\n\
         for byte in random:read(8):gmatch('.') do run = run .. string.format('%02x', byte:byte()) end\n\
         math.randomseed(os.time())\n\
         {}\n",
        ids.display(),
        work.lua
    );
    fs::write(&path, text)?;
    Ok(path)
}

fn main() -> Result<()> {
    let arguments = Arguments::read(&["--mainstay", "--rounds", "--seconds", "--work", "--connections"])?;
    let program = PathBuf::from(arguments.text("--mainstay").ok_or("--mainstay names the program")?);
    let (rounds, seconds) = (arguments.value("--rounds", 5)?, arguments.value("--seconds", 2)?);
    let (only, single) = (arguments.text("--work"), arguments.value("--connections", 0)?);
    let cluster = Cluster::start()?;
    cluster.create(DATABASE)?;
    let migrated = Command::new(&program).arg("migrate").env("DATABASE_URL", cluster.pairs(DATABASE)).output()?;
    if !migrated.status.success() {
        return Err(String::from_utf8_lossy(&migrated.stderr).into());
    }
    let (key, user) = prepare(&cluster)?;
    let ours = Served::mainstay(&program, &cluster, DATABASE, &SETTINGS)?;
    let theirs = axum(&cluster, &key, &user)?;
    let least = floor(&cluster)?;
    println!(
        "requests a second on PostgreSQL {}, {rounds} alternating rounds of {seconds} s, medians\n",
        cluster.version()
    );
    println!(
        "{:<8} {:>6} {:>10} {:>10} {:>10} {:>10}   mainstay is",
        "work", "conns", "mainstay", "axum", "floor", "pgbench"
    );
    for work in works(&user).into_iter().filter(|work| only.is_none_or(|only| only == work.name)) {
        let script = lua(&cluster, &key, &work)?;
        let statement = cluster.folder().join(format!("{}.sql", work.name));
        fs::write(&statement, &work.script)?;
        for connections in CONNECTIONS.into_iter().filter(|connections| single == 0 || single == *connections) {
            let (mut us, mut them, mut lowest, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for round in 1..=rounds {
                progress(&format!("{}, {connections} connections, round {round} of {rounds}", work.name));
                us.push(ours.rate(&script, connections, seconds)?);
                them.push(theirs.rate(&script, connections, seconds)?);
                if work.name == "read" {
                    lowest.push(least.rate(&script, connections, seconds)?);
                }
                bare.push(pgbench(&cluster, &statement, connections.min(POOL.parse()?), seconds)?);
            }
            progress("");
            println!(
                "{:<8} {connections:>6} {:>10.0} {:>10.0} {:>10} {:>10.0}   {:.2} x axum, {:.2} x pgbench{}",
                work.name,
                median(&us),
                median(&them),
                if lowest.is_empty() { "-".to_owned() } else { format!("{:.0}", median(&lowest)) },
                median(&bare),
                ratio(&us, &them),
                ratio(&us, &bare),
                if lowest.is_empty() { String::new() } else { format!(", {:.2} x floor", ratio(&us, &lowest)) },
            );
        }
    }
    println!("\nmemory after it all: mainstay {:.1} MiB, axum {:.1} MiB", ours.memory()?, theirs.memory()?);
    Ok(())
}
