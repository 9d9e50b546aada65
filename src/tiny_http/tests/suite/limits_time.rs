//! What becomes of clients that take their time: just fast enough, and too slow.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::*;
use tiny_http::{Limits, Response, StatusCode};

const SHORT: Duration = Duration::from_millis(200);
/// Long enough that a machine with much to do does not make a lively client look dead.
const FAIR: Duration = Duration::from_millis(600);

/// Sends `piece` again and again until the server answers.
fn drip_until_answered(client: &mut Client, piece: &[u8]) {
    let begin = Instant::now();
    client.stream.set_nonblocking(true).unwrap();
    while client.stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        assert!(begin.elapsed() < PATIENCE, "the server listens for ever");
        let _ = client.stream.write(piece);
        thread::sleep(Duration::from_millis(10));
    }
    client.stream.set_nonblocking(false).unwrap();
}

#[test]
fn a_head_that_takes_too_long_is_answered_408_however_it_drips() {
    let running = echo(Limits { head_time: SHORT, ..patient() });
    for (what, front, drop) in [
        ("nothing more", "GET / HTTP/1.1\r\nHost: a\r\n", ""),
        ("a byte", "G", ""),
        ("drops in the target", "GET /", "x"),
        ("headers one by one", "GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n"),
        ("an empty line first", "\r\nGET", " "),
    ] {
        let mut client = running.client();
        let begin = Instant::now();
        client.send(front);
        drip_until_answered(&mut client, drop.as_bytes());
        assert!(begin.elapsed() >= SHORT, "{what}");
        assert_eq!(client.reply().status, 408, "{what}");
        assert!(client.is_closed(), "{what}");
    }
    assert_eq!(running.server.stats().requests_total, 0);
}

#[test]
fn the_time_for_a_head_begins_with_its_first_byte() {
    let running = echo(Limits { head_time: FAIR, ..patient() });
    let (mut silent, mut kept) = (running.client(), running.client());
    assert!(kept.is_alive());
    let mut slow = running.client();
    slow.send("GET / HTTP/1.1\r\n");
    assert_eq!(slow.reply().status, 408, "so much time has gone by");
    assert!(silent.is_alive() && kept.is_alive());
}

#[test]
fn each_head_of_a_connection_has_its_own_time() {
    let running = echo(Limits { head_time: FAIR, ..patient() });
    in_some_attempt("each head came in time", || {
        let mut client = running.client();
        let begin = Instant::now();
        client.send("GET /alive HT");
        let mut round = || {
            thread::sleep(FAIR / 6);
            client.send_anyway("TP/1.1\r\nHost: a\r\n\r\nGET /alive HT").reply().status
        };
        std::iter::repeat_with(|| round() == 200).find(|is_served| !is_served || begin.elapsed() > FAIR * 2).unwrap()
    });
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let running = echo(Limits { idle_time: SHORT, ..patient() });
    let begin = Instant::now();
    let (mut silent, mut used) = (running.client(), running.client());
    let used_until = Instant::now();
    assert!(used.is_alive());
    assert!(silent.is_closed());
    assert!(begin.elapsed() >= SHORT);
    assert!(used.is_closed());
    assert!(used_until.elapsed() >= SHORT);
    eventually("both to be counted", || running.server.stats().timeouts_total == 2);
    assert_eq!(running.server.stats().requests_rejected_total, 0);
}

#[test]
fn a_connection_is_idle_since_its_last_request() {
    let running = echo(Limits { idle_time: FAIR, ..patient() });
    in_some_attempt("it was never idle for so long", || {
        let mut client = running.client();
        (0..12).all(|_| {
            thread::sleep(FAIR / 6);
            client.is_alive()
        })
    });
}

const HALF_A_BODY: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf";
const HALF_A_CHUNK: &str = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nhalf";

#[test]
fn a_body_that_stalls_is_answered_408() {
    // Collected, and read by the program.
    for body_buffer_bytes in [1000, 3] {
        let running = serve(Limits { stall_time: SHORT, body_buffer_bytes, ..patient() }, 1, respond_with_echo);
        for front in [HALF_A_BODY, HALF_A_CHUNK] {
            let mut client = running.client();
            let begin = Instant::now();
            assert_eq!(client.send(front).reply().status, 408);
            assert!(begin.elapsed() >= SHORT);
            assert!(client.is_closed());
        }
        assert!(running.client().is_alive());
    }
}

#[test]
fn a_body_that_stalls_takes_no_thread() {
    let running = serve(patient(), 1, respond_with_echo);
    let mut stalled: Vec<Client> = (0..10).map(|_| running.client()).collect();
    for client in &mut stalled {
        client.send(HALF_A_BODY);
    }
    assert!(running.client().is_alive(), "the only thread is free");
    for client in &mut stalled {
        assert_eq!(client.send([b'x'; 996]).reply().status, 200);
    }
}

#[test]
fn a_body_that_drips_is_served_while_it_makes_progress() {
    for body_buffer_bytes in [1000, 3] {
        let running = echo(Limits { stall_time: FAIR, body_buffer_bytes, ..patient() });
        in_some_attempt("there was always progress", || {
            let mut client = running.client();
            client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n");
            for _ in 0..16 {
                thread::sleep(FAIR / 12);
                client.send_anyway("x");
            }
            client.reply().status == 200
        });
    }
}

