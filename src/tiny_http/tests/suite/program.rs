//! Programs as people write them for 0.12, one for each way to run a server. Compiled and run against both crates.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::tiny_http_crate::{
    ConfigListenAddr, ListenAddr, Listener, Request, Response, Server, ServerConfig, SslConfig,
};
use crate::support::{Client, PATIENCE, eventually, temporary_path};

pub const GET: &str = "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";

pub fn start() -> Server {
    Server::http("127.0.0.1:0").unwrap()
}

fn connect(server: &Server) -> Client {
    Client::connect(server.server_addr().to_ip().unwrap())
}

/// A client that has sent `bytes`, and the request that the server made of them.
pub fn ask(server: &Server, bytes: &str) -> (Client, Request) {
    let mut client = connect(server);
    client.send(bytes);
    (client, server.recv().unwrap())
}

/// The answer to one request on a connection of its own.
fn text_of(address: SocketAddr, bytes: &str) -> String {
    Client::connect(address).send(bytes).reply().text()
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn four_threads_say_hello_to_four_clients() {
    let server = Arc::new(start());
    let threads = [(); 4].map(|()| {
        let server = server.clone();
        thread::spawn(move || {
            while let Ok(request) = server.recv() {
                request.respond(Response::from_string("hello world")).unwrap();
            }
        })
    });
    let mut clients = [(); 4].map(|()| connect(&server));
    for _ in 0..3 {
        for client in &mut clients {
            client.send(GET);
        }
        for client in &mut clients {
            assert_eq!(client.reply().text(), "hello world");
        }
    }
    for _ in &threads {
        server.unblock();
    }
    join(threads);
}

#[test]
fn incoming_requests_come_until_the_thread_is_unblocked() {
    let server = Arc::new(start());
    let address = server.server_addr().to_ip().unwrap();
    let thread = thread::spawn({
        let server = server.clone();
        move || {
            let mut count = 0;
            for request in server.incoming_requests() {
                count += 1;
                request.respond(Response::from_string(count.to_string())).unwrap();
            }
            count
        }
    });
    assert_eq!((text_of(address, GET), text_of(address, GET)), ("1".to_owned(), "2".to_owned()));
    server.unblock();
    assert_eq!(thread.join().unwrap(), 2);
}

#[test]
fn recv_timeout_waits_for_a_request_and_not_for_longer() {
    let server = start();
    let time = Duration::from_millis(30);
    let before = Instant::now();
    assert!(server.recv_timeout(time).unwrap().is_none());
    assert!(before.elapsed() >= time, "it came back early");
    let mut client = connect(&server);
    client.send(GET);
    let request = server.recv_timeout(Duration::MAX).unwrap().expect("a request has come");
    request.respond(Response::from_string("in time")).unwrap();
    assert_eq!(client.reply().text(), "in time");
}

#[test]
fn more_threads_than_cores_wait_with_a_timeout() {
    let server = Arc::new(start());
    let threads = (0..8).map(|_| {
        let server = server.clone();
        thread::spawn(move || server.recv_timeout(Duration::from_millis(20)).unwrap().is_none())
    });
    assert_eq!(join(threads.collect::<Vec<_>>()), [true; 8]);
}

#[test]
fn try_recv_never_waits() {
    let server = start();
    assert!(server.try_recv().unwrap().is_none());
    let mut client = connect(&server);
    client.send(GET);
    eventually("a request", || match server.try_recv().unwrap() {
        None => false,
        Some(request) => request.respond(Response::from_string("at last")).is_ok(),
    });
    assert_eq!(client.reply().text(), "at last");
    assert!(server.try_recv().unwrap().is_none());
}

#[test]
fn each_unblock_lets_one_thread_out_now_or_later() {
    let server = Arc::new(start());
    let threads = [(); 3].map(|()| {
        let server = server.clone();
        thread::spawn(move || server.recv().is_err())
    });
    for _ in &threads {
        server.unblock();
    }
    assert_eq!(join(threads), [true; 3]);

    server.unblock();
    assert!(server.recv().is_err());
    server.unblock();
    assert!(server.recv_timeout(PATIENCE).unwrap().is_none());
    server.unblock();
    assert!(server.try_recv().unwrap().is_none());
    server.unblock();
    assert_eq!(server.incoming_requests().count(), 0);
    assert!(server.recv_timeout(Duration::ZERO).unwrap().is_none());
}

#[test]
fn a_server_takes_a_socket_that_listens_already() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::from_listener(listener, None).unwrap();
    assert!(matches!(server.server_addr(), ListenAddr::IP(addr) if addr == address));
    assert_eq!(server.server_addr().to_string(), address.to_string());
    let (mut client, request) = ask(&server, GET);
    assert_eq!(request.remote_addr(), Some(&client.stream.local_addr().unwrap()));
    request.respond(Response::from_string("taken")).unwrap();
    assert_eq!(client.reply().text(), "taken");
}

