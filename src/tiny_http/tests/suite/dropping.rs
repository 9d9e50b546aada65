//! What is left when a server is dropped: requests that the program has received, and nothing else.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::*;
use tiny_http::{Limits, Request, Server, TestRequest};

const GET: &str = "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n";

fn drop_with_request(limits: Limits, head: &str) -> (Client, Client, Request) {
    let server = server(limits);
    let address = server.server_addr().to_ip().unwrap();
    let (mut client, idle) = (Client::connect(address), Client::connect(address));
    client.send(head);
    let request = server.recv().unwrap();
    drop(server);
    assert!(is_refused(address));
    (client, idle, request)
}

#[test]
fn a_request_outlives_its_server() {
    let (mut client, mut idle, request) = drop_with_request(patient(), GET);
    assert!(idle.is_closed());
    respond_with_echo(request);
    let reply = client.reply();
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("GET /alive ", Some("close")));
    assert!(client.is_closed());
}

#[test]
fn a_request_that_outlives_its_server_may_have_a_long_reply() {
    for reply_buffer_bytes in [1 << 10, BIG.len() * 2] {
        let (mut client, _, request) = drop_with_request(Limits { reply_buffer_bytes, ..patient() }, GET);
        let handler = thread::spawn(move || request.respond(big_response()).unwrap());
        client.stream.peek(&mut [0]).unwrap();
        thread::sleep(Duration::from_millis(20));
        assert!(client.try_reply(false).is_ok_and(|reply| reply.body == *BIG), "with {reply_buffer_bytes} bytes");
        assert!(client.is_closed());
        handler.join().unwrap();
    }
}

#[test]
fn a_body_can_be_read_when_the_server_is_gone() {
    let limits = Limits { body_buffer_bytes: 3, ..patient() };
    let head = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345";
    let (mut client, _, request) = drop_with_request(limits, head);
    let handler = thread::spawn(move || respond_with_echo(request));
    assert_eq!(client.send("67890").reply().text(), "POST /a 1234567890");
    handler.join().unwrap();
}

#[test]
fn a_dropped_server_frees_its_address() {
    let address = drop_with_request(patient(), GET).0.stream.peer_addr().unwrap();
    let second = Server::http(address).unwrap();
    assert_eq!(second.server_addr().to_ip(), Some(address));
}

#[test]
fn a_unix_sockets_path_goes_with_its_server() {
    let path = temporary_path();
    for is_shut_down in [false, true] {
        let server = Server::http_unix(&path).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        if is_shut_down {
            assert_eq!(server.shutdown(PATIENCE), 0);
            assert!(!path.exists());
            let second = Server::http_unix(&path).unwrap();
            drop(server);
            assert!(path.exists(), "it is the second server's now");
            drop(second);
        } else {
            drop(server);
        }
        assert!(!path.exists());
        assert!(!matches!(client.read(&mut [0]), Ok(1..)), "the client is closed too");
    }
}

#[test]
fn a_request_that_is_kept_knows_when_its_client_has_gone() {
    let server = server(patient());
    let mut client = Client::connect(server.server_addr().to_ip().unwrap());
    client.send(GET);
    let request = server.recv().unwrap();
    thread::sleep(Duration::from_millis(20));
    assert!(!request.is_client_gone());
    drop(client);
    let end = Instant::now() + Duration::from_secs(10);
    while !request.is_client_gone() {
        assert!(Instant::now() < end, "nobody has noticed");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(!Request::from(TestRequest::new()).is_client_gone());
}