/// The rate of these tests; a body is collected, or read by the program if it is longer than so many bytes.
fn with_rate(body_buffer_bytes: usize) -> Limits {
    Limits { rate_bytes: 10_000, rate_window: FAIR, body_buffer_bytes, ..patient() }
}

#[test]
fn a_body_slower_than_the_rate_is_answered_408() {
    for body_buffer_bytes in [1 << 20, 3] {
        let running = echo(with_rate(body_buffer_bytes));
        let slow = |front: &str| {
            let mut client = running.client();
            let begin = Instant::now();
            client.send(front);
            drip_until_answered(&mut client, b"x");
            assert!(begin.elapsed() >= FAIR);
            assert_eq!(client.reply().status, 408, "buffer {body_buffer_bytes}");
            assert!(client.is_closed());
        };
        thread::scope(|scope| {
            scope.spawn(|| slow(HALF_A_BODY));
            scope.spawn(|| slow(HALF_A_CHUNK));
        });
    }
}

#[test]
fn a_body_faster_than_the_rate_is_served() {
    const PIECE: usize = 10_000;
    const PIECES: usize = 24;
    for body_buffer_bytes in [1 << 20, 3] {
        let running = echo(with_rate(body_buffer_bytes));
        in_some_attempt("each window had enough", || {
            let mut client = running.client();
            let length = PIECE * PIECES;
            client.send(format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
            for _ in 0..PIECES {
                thread::sleep(FAIR / 16);
                client.send_anyway([b'x'; PIECE]);
            }
            client.reply().status == 200
        });
    }
}

#[test]
fn an_unread_body_that_does_not_come_closes_the_connection() {
    let limits = Limits { stall_time: SHORT, body_buffer_bytes: 3, ..patient() };
    let running = serve(limits, 1, |request| request.respond(Response::empty(204)).unwrap());
    for front in [HALF_A_BODY, HALF_A_CHUNK] {
        let mut client = running.client();
        assert_eq!(client.send(front).reply().status, 204);
        assert!(client.is_closed());
    }
    eventually("both to be counted", || running.server.stats().timeouts_total == 2);
}

/// A server of one thread that answers `/big` with this response, and the fate of those answers.
fn serve_big<R: Read + 'static>(
    limits: Limits,
    response: fn() -> Response<R>,
) -> (Running, Receiver<Result<(), ErrorKind>>) {
    let (told, fates) = mpsc::channel();
    let told = Mutex::new(told);
    let running = serve(limits, 1, move |request| match request.url() {
        "/big" => told.lock().unwrap().send(request.respond(response()).map_err(|error| error.kind())).unwrap(),
        _ => respond_with_echo(request),
    });
    (running, fates)
}

const GET_BIG: &str = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_reply_that_nobody_reads_is_given_up_whoever_writes_it() {
    for (reply_buffer_bytes, fate) in [(BIG.len() * 2, Ok(())), (1000, Err(ErrorKind::TimedOut))] {
        let limits = Limits { stall_time: SHORT, linger_time: SHORT, reply_buffer_bytes, ..patient() };
        let (running, fates) = serve_big(limits, big_response);
        let mut client = running.client();
        client.send(GET_BIG);
        assert_eq!(fates.recv_timeout(PATIENCE).unwrap(), fate);
        eventually("the end of the connection", || running.server.num_connections() == 0);
        assert_eq!(running.server.stats().timeouts_total, 1);
        assert_eq!(running.server.stats().memory_bytes, 0);
        assert!(client.try_reply(false).is_err(), "not all of the reply has been sent");
        assert!(running.client().is_alive(), "the thread lives");
    }
}

#[test]
fn a_reply_read_more_slowly_than_the_rate_is_given_up_when_a_thread_writes_it() {
    let limits = Limits { rate_bytes: 1 << 40, rate_window: SHORT, linger_time: SHORT, ..patient() };
    let (running, fates) =
        serve_big(limits, || Response::new(StatusCode(200), Vec::new(), io::repeat(b'x'), None, None));
    let mut client = running.client();
    client.send(GET_BIG);
    let mut piece = vec![0; 256 << 10];
    let fate = loop {
        if let Ok(fate) = fates.try_recv() {
            break fate;
        }
        client.stream.read_exact(&mut piece).expect("the reply goes on until it is given up");
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(fate, Err(ErrorKind::TimedOut));
    eventually("the end of the connection", || running.server.num_connections() == 0);
}

#[test]
fn a_refused_client_that_sends_on_gets_the_answer_and_no_reset() {
    let running = echo(Limits { linger_time: Duration::from_secs(600), ..patient() });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    client.stream.peek(&mut [0]).expect("the answer comes before the body");
    for _ in 0..100 {
        client.send(vec![0; 80_000]);
    }
    assert_eq!(client.reply().status, 413);
    assert!(client.is_closed());
    client.end();
    eventually("the end of the connection", || running.server.num_connections() == 0);
}

#[test]
fn a_refused_client_that_sends_on_for_ever_is_cut_off() {
    let running = echo(Limits { linger_time: SHORT, ..patient() });
    for pause in [Duration::ZERO, SHORT / 20] {
        let mut client = running.client();
        let begin = Instant::now();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
        while client.stream.write_all(b"more").is_ok() {
            assert!(begin.elapsed() < PATIENCE);
            thread::sleep(pause);
        }
        assert!(begin.elapsed() >= SHORT);
        eventually("the end of the connection", || running.server.num_connections() == 0);
    }
}