#[test]
fn a_server_listens_on_the_first_address_that_it_can_bind() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    assert!(Server::http(taken).is_err());
    let addr = ConfigListenAddr::IP(vec![taken, "127.0.0.1:0".parse().unwrap()]);
    let server = Server::new(ServerConfig { addr, ssl: None }).unwrap();
    let (mut client, request) = ask(&server, GET);
    request.respond(Response::from_string("second")).unwrap();
    assert_eq!(client.reply().text(), "second");
}

#[test]
fn without_tls_a_certificate_is_an_error() {
    let ssl = || Some(SslConfig { certificate: Vec::new(), private_key: Vec::new() });
    let addr = ConfigListenAddr::from_socket_addrs("127.0.0.1:0").unwrap();
    assert!(Server::new(ServerConfig { addr, ssl: ssl() }).is_err());
    assert!(Server::from_listener(TcpListener::bind("127.0.0.1:0").unwrap(), ssl()).is_err());
}

#[test]
fn a_server_listens_on_a_unix_socket_and_removes_its_path() {
    let path = temporary_path();
    let from_path = Server::http_unix(&path).unwrap();
    assert_eq!(from_path.server_addr().to_unix().unwrap().as_pathname(), Some(path.as_path()));
    assert!(Server::http_unix(&path).is_err(), "the path is taken");
    let other_path = temporary_path();
    let listener = Listener::from(UnixListener::bind(&other_path).unwrap());
    let from_listener = Server::from_listener(listener, None).unwrap();
    for (server, path) in [(from_path, path), (from_listener, other_path)] {
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let request = server.recv().unwrap();
        assert_eq!((request.url(), request.remote_addr()), ("/a", None));
        request.respond(Response::from_string("on a path")).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("\r\n\r\non a path"), "{reply}");
        drop(server);
        assert!(!path.exists());
    }
}

#[test]
fn a_request_in_hand_is_answered_after_the_server_is_gone() {
    // An address of its own, so that no other test's server gets its port.
    let server = Server::http("127.0.0.2:0").unwrap();
    let address = server.server_addr().to_ip().unwrap();
    let (mut client, request) = ask(&server, GET);
    drop(server);
    eventually("the end of listening", || TcpStream::connect(address).is_err());
    request.respond(Response::from_string("late")).unwrap();
    assert_eq!(client.reply().text(), "late");
}

/// Ten megabytes, and a reply with them.
fn long_reply() -> (Vec<u8>, Response<impl Read + Send>) {
    let body = b"0123456789".repeat(1_000_000);
    (body.clone(), Response::from_data(body).with_chunked_threshold(usize::MAX))
}

/// Reads a reply more slowly than it is written, and checks its body.
fn read_slowly(client: &mut Client, body: &[u8]) {
    let (mut reply, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let head_end = |reply: &[u8]| reply.windows(4).take(1_000).position(|window| window == b"\r\n\r\n");
    while head_end(&reply).is_none_or(|end| reply.len() < end + 4 + body.len()) {
        let count = client.stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the reply ended after {} bytes", reply.len());
        reply.extend_from_slice(&buffer[..count]);
        thread::sleep(Duration::from_millis(1));
    }
    assert!(reply.ends_with(body), "the body is another one");
}

#[test]
fn a_long_reply_arrives_whole_although_the_server_has_gone() {
    let server = start();
    let (mut client, request) = ask(&server, GET);
    drop(server);
    let (body, response) = long_reply();
    let thread = thread::spawn(move || request.respond(response));
    read_slowly(&mut client, &body);
    thread.join().unwrap().unwrap();
}

#[test]
fn a_long_reply_arrives_whole_although_the_server_goes_after_it() {
    let server = start();
    let (mut client, request) = ask(&server, GET);
    let (body, response) = long_reply();
    let thread = thread::spawn(move || {
        request.respond(response).unwrap();
        drop(server);
    });
    read_slowly(&mut client, &body);
    thread.join().unwrap();
}

#[test]
fn a_long_reply_arrives_whole_although_nobody_waits_for_requests() {
    let server = start();
    let (mut client, request) = ask(&server, GET);
    let (body, response) = long_reply();
    let thread = thread::spawn(move || request.respond(response));
    read_slowly(&mut client, &body);
    thread.join().unwrap().unwrap();
    drop(server);
}
