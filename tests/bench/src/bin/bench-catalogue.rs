//! The catalogue as it grows: searches, lists and claims through the whole API, on a thousand, a hundred thousand and a
//! million rows.
//!
//! `bench-catalogue --mainstay PROGRAM [--rows N,N] [--seconds N]`. Prints the middle, the 99th percentile and the rate of each;
//! never judges. Two clients ask at the same time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use bench::Result;
use bench::arguments::Arguments;
use bench::cluster::Cluster;
use bench::figures::progress;
use bench::served::Served;

const DATABASE: &str = "bench_catalogue";
const SETTINGS: [(&str, &str); 2] = [("ACCESS_LOG_TABLE", "false"), ("DB_AUTO_MIGRATE", "true")];
const CLIENTS: usize = 2;
const ROWS: &str = "1000,100000,1000000";

/// Templates of words that many have, that few have, and anything between; and generations that wait.
const FILL: &str = "
    INSERT INTO templates.categories (name, slug) VALUES ('Web', 'web');
    INSERT INTO templates.categories (name, slug, parent_id)
    SELECT 'Part ' || n, 'part-' || n, id FROM templates.categories, generate_series(1, 50) AS n;
    INSERT INTO templates.technologies (name, slug, kind)
    SELECT 'Technology ' || n, 'technology-' || n, 'tool' FROM generate_series(1, 50) AS n;
    SET session_replication_role = replica;
    INSERT INTO templates.templates (
        name, slug, description, category_id, technologies, tags, downloads, status, published_version, published_at
    )
    SELECT
        initcap(noun) || ' ' || kind || ' ' || n,
        noun || '-' || kind || '-' || n,
        'A template for ' || kind || ' services, with tests and a word' || n % 5000 || ' of its own. '
            || repeat('It says how it works. ', n % 10),
        (SELECT id FROM templates.categories WHERE slug = 'part-' || n % 50 + 1),
        ARRAY['technology-' || n % 50 + 1],
        ARRAY[kind, 'tag-' || n % 200],
        (1000000 / (n % 99991 + 1))::bigint,
        'PUBLISHED',
        '1.0.0',
        now()
    FROM generate_series(1, {rows}) AS n
    CROSS JOIN LATERAL (
        SELECT
            (ARRAY['react', 'vue', 'rust', 'go', 'python', 'java', 'kotlin', 'swift', 'node', 'django'])[n % 10 + 1] AS noun,
            (ARRAY['api', 'web', 'worker', 'batch', 'library', 'frontend', 'gateway'])[n % 7 + 1] AS kind
    ) AS words;
    INSERT INTO devx.generation_history (user_id)
    SELECT (SELECT id FROM identity.users LIMIT 1) FROM generate_series(1, {rows});
    SET session_replication_role = origin;
    VACUUM (ANALYZE) templates.templates, devx.generation_history";

/// What is asked for: name, method, path, body. A `{n}` is another number each time.
const WORKS: [(&str, &str, &str, &str); 12] = [
    ("search: all have it", "GET", "/api/templates?q=template&limit=20", ""),
    ("search: one in ten", "GET", "/api/templates?q=react&limit=20", ""),
    ("search: two words", "GET", "/api/templates?q=rust+api&limit=20", ""),
    ("search: one in 5,000", "GET", "/api/templates?q=word{n}&limit=20", ""),
    ("search: two letters", "GET", "/api/templates?q=go&limit=20", ""),
    ("search: a beginning", "GET", "/api/templates?q=w&limit=20", ""),
    ("search: nobody has it", "GET", "/api/templates?q=zebra{n}&limit=20", ""),
    ("search: filtered", "GET", "/api/templates?q=api&technology=technology-7&category=web&limit=20", ""),
    ("list: the newest", "GET", "/api/templates?limit=20", ""),
    ("list: by tag", "GET", "/api/templates?tag=tag-7&limit=20", ""),
    ("categories with counts", "GET", "/api/templates/categories", ""),
    ("claim", "POST", "/api/generations/claim", r#"{"worker":"bench","lease_seconds":3600}"#),
];

/// A connection that is kept.
struct Connection {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Connection {
    fn open(port: u16, key: &str) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let head = format!("HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n");
        Ok(Connection { stream: BufReader::new(stream), head })
    }

    /// The status of a request; its body is read and thrown away.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<u16> {
        let length = body.len();
        let text = format!(
            "{method} {path} {}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.head
        );
        self.stream.get_mut().write_all(text.as_bytes())?;
        let (mut line, mut length) = (String::new(), 0);
        self.stream.read_line(&mut line)?;
        let status = line.get(9..12).ok_or("no reply")?.parse()?;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(status)
    }
}

