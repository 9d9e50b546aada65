//! What a server does just below each limit of a request's size, and just beyond it.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::*;
use tiny_http::{Limits, Request, Response};

/// Where heads are cut when they are sent in two parts: around each end of a line.
fn cuts(bytes: &str) -> Vec<usize> {
    let ends = bytes.match_indices("\r\n").flat_map(|(at, _)| [at, at + 1, at + 2]);
    ends.filter(|&at| at < bytes.len()).chain([bytes.len()]).collect()
}

#[test]
fn heads_up_to_each_limit_are_served_and_larger_ones_are_refused() {
    let limits = Limits { head_bytes: 300, line_bytes: 100, headers: 5, ..patient() };
    let running = echo(limits);
    let line = |length: usize| format!("GET /{} HTTP/1.1", "x".repeat(length - "GET / HTTP/1.1".len()));
    let header = |length: usize| format!("X: {}", "x".repeat(length - "X: ".len()));
    let head = |lines: &[String]| format!("{}\r\nHost: a\r\n\r\n", lines.join("\r\n"));
    let (short, long) = (line(20), header(88));
    let with_headers = |count: usize| head(&[vec![short.clone()], vec![header(4); count - 1]].concat());
    let cases = [
        ("a request line of the limit", head(&[line(100)]), 200),
        ("a longer request line", head(&[line(101)]), 414),
        ("a request line without an end", line(101), 414),
        ("a header of the limit", head(&[short.clone(), header(100)]), 200),
        ("a longer header", head(&[short.clone(), header(101)]), 431),
        ("a header without an end", format!("{short}\r\n{}", header(101)), 431),
        ("as many headers as allowed", with_headers(5), 200),
        ("one header more", with_headers(6), 431),
        ("headers without an end", format!("{short}\r\n{}", "X: x\r\n".repeat(6)), 431),
        ("a head of the limit", head(&[line(17), long.clone(), long.clone(), header(88)]), 200),
        ("a larger head", head(&[line(18), long.clone(), long.clone(), header(88)]), 431),
        ("a head without an end", [line(64), long.clone(), long, header(55)].join("\r\n"), 431),
    ];
    let mut attempts = Vec::new();
    for (what, bytes, status) in &cases {
        for cut in cuts(bytes) {
            let mut client = running.client();
            client.send(&bytes[..cut]);
            attempts.push((what, &bytes[cut..], status, client));
        }
    }
    // Whether the server reads the parts one by one changes nothing but what this test proves.
    thread::sleep(Duration::from_millis(50));
    for (what, rest, status, mut client) in attempts {
        let reply = client.send_anyway(rest).reply();
        let cut = rest.len();
        assert_eq!(reply.status, *status, "{what}, the last {cut} bytes later");
        match status {
            200 => assert!(client.is_alive(), "{what}, the last {cut} bytes later"),
            _ => assert!(client.is_closed(), "{what}, the last {cut} bytes later"),
        }
    }
}

