//! How much the server keeps for its clients: replies that they do not read, bodies that are not there yet.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use tiny_http::Limits;

const GET_BIG: &str = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server of one thread that answers `/big` with [`BIG`], in a piece or in chunks, and everything else with an echo.
fn serve_big(limits: Limits, is_chunked: bool) -> Running {
    let threshold = if is_chunked { 0 } else { usize::MAX };
    serve(limits, 1, move |request| match request.url() {
        "/big" => request.respond(big_response().with_chunked_threshold(threshold)).unwrap(),
        _ => respond_with_echo(request),
    })
}

#[test]
fn a_reply_that_fits_the_buffer_does_not_hold_the_thread() {
    for is_chunked in [false, true] {
        let running = serve_big(Limits { reply_buffer_bytes: BIG.len() * 2, ..patient() }, is_chunked);
        let mut slow: Vec<Client> = (0..3).map(|_| running.client()).collect();
        for client in &mut slow {
            client.send(GET_BIG);
        }
        let mut quick = running.client();
        assert!(quick.is_alive(), "three replies are not read and the only thread is free");
        assert!(running.server.stats().memory_bytes > 0);
        for client in &mut slow {
            assert!(client.reply().body == *BIG, "each byte in its place");
        }
        eventually("the memory to be free", || running.server.stats().memory_bytes == 0);
        assert!(slow.iter_mut().all(Client::is_alive));
        assert!(quick.is_alive());
    }
}

#[test]
fn a_reply_beyond_the_buffer_or_the_memory_is_written_by_its_thread() {
    for (reply_buffer_bytes, memory_bytes) in [(1 << 10, 1 << 30), (1 << 30, 1 << 20)] {
        for is_chunked in [false, true] {
            let limits = Limits { reply_buffer_bytes, memory_bytes, ..patient() };
            let running = serve_big(limits, is_chunked);
            let mut slow = running.client();
            slow.send(GET_BIG);
            slow.stream.peek(&mut [0]).unwrap();
            let mut other = running.client();
            other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
            other.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            assert!(other.stream.peek(&mut [0]).is_err(), "the only thread waits for the slow client");
            assert!(running.server.stats().memory_bytes <= memory_bytes);
            assert!(slow.reply().body == *BIG, "each byte in its place");
            other.stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(other.reply().text(), "GET /other ");
            assert!(slow.is_alive() && other.is_alive());
            eventually("the memory to be free", || running.server.stats().memory_bytes == 0);
        }
    }
}

#[test]
fn requests_behind_a_reply_that_is_not_read_are_answered_in_order() {
    let running = serve_big(Limits { reply_buffer_bytes: BIG.len() * 2, ..patient() }, false);
    let mut client = running.client();
    client.send([GET_BIG, "GET /second HTTP/1.1\r\nHost: a\r\n\r\n", GET_BIG].concat());
    assert!(running.client().is_alive());
    assert!(client.reply().body == *BIG);
    assert_eq!(client.reply().text(), "GET /second ");
    assert!(client.reply().body == *BIG);
    assert!(client.is_alive());
}

fn post_head(length: usize) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn bodies_beyond_the_memory_are_answered_503_and_the_others_are_served() {
    const BODY: usize = 900_000;
    let limits = Limits { memory_bytes: 4 << 20, linger_time: Duration::from_secs(600), ..patient() };
    let running = echo(limits);
    let stats = || running.server.stats();
    let body = vec![b'x'; BODY];
    let mut clients: Vec<Client> = (0..6).map(|_| running.client()).collect();
    for client in &mut clients {
        let before = stats();
        client.send(post_head(BODY)).send_anyway(&body[1..]);
        eventually("the body to be held or refused", || {
            stats().memory_bytes >= before.memory_bytes + BODY - 1
                || stats().requests_rejected_total > before.requests_rejected_total
        });
    }
    assert!(running.client().is_alive(), "what needs no memory is served");

    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for mut client in clients {
        let reply = client.send_anyway("x").reply();
        if reply.status == 200 {
            assert_eq!(reply.body.len(), "POST /a ".len() + BODY);
            served.push(client);
        } else {
            assert_eq!(reply.status, 503);
            assert!(reply.header("retry-after").is_some());
            assert!(client.is_closed());
            refused.push(client);
        }
    }
    assert!(!refused.is_empty(), "six such bodies are more than the memory");
    assert!(!served.is_empty(), "two bodies fit, even in buffers twice as large");
    eventually("the memory to be free", || stats().memory_bytes == 0);
    assert!(served.iter_mut().all(Client::is_alive));
    assert_eq!(served[0].send(post_head(BODY)).send(&body).reply().status, 200);
    eventually("the memory to be free again", || stats().memory_bytes == 0);
}

