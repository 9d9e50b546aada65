//! Clients that take their time, or never come to it: they cost a descriptor and a little memory, never a thread.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::*;
use tiny_http::{Limits, Request, Response};

/// Longer than anything takes on a busy machine, shorter than the default limits.
const SOON: Duration = Duration::from_secs(6);
pub const SHORT: Duration = Duration::from_millis(200);
/// More than the sockets of both sides hold.
pub const BIG: usize = 12 << 20;

/// A server of one thread that answers `/big` with 12 MiB and everything else with its echo.
pub fn one_worker(limits: Limits) -> Running {
    serve(limits, 1, |request: Request| match request.url() {
        "/big" => drop(request.respond(Response::from_data(vec![b'x'; BIG]).with_chunked_threshold(usize::MAX))),
        _ => respond_with_echo(request),
    })
}

fn expect_prompt_service(running: &Running, what: &str) {
    let start = Instant::now();
    let mut client = running.client();
    for _ in 0..20 {
        assert!(client.is_alive(), "{what}: another client is not answered");
    }
    assert!(start.elapsed() < SOON, "{what}: another client waited for {:?}", start.elapsed());
}

const BODIES_THAT_NEVER_COME: [&str; 4] = [
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nsome",
];

#[test]
fn a_body_that_never_comes_blocks_no_worker() {
    let running = one_worker(Limits::default());
    let clients = BODIES_THAT_NEVER_COME.map(|request| {
        let mut client = running.client();
        client.send(request);
        client
    });
    expect_prompt_service(&running, "while bodies do not come");
    drop(clients);
}

#[test]
fn a_body_that_never_comes_is_answered_408() {
    let running = one_worker(Limits { stall_time: SHORT, ..Default::default() });
    let clients = BODIES_THAT_NEVER_COME.map(|request| {
        let mut client = running.client();
        client.send(request);
        client
    });
    for mut client in clients {
        assert_eq!(client.reply().status, 408);
        assert!(client.is_closed());
    }
    assert_eq!(running.server.stats().requests_total, 0);
}

#[test]
fn a_body_that_nobody_wants_and_that_never_comes_blocks_no_worker() {
    let limits = Limits { body_buffer_bytes: 1, ..Default::default() };
    for stall_time in [limits.stall_time, SHORT] {
        let running = serve(Limits { stall_time, ..limits.clone() }, 1, |request| {
            let text = format!("{} {} ", request.method(), request.url());
            let _ = request.respond(Response::from_string(text));
        });
        let clients = BODIES_THAT_NEVER_COME.map(|request| {
            let mut client = running.client();
            client.send(request);
            client
        });
        expect_prompt_service(&running, "while bodies that nobody wants do not come");
        if stall_time == SHORT {
            for mut client in clients {
                if client.reply().status == 200 {
                    assert!(client.is_closed());
                }
            }
            eventually("the end of all connections", || running.server.num_connections() == 0);
        }
    }
}

#[test]
fn a_client_that_never_reads_a_big_reply_blocks_no_worker() {
    let running = one_worker(Limits { reply_buffer_bytes: BIG + 1_000, ..Default::default() });
    let clients = [(); 3].map(|()| {
        let mut client = running.client();
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        client
    });
    expect_prompt_service(&running, "while nobody takes big replies");
    let [mut client, ..] = clients;
    assert_eq!(client.reply().body.len(), BIG, "a client that reads in the end gets it all");
    assert!(client.is_alive());
}

#[test]
fn a_client_that_never_reads_is_closed_after_the_stall_time() {
    for reply_buffer_bytes in [BIG + 1_000, 1 << 10] {
        let running = one_worker(Limits { stall_time: SHORT, reply_buffer_bytes, ..Default::default() });
        let mut client = running.client();
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("the request", || running.server.stats().requests_total == 1);
        eventually("the end of the connection", || running.server.num_connections() == 0);
        assert!(client.try_reply(false).is_err(), "the reply is cut off, with {reply_buffer_bytes} bytes to keep");
        assert!(running.client().is_alive());
        eventually("the return of the memory", || running.server.stats().memory_bytes == 0);
    }
}

/// Sends a byte every 20 ms until there is a reply, while another client is served.
fn drip(running: &Running, start: &str) -> Reply {
    let mut client = running.client();
    client.send(start);
    client.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let begin = Instant::now();
    loop {
        assert!(running.client().is_alive(), "another client is not answered");
        match client.send_anyway("a").try_reply(false) {
            Ok(reply) => return reply,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}"),
        }
        assert!(begin.elapsed() < PATIENCE, "it may go on for ever");
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_has_only_so_much_time() {
    let running = one_worker(Limits { head_time: SHORT, ..Default::default() });
    assert_eq!(drip(&running, "GET /").status, 408);
    assert_eq!(drip(&running, "GET / HTTP/1.1\r\nHost: a\r\nX: ").status, 408);
}

#[test]
fn a_body_that_comes_byte_by_byte_is_too_slow() {
    // Collected by the server. One that streams takes a thread of the program's, and has the same limit.
    for body_buffer_bytes in [1 << 20, 1] {
        let limits = Limits { rate_bytes: 10_000, rate_window: SHORT, body_buffer_bytes, ..Default::default() };
        let running = echo(limits);
        assert_eq!(drip(&running, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n").status, 408);
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;";
        assert_eq!(drip(&running, head).status, 408);
    }
}

#[test]
fn the_time_for_a_head_begins_with_its_own_first_byte() {
    let running = one_worker(Limits { head_time: Duration::from_millis(3_000), ..Default::default() });
    let mut client = running.client();
    for piece in ["GET /a HTT", "P/1.1\r\nHost: a\r\n\r\nGET /b HTT", "P/1.1\r\nHost: a\r\n\r\n"] {
        client.send(piece);
        thread::sleep(Duration::from_millis(1_600));
    }
    assert_eq!(client.reply().text(), "GET /a ");
    assert_eq!(client.reply().text(), "GET /b ", "its head took no longer than the other's");
}

#[test]
fn a_connection_that_is_used_is_not_idle() {
    let running = one_worker(Limits { idle_time: Duration::from_millis(1_500), ..Default::default() });
    let mut client = running.client();
    for _ in 0..8 {
        assert!(client.is_alive(), "closed as idle although it was used a moment before");
        thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_reply_of_some_kilobytes_does_not_wait_for_an_acknowledgement() {
    let running = serve(Limits::default(), 1, |request| {
        let _ = request.respond(Response::from_data(vec![b'x'; 5_000]));
    });
    let mut client = running.client();
    let mut times: Vec<Duration> = (0..41)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().body.len(), 5_000);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    assert!(times[20] < Duration::from_millis(25), "the median is {:?}", times[20]);
}
