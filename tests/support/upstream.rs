//! An upstream: it answers every request with what it was sent.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// How long it takes over a path with `slow` in it.
const SLOW: Duration = Duration::from_secs(3);
/// How long it waits for whoever asked to close.
const LINGER: Duration = Duration::from_secs(10);

/// Starts one, which runs as long as the test process does.
pub fn upstream() -> SocketAddr {
    upstream_at(TcpListener::bind("127.0.0.1:0").unwrap())
}

/// The same on a port that is known already.
pub fn upstream_at(listener: TcpListener) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Answers one request; what it was sent is an object of `method`, `target` and `headers`, those in lower case.
fn answer(stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let line = lines.next()?.ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Map::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_lowercase(), json!(value.trim_matches(' ')));
    }
    if target.contains("slow") {
        thread::sleep(SLOW);
    }
    let body = json!({ "method": method, "target": target, "headers": headers }).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length";
    let mut stream = stream;
    write!(stream, "{head}: {}\r\n\r\n{body}", body.len()).ok()?;
    // A body that is left unread would make the end a reset, which may take the answer with it.
    stream.shutdown(Shutdown::Write).ok()?;
    stream.set_read_timeout(Some(LINGER)).ok()?;
    io::copy(&mut stream, &mut io::sink()).map(drop).ok()
}

/// A port on which nobody listens, at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What the upstream says that it was sent.
pub fn target(answer: &Value) -> &str {
    answer["target"].as_str().unwrap()
}