/// The times of all requests that two clients make in so many seconds, in milliseconds, sorted.
fn measure(port: u16, key: &str, work: (&str, &str, &str, &str), seconds: u64) -> Result<Vec<f64>> {
    let (name, method, path, body) = work;
    let client = |number: usize| -> Result<Vec<f64>> {
        let mut connection = Connection::open(port, key)?;
        let (mut times, start) = (Vec::new(), Instant::now());
        let mut count = number * 7919;
        while start.elapsed() < Duration::from_secs(seconds) {
            count += 31;
            let path = path.replace("{n}", &(count % 5000).to_string());
            let asked = Instant::now();
            let status = connection.ask(method, &path, body)?;
            times.push(asked.elapsed().as_secs_f64() * 1000.0);
            if !matches!(status, 200 | 204) {
                return Err(format!("{name}: {status}").into());
            }
        }
        Ok(times)
    };
    let mut all = std::thread::scope(|scope| -> Result<Vec<f64>> {
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a client panicked")??);
        }
        Ok(all)
    })?;
    all.sort_by(f64::total_cmp);
    Ok(all)
}

fn at(times: &[f64], part: f64) -> f64 {
    times.get(((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<()> {
    let arguments = Arguments::read(&["--mainstay", "--rows", "--seconds"])?;
    let program = arguments.text("--mainstay").ok_or("--mainstay PROGRAM is missing")?;
    let seconds = arguments.value("--seconds", 5)?;
    let cluster = Cluster::start()?;
    cluster.make_folder("own")?;
    println!("PostgreSQL {}, {CLIENTS} clients, {seconds} s each; milliseconds", cluster.version());
    println!("{:>9}  {:<24} {:>9} {:>9} {:>11}", "rows", "", "middle", "99 %", "requests/s");
    for rows in arguments.text("--rows").unwrap_or(ROWS).split(',') {
        let rows: u64 = rows.trim().parse()?;
        cluster.create(DATABASE)?;
        let served = Served::mainstay(Path::new(program), &cluster, DATABASE, &SETTINGS)?;
        let mut client = cluster.client(DATABASE)?;
        let user = "INSERT INTO identity.users (email, role, status) VALUES ('bench@example.org', 'ADMIN', 'ACTIVE') RETURNING id";
        let user: uuid::Uuid = client.query_one(user, &[])?.get(0);
        let key = "SELECT identity.generate_api_key('bench', $1::uuid::text, '[\"admin\"]') ->> 'api_key'";
        let key: String = client.query_one(key, &[&user])?.get(0);
        progress(&format!("making {rows} rows"));
        for statement in FILL.replace("{rows}", &rows.to_string()).split(';') {
            client.batch_execute(statement)?;
        }
        for work in WORKS {
            progress(work.0);
            measure(served.port, &key, work, 1)?;
            let times = measure(served.port, &key, work, seconds)?;
            let rate = times.len() as f64 / seconds as f64;
            println!("{rows:>9}  {:<24} {:>9.2} {:>9.2} {rate:>11.0}", work.0, at(&times, 0.5), at(&times, 0.99));
        }
    }
    Ok(())
}