/// A POST with this body: with its length, or in chunks of so many bytes.
pub fn post(body: &[u8], chunk: Option<usize>) -> Vec<u8> {
    let framing = match chunk {
        None => format!("Content-Length: {}", body.len()),
        Some(_) => "Transfer-Encoding: chunked".to_owned(),
    };
    let mut bytes = format!("POST /a HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").into_bytes();
    let Some(chunk) = chunk else { return [bytes, body.to_vec()].concat() };
    for piece in body.chunks(chunk) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend([piece, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[test]
fn bodies_up_to_the_limit_come_whole_whether_they_are_collected_or_streamed() {
    let body: Vec<u8> = noise(5000).iter().map(|byte| b'a' + byte % 26).collect();
    // A buffer smaller than the largest body, as large, and larger.
    for (buffer, limit) in [(1000, 3000), (1000, 1000), (2000, 1000), (0, 1000)] {
        let limits = Limits { body_buffer_bytes: buffer, body_bytes: limit as u64, ..patient() };
        let running = echo(limits);
        let mut kept = running.client();
        for length in [0, 1, 999, 1000, 1001, 1999, 2000, 2001, 2999, 3000, 3001, 5000] {
            for chunk in [None, Some(1), Some(7), Some(1000), Some(5000)] {
                let what = format!("{length} bytes in chunks of {chunk:?}, buffer {buffer}, limit {limit}");
                let bytes = post(&body[..length], chunk);
                if length <= limit {
                    let reply = kept.send(bytes).reply();
                    assert_eq!(reply.status, 200, "{what}");
                    assert_eq!(reply.body, [b"POST /a ", &body[..length]].concat(), "{what}");
                } else {
                    let mut client = running.client();
                    assert_eq!(client.send_anyway(bytes).reply().status, 413, "{what}");
                    assert!(client.is_closed(), "{what}");
                }
            }
        }
        assert!(kept.is_alive());
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_body_comes() {
    let running = echo(patient());
    for length in ["1048577", "99999999999999", "18446744073709551615", "18446744073709551616"] {
        let mut client = running.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        assert_eq!(client.reply().status, 413, "{length}");
        assert!(client.is_closed(), "{length}");
    }
    assert_eq!(running.server.stats().requests_total, 0);
}

#[test]
fn a_body_above_the_buffer_comes_to_the_program_while_it_is_sent() {
    let limits = Limits { body_buffer_bytes: 64 << 10, body_bytes: 8 << 20, ..patient() };
    for chunk in [None, Some(100_000)] {
        let (told, half) = mpsc::channel();
        let told = Mutex::new(told);
        let running = serve(limits.clone(), 1, move |mut request| {
            let mut body = vec![0; 1 << 20];
            request.as_reader().read_exact(&mut body).unwrap();
            told.lock().unwrap().send(()).unwrap();
            request.as_reader().read_to_end(&mut body).unwrap();
            request.respond(Response::from_data(body)).unwrap();
        });
        let body = noise(3 << 20);
        let bytes = post(&body, chunk);
        let (front, back) = bytes.split_at(bytes.len() / 2);
        let mut client = running.client();
        client.send(front);
        half.recv_timeout(PATIENCE).expect("the program sees the first part");
        assert!(client.send(back).reply().body == body, "{chunk:?}");
    }
}

/// Answers a POST without a look at its body.
fn ignore_body(request: Request) {
    match request.method() {
        tiny_http::Method::Post => request.respond(Response::from_string("ignored")).unwrap(),
        _ => respond_with_echo(request),
    }
}

#[test]
fn an_unread_body_is_drained_up_to_the_limit_and_beyond_it_the_connection_closes() {
    let limits = Limits { body_buffer_bytes: 10, body_bytes: 1 << 20, drain_bytes: 1000, ..patient() };
    let running = serve(limits, 2, ignore_body);
    let cases = [
        (999, None, true),
        (1000, None, true),
        (1001, None, false),
        (900_000, None, false),
        (950, Some(950), true),
        (3000, Some(3000), false),
        (900_000, Some(1000), false),
    ];
    for (length, chunk, is_kept) in cases {
        let what = format!("{length} bytes in chunks of {chunk:?}");
        let mut client = running.client();
        let reply = client.send(post(&noise(length), chunk)).reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "ignored"), "{what}");
        match is_kept {
            true => assert!(client.is_alive(), "{what}"),
            false => assert!(client.is_closed(), "{what}"),
        }
        if chunk.is_none() {
            assert_eq!(reply.header("connection"), (!is_kept).then_some("close"), "{what}");
        }
    }
}

#[test]
fn continue_is_sent_when_the_program_reads_or_early_if_so_wished() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    for continue_early in [false, true] {
        let running = serve(Limits { continue_early, ..patient() }, 1, respond_with_echo);
        let mut client = running.client();
        assert_eq!(client.send(HEAD).reply().status, 100);
        assert_eq!(running.server.stats().requests_total, u64::from(!continue_early));
        if continue_early {
            assert!(running.client().is_alive(), "the only thread does not wait for the body");
        }
        assert_eq!(client.send("body").reply().text(), "POST / body");
        assert!(client.is_alive());

        let unread = serve(Limits { continue_early, ..patient() }, 1, ignore_body);
        let mut client = unread.client();
        client.send(HEAD);
        if continue_early {
            assert_eq!(client.reply().status, 100);
            client.send("body");
        }
        assert_eq!(client.reply().text(), "ignored");
        assert_eq!(client.is_alive(), continue_early, "else it is not known whether the body comes");

        let mut client = running.client();
        client.send(HEAD.replace("Length: 4", "Length: 1048577"));
        assert_eq!(client.reply().status, 413, "nobody continues in vain");
    }
}

#[test]
fn limits_may_be_as_large_as_their_types_allow() {
    let limits = Limits {
        connections: 1000,
        connections_per_address: Some(usize::MAX),
        head_bytes: usize::MAX,
        line_bytes: usize::MAX,
        headers: usize::MAX,
        head_time: Duration::MAX,
        idle_time: Duration::MAX,
        stall_time: Duration::MAX,
        rate_bytes: u64::MAX,
        rate_window: Duration::MAX,
        body_buffer_bytes: usize::MAX,
        large_bodies: usize::MAX,
        body_time: Duration::MAX,
        body_bytes: u64::MAX,
        reply_buffer_bytes: usize::MAX,
        drain_bytes: usize::MAX,
        memory_bytes: usize::MAX,
        linger_time: Duration::MAX,
        continue_early: true,
        policy: None,
    };
    let in_files = Limits { body_buffer_bytes: 0, ..limits.clone() };
    let streams = Limits { large_bodies: 0, continue_early: false, ..in_files.clone() };
    for limits in [limits, in_files, streams] {
        let running = echo(limits);
        let mut client = running.client();
        for chunk in [None, Some(3)] {
            let bytes = post(b"hello", chunk);
            let (front, back) = bytes.split_at(bytes.len() - 2);
            client.send(front);
            thread::sleep(Duration::from_millis(20));
            assert_eq!(client.send(back).reply().text(), "POST /a hello");
        }
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(300)));
        assert_eq!(client.reply().status, 431, "the parser has a limit of its own");
        drop(client);
        assert!(matches!(running.server.try_recv(), Ok(None)));
        assert_eq!(running.server.shutdown(Duration::MAX), 0);
    }
}

#[test]
fn a_body_that_a_program_cannot_read_is_answered_for_it() {
    let limits = Limits { body_buffer_bytes: 10, body_bytes: 1000, ..patient() };
    let running = serve(limits, 1, |mut request| {
        let error = io::copy(request.as_reader(), &mut io::sink()).unwrap_err();
        assert!(!error.to_string().is_empty());
        let again = request.as_reader().read(&mut [0]).unwrap_err();
        assert_eq!(again.to_string(), error.to_string(), "an error is there to stay");
    });
    let mut client = running.client();
    assert_eq!(client.send_anyway(post(&noise(2000), Some(100))).reply().status, 413);
    assert!(client.is_closed());
}
