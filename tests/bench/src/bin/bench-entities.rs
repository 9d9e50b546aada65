//! A declared entity against a table of our own that has the same columns, rules and audit: `ops.settings`. Both are
//! served by one server, in alternating rounds. And the same entity as it is usually declared: with two columns more, which
//! say who made a row and who changed it last.
//!
//! `bench-entities --mainstay PROGRAM [--rounds N] [--seconds N]`. Prints medians and ratios; never judges. Needs wrk.

use std::fs;
use std::path::PathBuf;

use bench::Result;
use bench::arguments::Arguments;
use bench::cluster::Cluster;
use bench::figures::{median, progress, ratio};
use bench::served::Served;

const DATABASE: &str = "bench_entities";
const ROWS: u32 = 10_000;
const CONNECTIONS: [u32; 2] = [1, 16];

/// What settings are, declared.
fn declaration(name: &str, models: &str) -> String {
    format!(
        r#"{{
  "name": "{name}",
  "models": [{models}],
  "fields": [
    {{"name": "key", "type": "text", "min": 1, "required": true, "unique": true, "sort": true}},
    {{"name": "value", "type": "json", "any": true, "required": true}},
    {{"name": "description", "type": "text", "max": 1000, "default": ""}},
    {{"name": "secret", "type": "boolean", "default": false}}
  ],
  "permissions": {{"read": "ADMIN", "write": "ADMIN"}}
}}"#
    )
}

/// For wrk: what a request is. `path` and `ids` are known to it.
const WORKS: [(&str, &str); 3] = [
    ("read", "function request() return wrk.format('GET', path .. '/' .. ids[math.random(#ids)]) end"),
    ("list", "function request() return wrk.format('GET', path .. '?limit=20') end"),
    (
        "create",
        "local count = 0\nwrk.headers['Content-Type'] = 'application/json'\nfunction request() count = count + 1\n\
         return wrk.format('POST', path, nil, '{\"key\":\"' .. run .. '-' .. count .. '\",\"value\":{\"a\":1}}') end",
    ),
];

/// Fills both tables with the same rows, and makes an administrator with a key.
fn prepare(cluster: &Cluster) -> Result<String> {
    let mut client = cluster.client(DATABASE)?;
    client.batch_execute(&format!(
        "INSERT INTO identity.users (email, role, status) VALUES ('bench@example.org', 'ADMIN', 'ACTIVE');
         INSERT INTO ops.settings (id, key, value)
         SELECT md5(n::text)::uuid, 'key-' || n, '{{\"cost_centre\": 4711}}' FROM generate_series(1, {ROWS}) AS n;
         INSERT INTO app.knobs (id, key, value) SELECT id, key, value FROM ops.settings;
         INSERT INTO app.audited_knobs (id, key, value) SELECT id, key, value FROM ops.settings;"
    ))?;
    // The same audit as that of settings, which is declared only together with the two columns.
    client.batch_execute("SELECT telemetry.audit('app.knobs', secret => '{value}', secret_where => 'secret')")?;
    client.batch_execute("VACUUM ANALYZE ops.settings, app.knobs, app.audited_knobs")?;
    let ids = client.query("SELECT id::text FROM app.knobs ORDER BY random() LIMIT 2000", &[])?;
    let ids: Vec<String> = ids.iter().map(|row| row.get(0)).collect();
    fs::write(cluster.folder().join("ids"), ids.join("\n"))?;
    let key = "SELECT identity.generate_api_key('bench', email, '[\"admin\"]') ->> 'api_key' FROM identity.users";
    Ok(client.query_one(key, &[])?.get(0))
}

/// What wrk runs: every run makes rows of its own, in every thread.
fn lua(cluster: &Cluster, key: &str, path: &str, (name, work): (&str, &str)) -> Result<PathBuf> {
    let file = cluster.folder().join(format!("{name}{}.lua", path.replace('/', "-")));
    let ids = cluster.folder().join("ids");
    let text = format!(
        "wrk.headers['X-API-Key'] = '{key}'\npath = '{path}'\nids = {{}}\n\
         for line in io.lines('{}') do ids[#ids + 1] = line end\n\
         local random = io.open('/dev/urandom', 'rb')\nrun = ''\n\
         for byte in random:read(8):gmatch('.') do run = run .. string.format('%02x', byte:byte()) end\n\
         math.randomseed(os.time())\n{work}\n",
        ids.display()
    );
    fs::write(&file, text)?;
    Ok(file)
}

fn main() -> Result<()> {
    let arguments = Arguments::read(&["--mainstay", "--rounds", "--seconds"])?;
    let program = PathBuf::from(arguments.text("--mainstay").ok_or("--mainstay names the program")?);
    let (rounds, seconds) = (arguments.value("--rounds", 7)?, arguments.value("--seconds", 2)?);
    let cluster = Cluster::start()?;
    cluster.create(DATABASE)?;
    let folder = cluster.folder().join("entities");
    fs::create_dir(&folder)?;
    fs::write(folder.join("knobs.json"), declaration("knobs", ""))?;
    fs::write(folder.join("audited_knobs.json"), declaration("audited_knobs", "\"auditable\""))?;
    let path = folder.to_str().ok_or("a folder whose name is no text")?;
    let settings = [("ENTITIES_PATH", path), ("ACCESS_LOG_TABLE", "false")];
    let served = Served::mainstay(&program, &cluster, DATABASE, &settings)?;
    let key = prepare(&cluster)?;
    println!(
        "requests a second on PostgreSQL {}, {rounds} alternating rounds of {seconds} s, medians\n",
        cluster.version()
    );
    println!(
        "{:<8} {:>6} {:>10} {:>10} {:>10}   the entity is, and auditable",
        "work", "conns", "entity", "auditable", "our own"
    );
    for work in WORKS {
        let entity = lua(&cluster, &key, "/api/entities/knobs", work)?;
        let audited = lua(&cluster, &key, "/api/entities/audited_knobs", work)?;
        let own = lua(&cluster, &key, "/api/settings", work)?;
        for connections in CONNECTIONS {
            let (mut declared, mut auditable, mut built_in) = (Vec::new(), Vec::new(), Vec::new());
            for round in 1..=rounds {
                progress(&format!("{}, {connections} connections, round {round} of {rounds}", work.0));
                declared.push(served.rate(&entity, connections, seconds)?);
                auditable.push(served.rate(&audited, connections, seconds)?);
                built_in.push(served.rate(&own, connections, seconds)?);
            }
            progress("");
            println!(
                "{:<8} {connections:>6} {:>10.0} {:>10.0} {:>10.0}   {:.2} x, {:.2} x",
                work.0,
                median(&declared),
                median(&auditable),
                median(&built_in),
                ratio(&declared, &built_in),
                ratio(&auditable, &built_in)
            );
        }
    }
    Ok(())
}
