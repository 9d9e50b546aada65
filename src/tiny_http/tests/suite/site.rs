//! The site whose pages are compared. Compiled against both crates.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::tiny_http_crate::{Header, Method, Request, Response, Server, StatusCode};

const THREADS: usize = 3;

/// A server that runs until this is dropped.
pub struct Site {
    pub address: SocketAddr,
    server: Arc<Server>,
}

impl Site {
    /// Starts the site; `file` is what it sends as a file.
    pub fn start(file: &Path) -> Site {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        for _ in 0..THREADS {
            let (server, file) = (server.clone(), file.to_owned());
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    let _ = answer(request, &file);
                }
            });
        }
        Site { address: server.server_addr().to_ip().unwrap(), server }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The threads are not waited for: those of the published crate may hang.
        for _ in 0..THREADS {
            self.server.unblock();
        }
    }
}

fn answer(request: Request, file: &PathBuf) -> io::Result<()> {
    let path = request.url().split('?').next().unwrap().to_owned();
    if let Some(status) = path.strip_prefix("/status/") {
        return request.respond(Response::empty(status.parse::<u16>().unwrap()));
    }
    if let Some(status) = path.strip_prefix("/stream/") {
        return request.respond(stream(status.parse::<u16>().unwrap().into()));
    }
    if let Some(length) = path.strip_prefix("/data/") {
        return request.respond(Response::from_data(letters(length.parse().unwrap())));
    }
    match path.as_str() {
        // What `Client::is_alive` wants to hear.
        "/alive" => request.respond(Response::from_string("GET /alive ")),
        "/string" => request.respond(Response::from_string("hello wörld")),
        "/bytes" => request.respond(Response::from_data((0..=255).collect::<Vec<u8>>())),
        "/file" => request.respond(Response::from_file(File::open(file)?)),
        "/boxed" => request.respond(Response::from_string("hello").with_status_code(203).boxed()),
        "/with-data" => request.respond(Response::empty(200).with_data(Cursor::new("hello"), Some(5))),
        "/low-threshold" => request.respond(Response::from_string("hello").with_chunked_threshold(5)),
        "/high-threshold" => request.respond(Response::from_data(letters(50_000)).with_chunked_threshold(50_001)),
        "/length-by-header" => request.respond(stream(StatusCode(200)).with_header(header("Content-Length: 11"))),
        "/longer-than-said" => request.respond(Response::from_data("hello").with_header(header("Content-Length: 3"))),
        "/headers" => respond_with(request, &["A: 1", "a: 2", "Set-Cookie: c=1", "Set-Cookie: d=2", "B:", "A: 1"]),
        "/own-headers" => {
            respond_with(request, &["Connection: close", "Trailer: A", "Transfer-Encoding: x", "Upgrade: x"])
        }
        "/type" => respond_with(request, &["Content-Type: text/html", "content-type: text/css"]),
        "/date" => respond_with(request, &["Date: Sun, 06 Nov 1994 08:49:37 GMT"]),
        "/server" => respond_with(request, &["server: mine"]),
        "/body" => request_body(request),
        "/unread" => request.respond(Response::from_string("not read")),
        "/half-read" => respond_after(request, 2),
        "/writer" => write(request, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"),
        "/dropped" => Ok(()),
        _ if *request.method() == Method::Connect => request.respond(Response::empty(405)),
        _ => echo(request),
    }
}

fn header(line: &str) -> Header {
    line.parse().unwrap()
}

fn letters(length: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(length).collect()
}

/// A body of unknown length that is read in pieces.
fn stream(status: StatusCode) -> Response<impl Read> {
    let body = "hello ".as_bytes().chain("wor".as_bytes()).chain("ld".as_bytes());
    Response::new(status, Vec::new(), body, None, None)
}

fn respond_with(request: Request, headers: &[&str]) -> io::Result<()> {
    let headers = headers.iter().map(|line| header(line)).collect();
    request.respond(Response::new(StatusCode(200), headers, Cursor::new("hello"), Some(5), None))
}

fn respond_after(mut request: Request, count: usize) -> io::Result<()> {
    let mut body = vec![0; count];
    request.as_reader().read_exact(&mut body)?;
    request.respond(Response::from_data(body))
}

fn request_body(mut request: Request) -> io::Result<()> {
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body)?;
    request.respond(Response::from_string(body))
}

fn write(request: Request, reply: &str) -> io::Result<()> {
    let mut writer = request.into_writer();
    writer.write_all(reply.as_bytes())?;
    writer.flush()
}

/// Answers with all that a program sees of a request.
fn echo(mut request: Request) -> io::Result<()> {
    let mut text = format!(
        "{:?} {} {} secure: {} from: {} length: {:?}\n",
        request.method(),
        request.url(),
        request.http_version(),
        request.secure(),
        request.remote_addr().unwrap().ip(),
        request.body_length(),
    );
    for header in request.headers() {
        text.push_str(&format!("{}={:?}\n", header.field, header.value));
    }
    let mut body = Vec::new();
    request.as_reader().read_to_end(&mut body)?;
    text.push_str(&String::from_utf8_lossy(&body));
    request.respond(Response::from_string(text))
}
