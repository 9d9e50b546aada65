//! A plain HTTP client: a connection for each request, so that nothing of one is left for the next.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A client that sends the same headers with each request.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        Client { address, headers: Vec::new() }
    }

    /// The same client with one more header, or another value of it.
    pub fn with(&self, name: &str, value: &str) -> Client {
        let mut client = self.clone();
        client.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same client at another server.
    pub fn at(&self, address: SocketAddr) -> Client {
        Client { address, headers: self.headers.clone() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body.to_string().as_bytes()))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, Some(body.to_string().as_bytes()))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, Some(body.to_string().as_bytes()))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    /// Sends a request; one with a body says that it is JSON, unless the client's headers say something else.
    pub fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        self.ask(method, path, body).unwrap_or_else(|| panic!("no reply to {method} {path}"))
    }

    /// Sends a request to a server that may be gone, or go before it takes the request: then there is no answer. One that
    /// breaks off is a failure.
    pub fn ask(&self, method: &str, path: &str, body: Option<&[u8]>) -> Option<Answer> {
        self.begin(method, path, body)?.answer()
    }

    /// Sends a request, whose reply is read later; none if the server is gone.
    pub fn begin(&self, method: &str, path: &str, body: Option<&[u8]>) -> Option<Asked> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Type")) {
                head += "Content-Type: application/json\r\n";
            }
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let bytes = [head.as_bytes(), body.unwrap_or_default()].concat();
        // A server may refuse a request before it has all of it; its reply says why.
        let _ = stream.write_all(&bytes);
        Some(Asked { stream, is_head: method == "HEAD" })
    }
}

/// A request that has been sent. Whoever drops it goes away.
#[derive(Debug)]
pub struct Asked {
    stream: TcpStream,
    is_head: bool,
}

impl Asked {
    /// The reply, as soon as there is one; none if the server is gone.
    pub fn answer(mut self) -> Option<Answer> {
        let mut reply = Vec::new();
        let _ = self.stream.read_to_end(&mut reply);
        let answer = (!reply.is_empty()).then(|| Answer::parse(&reply))?;
        if let Some(length) = answer.header("Content-Length").filter(|_| !self.is_head && answer.status != 304) {
            assert_eq!(length, answer.body.len().to_string(), "the reply broke off");
        }
        Some(answer)
    }
}

impl Answer {
    fn parse(reply: &[u8]) -> Answer {
        let end = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no reply, but {:?}", String::from_utf8_lossy(reply));
        });
        let head = std::str::from_utf8(&reply[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap()[9..12].parse().unwrap();
        let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Answer { status, headers: lines.filter_map(split).collect(), body: reply[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The `code` of an error.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The same answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{:?}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The same answer, if it is this error.
    #[track_caller]
    pub fn refuse(self, status: u16, code: &str) -> Answer {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
        assert_eq!(self.header("Content-Type"), Some("application/problem+json"));
        self
    }
}