#[test]
fn a_growing_body_is_counted_once() {
    // Whatever the first size of a buffer that doubles, for one of these lengths it doubles shortly before the end.
    for length in (8..16).map(|eighths| eighths << 15) {
        let memory_bytes = length * 9 / 4 + (128 << 10);
        let running = serve(Limits { memory_bytes, ..patient() }, 1, respond_with_echo);
        let mut client = running.client();
        client.send(post_head(length));
        for sent in (0..length).step_by(8 << 10) {
            eventually("what was sent to be read", || {
                let stats = running.server.stats();
                stats.memory_bytes + (8 << 10) >= sent || stats.requests_rejected_total > 0
            });
            client.send_anyway(vec![b'x'; (8 << 10).min(length - sent)]);
        }
        let reply = client.reply();
        assert_eq!(reply.status, 200, "a body of {length} bytes with room for {memory_bytes}");
    }
}

#[test]
fn clients_that_go_away_leave_no_memory_behind() {
    let running = serve_big(Limits { reply_buffer_bytes: BIG.len() * 2, ..patient() }, false);
    let mut reader = running.client();
    reader.send(GET_BIG);
    let mut writer = running.client();
    writer.send(post_head(900_000)).send(vec![b'x'; 800_000]);
    eventually("memory to be held", || running.server.stats().memory_bytes > 800_000 + (1 << 20));
    drop((reader, writer));
    eventually("the connections to end", || running.server.num_connections() == 0);
    assert_eq!(running.server.stats().memory_bytes, 0);
}

#[test]
fn a_whole_body_that_waits_for_a_thread_is_counted() {
    in_some_attempt("the body is counted", counts_a_body_that_waits);
}

/// Lets the only thread find a second request when it has answered the first of a client, but then it is another
/// client's turn; answers whether the second request is counted meanwhile.
fn counts_a_body_that_waits() -> bool {
    const BODY: usize = 40_000;
    let doors = Arc::new([Door::default(), Door::default()]);
    let (told, entries) = mpsc::channel();
    let (behind, told) = (doors.clone(), Mutex::new(told));
    let running = serve(patient(), 1, move |request| {
        if let Some(door) = ["/first", "/other"].iter().position(|url| *url == request.url()) {
            told.lock().unwrap().send(()).unwrap();
            behind[door].pass();
        }
        respond_with_echo(request);
    });
    let (mut client, mut other) = (running.client(), running.client());
    assert!(client.is_alive() && other.is_alive());
    client.send(["GET /first HTTP/1.1\r\nHost: a\r\n\r\n", &post_head(BODY), &"x".repeat(BODY)].concat());
    entries.recv_timeout(PATIENCE).unwrap();
    other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    doors[0].open();
    entries.recv_timeout(PATIENCE).unwrap();
    let held = running.server.stats().memory_bytes;
    doors[1].open();
    assert_eq!(client.reply().text(), "GET /first ");
    assert_eq!(client.reply().body.len(), "POST /a ".len() + BODY);
    assert_eq!(other.reply().status, 200);
    eventually("the memory to be free", || running.server.stats().memory_bytes == 0);
    held >= BODY
}
