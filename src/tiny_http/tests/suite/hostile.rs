//! Clients that do what they should not, or are cut off while they do what they should.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use crate::slow::{BIG, SHORT, one_worker};
use crate::support::*;
use tiny_http::{Limits, Response};

/// Resets the connection: what the server reads or writes next fails.
fn reset(client: Client) {
    set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn requests_for_http_2_leave_no_connection_behind() {
    let running = one_worker(Limits { linger_time: SHORT, ..Default::default() });
    let clients: Vec<Client> = (0..30)
        .map(|_| {
            let mut client = running.client();
            assert_eq!(client.send("GET / HTTP/2.0\r\n\r\n").reply().status, 505);
            client
        })
        .collect();
    eventually("the end of connections that their clients keep", || running.server.num_connections() == 0);
    drop(clients);
    assert!(running.client().is_alive());
}

#[test]
fn a_client_that_is_refused_and_goes_on_sending_is_cut_off() {
    let running = one_worker(Limits { linger_time: SHORT, ..Default::default() });
    for first in ["nonsense\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n"] {
        let mut client = running.client();
        client.send(first);
        let start = Instant::now();
        while client.stream.write_all(&[b'x'; 16 << 10]).is_ok() {
            assert!(start.elapsed() < PATIENCE, "it may send for ever");
        }
        eventually("the end of the connection", || running.server.num_connections() == 0);
    }
    assert!(running.client().is_alive());
}

#[test]
fn an_endless_head_is_refused_and_not_kept() {
    let running = one_worker(Limits::default());
    let cases = [
        ("a request line", String::new(), "GET /aaaaaaa", 414),
        ("a header", "GET / HTTP/1.1\r\nHost: a\r\nX: ".to_owned(), "aaaaaaaaaaa", 431),
        ("a name of a header", "GET / HTTP/1.1\r\nHost: a\r\n".to_owned(), "aaaaaaaaaaa", 431),
        ("many headers", "GET / HTTP/1.1\r\nHost: a\r\n".to_owned(), "X: a\r\n", 431),
        ("large headers", "GET / HTTP/1.1\r\nHost: a\r\n".to_owned(), &format!("X: {}\r\n", "a".repeat(4_000)), 431),
    ];
    for (what, start, more, status) in cases {
        let mut client = running.client();
        client.send(start);
        let more = more.repeat((64 << 10) / more.len());
        for _ in 0..64 {
            client.send_anyway(&more);
            let held = running.server.stats().memory_bytes;
            assert!(held <= 256 << 10, "{what}: {held} bytes are held");
        }
        assert_eq!(client.reply().status, status, "{what}");
        assert!(client.is_closed(), "{what}");
    }
}

#[test]
fn a_client_that_has_said_all_it_will_is_still_answered() {
    for (what, bytes, texts) in [
        ("one request", "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /a "][..]),
        ("a body", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", &["POST /a hi"]),
        (
            "three requests",
            "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n",
            &["GET /a ", "POST /b x", "GET /c "],
        ),
        ("an empty line", "\r\n", &[]),
        ("nothing", "", &[]),
    ] {
        let running = one_worker(Limits::default());
        let mut client = running.client();
        client.send(bytes).end();
        for text in texts {
            assert_eq!(client.reply().text(), *text, "{what}");
        }
        assert!(client.is_closed(), "{what}");
        eventually("the end of the connection", || running.server.num_connections() == 0);
        assert_eq!(running.server.stats().requests_rejected_total, 0, "{what}");
    }
}

#[test]
fn a_client_that_ends_in_the_middle_of_a_request_is_answered_400() {
    for body_buffer_bytes in [1 << 20, 1] {
        let running = one_worker(Limits { body_buffer_bytes, ..Default::default() });
        for bytes in [
            "G",
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\nhello",
        ] {
            let mut client = running.client();
            assert_eq!(client.send(bytes).end().reply().status, 400, "{bytes:?}");
            assert!(client.is_closed(), "{bytes:?}");
        }
        eventually("the end of all connections", || running.server.num_connections() == 0);
    }
}

#[test]
fn a_reset_in_any_place_ends_that_connection_only() {
    for body_buffer_bytes in [1 << 20, 1] {
        let running = one_worker(Limits { body_buffer_bytes, ..Default::default() });
        for bytes in [
            "",
            "GET / HTT",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTT",
            "GET /big HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            "nonsense\r\n\r\nand more",
        ] {
            for pause in [Duration::ZERO, Duration::from_millis(10)] {
                let mut client = running.client();
                client.send(bytes);
                // With a pause the server has seen the bytes before the reset, and without it perhaps not.
                thread::sleep(pause);
                reset(client);
                assert!(running.client().is_alive(), "{bytes:?}");
            }
        }
        eventually("the end of all connections", || running.server.num_connections() == 0);
        eventually("the return of the memory", || running.server.stats().memory_bytes == 0);
    }
}

#[test]
fn a_client_that_is_gone_is_no_error_of_the_handler() {
    let (gone, is_gone) = mpsc::channel::<()>();
    let (results, outcome) = mpsc::channel();
    let is_gone = Mutex::new(is_gone);
    let running = serve(Limits::default(), 1, move |request| {
        is_gone.lock().unwrap().recv().unwrap();
        let _ = results.send(request.respond(Response::from_data(vec![0; BIG])).map_err(|error| error.to_string()));
    });
    for _ in 0..3 {
        let mut client = running.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        reset(client);
        gone.send(()).unwrap();
        assert_eq!(outcome.recv_timeout(PATIENCE).unwrap(), Ok(()), "before the reply");

        let mut client = running.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        gone.send(()).unwrap();
        client.exactly(1).unwrap();
        reset(client);
        assert_eq!(outcome.recv_timeout(PATIENCE).unwrap(), Ok(()), "in the middle of the reply");
    }
    eventually("the end of all connections", || running.server.num_connections() == 0);
}

#[test]
fn a_hundred_thousand_pipelined_requests_are_answered_in_their_order() {
    const COUNT: usize = 100_000;
    let running = echo(Limits::default());
    let stream = running.client().stream;
    let mut writing = stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        for start in (0..COUNT).step_by(1_000) {
            let requests: String = (start..start + 1_000)
                .map(|number| match number % 3 {
                    0 => format!("PUT /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
                    _ => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
                })
                .collect();
            writing.write_all(requests.as_bytes()).unwrap();
        }
    });
    let (mut reading, mut line, mut body) = (BufReader::with_capacity(64 << 10, stream), String::new(), Vec::new());
    for number in 0..COUNT {
        let mut length = 0;
        loop {
            line.clear();
            assert_ne!(reading.read_line(&mut line).unwrap(), 0, "the connection ended at request {number}");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim_end().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        reading.read_exact(&mut body).unwrap();
        let text = if number % 3 == 0 { format!("PUT /{number} x") } else { format!("GET /{number} ") };
        assert_eq!(String::from_utf8_lossy(&body), text);
    }
    writer.join().unwrap();
    assert_eq!(running.server.stats().requests_total, COUNT as u64);
}

#[test]
fn a_client_that_asked_for_the_end_and_went_on_sending_sees_its_reply_and_no_reset() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let running = serve(Limits::default(), 1, move |request| {
        may_go_on.lock().unwrap().recv().unwrap();
        respond_with_echo(request);
    });
    for (count, head) in
        ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"].iter().enumerate()
    {
        let mut client = running.client();
        client.send(head);
        eventually("the request", || running.server.stats().requests_total == count as u64 + 1);
        client.send(SMUGGLED);
        go_on.send(()).unwrap();
        assert_eq!(client.reply().text(), "GET / ");
        assert_eq!(client.stream.read(&mut [0; 100]).map_err(|error| error.kind()), Ok(0), "after {head:?}");
    }
}
