//! Many small migrations by mainstay, sqlx-cli, dbmate and psql, and what each takes when there is nothing to do.
//!
//! `bench-migrate --mainstay PROGRAM --tools FOLDER [--rounds N] [--migrations N]`. FOLDER is where `make bench-migrate` has
//! installed the others; who is not there is not measured. Prints medians over the rounds, and ratios; never judges.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bench::Result;
use bench::arguments::Arguments;
use bench::cluster::Cluster;
use bench::figures::{median, progress, ratio};

const DATABASE: &str = "bench_migrate";
/// How often each is run when nothing is to be done, in each round.
const IDLE_RUNS: usize = 5;

/// Who migrates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Contender {
    Mainstay,
    Sqlx,
    Dbmate,
    /// The plain files, one after the other in one session: no history, no checks, nothing to make anything safe.
    Psql,
}

use Contender::{Dbmate, Mainstay, Psql, Sqlx};

const CONTENDERS: [Contender; 4] = [Mainstay, Sqlx, Dbmate, Psql];

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Mainstay => "mainstay",
            Sqlx => "sqlx-cli",
            Dbmate => "dbmate",
            Psql => "psql -f",
        }
    }

    /// Its program, if that is here.
    fn program(self, arguments: &Arguments, cluster: &Cluster) -> Option<PathBuf> {
        let tools = Path::new(arguments.text("--tools").unwrap_or("."));
        let program = match self {
            Mainstay => arguments.text("--mainstay")?.into(),
            Sqlx => tools.join("bin/sqlx"),
            // npm's own `dbmate` starts a node first, which would be held against it.
            Dbmate => {
                let packages = fs::read_dir(tools.join("node_modules/@dbmate")).ok()?.flatten();
                packages.map(|package| package.path().join("bin/dbmate")).find(|program| program.exists())?
            }
            Psql => cluster.program("psql"),
        };
        fs::canonicalize(program).ok()
    }

    /// The files of migration `number`, as this one likes them.
    fn files(self, number: usize) -> Vec<(String, String)> {
        let up = format!(
            "CREATE TABLE table_{number} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);\n"
        );
        let down = format!("DROP TABLE table_{number};\n");
        let header = format!(
            "-- Migration: Table {number}\n-- Version: {number:04}\n-- Description: Table {number}\n\
             -- Created: 2024-01-01T00:00:00Z\n\n"
        );
        let name = format!("{number:04}_table_{number}");
        match self {
            Mainstay => vec![(format!("{name}.sql"), header + &up), (format!("{number:04}_rollback.sql"), down)],
            Sqlx => vec![(format!("{name}.up.sql"), up), (format!("{name}.down.sql"), down)],
            Dbmate => vec![(format!("{name}.sql"), format!("-- migrate:up\n{up}\n-- migrate:down\n{down}"))],
            Psql => vec![(format!("{name}.sql"), header + &up)],
        }
    }

    fn command(self, program: &Path, folder: &Path, cluster: &Cluster) -> Result<Command> {
        let socket = cluster.folder().display();
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        match self {
            Mainstay => {
                command.arg("migrate").env("DATABASE_URL", cluster.pairs(DATABASE)).env("DB_MIGRATE_PATH", folder);
            }
            Sqlx => {
                let url = format!("postgres://postgres@localhost/{DATABASE}?host={socket}");
                command.args(["migrate", "run", "--no-dotenv", "--database-url", &url, "--source"]).arg(folder);
            }
            Dbmate => {
                let url = format!("postgres://postgres@/{DATABASE}?socket={socket}");
                command.args(["--no-dump-schema", "--url", &url, "--migrations-dir"]).arg(folder).arg("migrate");
            }
            Psql => {
                command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &cluster.pairs(DATABASE)]);
                let mut files: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
                files.sort();
                for file in files {
                    command.arg("-f").arg(file);
                }
            }
        }
        Ok(command)
    }
}

/// A contender that is here, with its files.
struct Ready {
    contender: Contender,
    program: PathBuf,
    folder: PathBuf,
}

impl Ready {
    /// Runs it to the end, and tells the milliseconds.
    fn run(&self, cluster: &Cluster) -> Result<f64> {
        let mut command = self.contender.command(&self.program, &self.folder, cluster)?;
        let start = Instant::now();
        let output = command.output()?;
        let took = start.elapsed().as_secs_f64() * 1e3;
        match output.status.success() {
            true => Ok(took),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("{}: {}: {said}", self.contender.name(), output.status).into())
            }
        }
    }

    /// Makes sure that it has done the work that it was timed for.
    fn check(&self, cluster: &Cluster, migrations: usize) -> Result<()> {
        let query = "SELECT count(*) FROM pg_class WHERE relname ~ '^table_[0-9]+$'";
        let made: i64 = cluster.client(DATABASE)?.query_one(query, &[])?.get(0);
        match made as usize == migrations {
            true => Ok(()),
            false => Err(format!("{} made {made} tables instead of {migrations}", self.contender.name()).into()),
        }
    }
}

fn prepare(cluster: &Cluster, arguments: &Arguments, migrations: usize) -> Result<Vec<Ready>> {
    let mut ready = Vec::new();
    for contender in CONTENDERS {
        let Some(program) = contender.program(arguments, cluster) else {
            println!("{} is not here, and is not measured", contender.name());
            continue;
        };
        let folder = cluster.make_folder(&format!("files-{}", contender as u8))?;
        for (name, text) in (1..=migrations).flat_map(|number| contender.files(number)) {
            fs::write(folder.join(name), text)?;
        }
        ready.push(Ready { contender, program, folder });
    }
    Ok(ready)
}

/// The milliseconds of each round.
type Times = BTreeMap<Contender, Vec<f64>>;

fn print(title: &str, times: &Times) {
    println!("\n{title:<28} {:>10} {:>10} {:>12}", "median ms", "best ms", "mainstay is");
    for (contender, figures) in times {
        let best = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let ratio = times.get(&Mainstay).map_or(f64::NAN, |ours| ratio(ours, figures));
        println!("  {:<26} {:>10.1} {best:>10.1} {ratio:>10.2} x", contender.name(), median(figures));
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read(&["--mainstay", "--tools", "--rounds", "--migrations"])?;
    let (rounds, migrations) = (arguments.value("--rounds", 5)?, arguments.value("--migrations", 1000)?);
    let cluster = Cluster::start()?;
    println!(
        "{migrations} migrations on PostgreSQL {}, {rounds} alternating rounds; times, so less is better",
        cluster.version()
    );
    let contenders = prepare(&cluster, &arguments, migrations)?;
    let (mut all, mut nothing) = (Times::new(), Times::new());
    for round in 1..=rounds {
        for ready in &contenders {
            progress(&format!("round {round} of {rounds}: {}", ready.contender.name()));
            cluster.create(DATABASE)?;
            all.entry(ready.contender).or_default().push(ready.run(&cluster)?);
            ready.check(&cluster, migrations)?;
            if ready.contender != Psql {
                let runs = (0..IDLE_RUNS).map(|_| ready.run(&cluster)).collect::<Result<Vec<f64>>>()?;
                nothing.entry(ready.contender).or_default().push(median(&runs));
            }
        }
    }
    progress("");
    print("all of them", &all);
    print("nothing to do", &nothing);
    Ok(())
}
