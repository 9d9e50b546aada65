//! Bodies that are too large for memory, the time for them, and what the program says of them beforehand.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::limits::post;
use crate::support::*;
use tiny_http::{Limits, Method, Policy};

fn limits() -> Limits {
    Limits { body_buffer_bytes: 1000, body_bytes: 1 << 20, large_bodies: 8, continue_early: true, ..patient() }
}

fn head(length: usize) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn a_large_body_comes_whole_and_takes_no_thread_until_it_has() {
    let running = serve(limits(), 1, respond_with_echo);
    let text = "0123456789".repeat(20_000);
    let mut slow: Vec<(Client, Vec<u8>)> = Vec::new();
    for chunk in [None, Some(777)] {
        let bytes = post(text.as_bytes(), chunk);
        let (front, back) = bytes.split_at(bytes.len() - 3);
        let mut client = running.client();
        client.send(front);
        slow.push((client, back.to_vec()));
    }
    eventually("both to be in files", || running.server.stats().large_bodies == 2);
    assert!(running.client().is_alive(), "the only thread is free");
    assert!(running.server.stats().memory_bytes < 200_000, "a body in a file needs little memory");
    for (client, back) in &mut slow {
        assert!(client.send(back).reply().text() == format!("POST /a {text}"));
        assert_eq!(client.send(post(b"next", None)).reply().text(), "POST /a next");
    }
    assert_eq!(running.server.stats().large_bodies, 0);
}

#[test]
fn there_are_only_so_many_large_bodies_and_an_address_has_its_share_of_them() {
    let running = echo(limits());
    let mut first: Vec<Client> = (0..2).map(|_| running.client()).collect();
    for client in &mut first {
        client.send(head(5000)).send(vec![b'x'; 4999]);
    }
    eventually("two of them", || running.server.stats().large_bodies == 2);
    let mut third = running.client();
    let reply = third.send(head(5000)).send_anyway(vec![b'x'; 4999]).reply();
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(running.client().send(post(b"small", None)).reply().status, 200);
    assert!(first.iter_mut().all(|client| client.send("x").reply().status == 200));
    assert_eq!(running.client().send(head(5000)).send(vec![b'x'; 5000]).reply().status, 200);
}

#[test]
fn a_body_has_one_time_however_steadily_it_comes() {
    let running = echo(Limits { body_time: Duration::from_millis(500), ..limits() });
    let start = Instant::now();
    let mut client = running.client();
    client.send(head(500));
    while start.elapsed() < Duration::from_millis(900) {
        client.send_anyway("x");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.reply().status, 408);
    assert!(client.is_closed());
    let mut another = running.client();
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(200));
        assert_eq!(another.send(post(b"hello", None)).reply().status, 200, "each body has its own time");
    }
}

#[derive(Debug)]
struct Pages;

impl Policy for Pages {
    fn body_bytes(&self, method: &Method, target: &str) -> u64 {
        assert_eq!(*method, Method::Post);
        if target == "/a" { 10 } else { 0 }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        address.is_loopback()
    }
}

#[test]
fn of_a_body_that_is_longer_than_the_program_wants_nothing_is_waited_for() {
    let limits = Limits { policy: Some(Arc::new(Pages)), ..limits() };
    let running = serve(limits, 1, |request| {
        let length = request.body_length();
        let _ = request.respond(tiny_http::Response::from_string(format!("{length:?}")));
    });
    let mut client = running.client();
    assert_eq!(client.send(post(b"0123456789", None)).reply().text(), "Some(10)");
    assert_eq!(running.client().send(head(11)).reply().text(), "Some(11)", "not a byte of it has come");
    let text = "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx";
    assert_eq!(running.client().send(text).reply().text(), "None");
    let text = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n0123456789";
    let mut waiting = running.client();
    waiting.send(text);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(running.server.stats().requests_total, 3, "ten bytes may be all");
    assert_eq!(waiting.send("0").reply().text(), "None");
}

#[test]
fn proxies_have_no_limits_of_their_own() {
    let policy: Arc<dyn Policy> = Arc::new(Pages);
    let running = echo(Limits { connections_per_address: Some(2), policy: Some(policy), ..limits() });
    let mut clients: Vec<Client> = (0..5).map(|_| running.client()).collect();
    assert!(clients.iter_mut().all(Client::is_alive));
}

#[test]
fn bodies_that_come_slowest_make_room_for_those_that_come() {
    let running = echo(Limits { memory_bytes: 200_000, body_buffer_bytes: 1 << 20, ..limits() });
    let mut slow: Vec<Client> = (0..10).map(|_| running.client()).collect();
    for client in &mut slow {
        client.send(head(100_000)).send(vec![b'x'; 30_000]);
    }
    thread::sleep(Duration::from_millis(300));
    for _ in 0..3 {
        assert_eq!(running.client().send(head(100_000)).send(vec![b'x'; 100_000]).reply().status, 200);
    }
}

#[test]
fn a_stop_waits_a_moment_for_requests_that_have_begun_to_come() {
    let running = echo(limits());
    let (mut head_only, mut body) = (running.client(), running.client());
    head_only.send("GET / HTTP/1.1\r\nHo");
    body.send(head(10)).send("123");
    assert!(running.client().is_alive());
    let start = Instant::now();
    assert_eq!(running.server.shutdown(PATIENCE), 2);
    assert!(start.elapsed() < PATIENCE / 2);
}
