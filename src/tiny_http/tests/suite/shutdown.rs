//! Ending a server: who is still answered, who is cut off and counted, and what is left behind.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::*;
use tiny_http::{Limits, Response};

const GET: &str = "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_WAIT: &str = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_BIG: &str = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
const SOON: Duration = Duration::from_millis(200);

/// A server whose `/wait` says that it is there and waits at the door.
fn serve_with_door(limits: Limits, threads: usize) -> (Running, Arc<Door>, Receiver<()>) {
    let (door, (told, entries)) = (Arc::new(Door::default()), mpsc::channel());
    let (behind, told) = (door.clone(), Mutex::new(told));
    let running = serve(limits, threads, move |request| match request.url() {
        "/wait" => {
            told.lock().unwrap().send(()).unwrap();
            behind.pass();
            respond_with_echo(request);
        }
        "/big" => {
            let _ = request.respond(big_response());
        }
        _ => respond_with_echo(request),
    });
    (running, door, entries)
}

#[test]
fn idle_clients_are_closed_while_a_running_request_is_answered_to_the_end() {
    let (running, door, entries) = serve_with_door(patient(), 2);
    let (mut fresh, mut used, mut waiting) = (running.client(), running.client(), running.client());
    assert!(used.is_alive());
    waiting.send(GET_WAIT);
    entries.recv_timeout(PATIENCE).unwrap();
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| running.server.shutdown(PATIENCE));
        assert!(fresh.is_closed() && used.is_closed());
        assert!(is_refused(running.address()));
        assert!(!shutdown.is_finished());
        door.open();
        let reply = waiting.reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "GET /wait "));
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(waiting.is_closed());
        drop(waiting);
        assert_eq!(shutdown.join().unwrap(), 0);
    });
    assert_eq!(running.server.num_connections(), 0);
}

#[test]
fn a_server_with_nothing_to_do_shuts_down_at_once_whatever_the_deadline() {
    for attempt in 0..50 {
        let running = echo(Limits { linger_time: Duration::from_millis(10), ..patient() });
        let mut idle: Vec<Client> = (0..attempt % 4).map(|_| running.client()).collect();
        assert!(idle.iter_mut().skip(1).all(Client::is_alive));
        let begin = Instant::now();
        assert_eq!(running.server.shutdown(PATIENCE), 0);
        assert!(begin.elapsed() < PATIENCE / 2, "attempt {attempt}");
        assert!(idle.iter_mut().all(Client::is_closed));
    }
}

#[test]
fn requests_that_have_begun_may_be_completed_before_the_deadline() {
    let (running, _door, _entries) = serve_with_door(patient(), 1);
    let mut clients: Vec<(Client, &str)> = [
        ("GET /alive HT", "TP/1.1\r\nHost: a\r\n\r\n"),
        ("POST /alive HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo", "dy"),
        ("POST /alive HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx", "\r\n0\r\n\r\n"),
    ]
    .map(|(front, back)| {
        let mut client = running.client();
        client.send(front);
        (client, back)
    })
    .into();
    let mut idle = running.client();
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| running.server.shutdown(PATIENCE));
        assert!(idle.is_closed());
        for (client, back) in &mut clients {
            let reply = client.send(back).reply();
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("connection"), Some("close"));
            assert!(client.is_closed());
        }
        drop(clients);
        assert_eq!(shutdown.join().unwrap(), 0);
    });
}

#[test]
fn requests_that_wait_to_be_accepted_are_answered() {
    let (running, door, entries) = serve_with_door(patient(), 1);
    let mut busy = running.client();
    busy.send(GET_WAIT);
    entries.recv_timeout(PATIENCE).unwrap();
    let mut queued: Vec<Client> = (0..10).map(|_| running.client()).collect();
    for client in &mut queued {
        client.send(GET);
    }
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| running.server.shutdown(PATIENCE));
        eventually("the end of accepting", || is_refused(running.address()));
        door.open();
        assert_eq!(busy.reply().status, 200);
        for client in &mut queued {
            let reply = client.reply();
            assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        }
        drop((busy, queued));
        assert_eq!(shutdown.join().unwrap(), 0);
    });
}

#[test]
fn what_is_not_done_at_the_deadline_is_cut_off_and_counted() {
    let cases: [(&str, &[&str], usize, usize); 9] = [
        ("idle clients", &["", "", ""], 1 << 20, 0),
        ("half a head", &["GET /alive HTTP/1.1\r\nHos"], 1 << 20, 1),
        ("half a body", &["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"], 1 << 20, 1),
        ("a handler that runs", &[GET_WAIT], 1 << 20, 1),
        ("a request that no thread has taken", &[GET_WAIT, GET], 1 << 20, 2),
        ("a reply that a thread writes", &[GET_BIG], 1 << 20, 1),
        ("a reply left to the server", &[GET_BIG], BIG.len() * 2, 1),
        ("a client that was refused", &["nonsense\r\n\r\n"], 1 << 20, 0),
        ("some of each", &["GET", "", GET_BIG, "POST", GET_WAIT, ""], BIG.len() * 2, 4),
    ];
    for (what, beginnings, reply_buffer_bytes, expected) in cases {
        let (running, door, entries) = serve_with_door(Limits { reply_buffer_bytes, ..patient() }, 1);
        let mut clients = Vec::new();
        for beginning in beginnings {
            let mut client = running.client();
            client.send(beginning);
            match *beginning {
                GET_WAIT => entries.recv_timeout(PATIENCE).unwrap(),
                GET_BIG | "nonsense\r\n\r\n" => drop(client.stream.peek(&mut [0]).unwrap()),
                _ => {}
            }
            clients.push(client);
        }
        let begin = Instant::now();
        assert_eq!(running.server.shutdown(SOON), expected, "{what}");
        assert!(expected == 0 || begin.elapsed() >= SOON, "{what}");
        for client in &mut clients {
            let error = std::iter::from_fn(|| Some(client.try_reply(false))).find_map(Result::err).unwrap();
            assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{what}: {error}");
        }
        door.open();
        eventually("the last handler to be done", || running.server.num_connections() == 0);
        assert_eq!(running.server.stats().memory_bytes, 0, "{what}");
    }
}

#[test]
fn a_request_that_was_just_answered_is_not_counted_as_cut_off() {
    for attempt in 0..100 {
        let running = echo(patient());
        let mut client = running.client();
        assert!(client.is_alive());
        assert_eq!(running.server.shutdown(Duration::ZERO), 0, "attempt {attempt}");
    }
}

#[test]
fn threads_get_no_more_requests_from_a_server_that_is_shut_down() {
    let server = Arc::new(server(patient()));
    let threads: Vec<_> = (0..16)
        .map(|index| {
            let server = server.clone();
            thread::spawn(move || match index % 4 {
                0 => server.recv_timeout(PATIENCE * 5).is_err(),
                1 => server.incoming_requests().next().is_none(),
                _ => server.recv().is_err(),
            })
        })
        .collect();
    eventually("threads that wait", || server.stats().threads_active + server.stats().threads_spare == 16);
    for _ in 0..2 {
        assert_eq!(server.shutdown(PATIENCE), 0);
        assert!(server.recv().is_err());
        assert!(server.recv_timeout(Duration::MAX).is_err());
        assert!(server.try_recv().is_err());
        assert!(server.incoming_requests().next().is_none());
    }
    for thread in threads {
        assert!(thread.join().unwrap(), "an error, because the server is shut down");
    }
    assert!(is_refused(server.server_addr().to_ip().unwrap()));
}

#[test]
fn two_threads_may_shut_down_at_once() {
    let (running, door, entries) = serve_with_door(patient(), 2);
    let mut client = running.client();
    client.send(GET_WAIT);
    entries.recv_timeout(PATIENCE).unwrap();
    thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| running.server.shutdown(PATIENCE)));
        eventually("the end of accepting", || is_refused(running.address()));
        door.open();
        assert_eq!(client.reply().status, 200);
        drop(client);
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [0, 0]);
    });
}

#[test]
fn a_handler_may_shut_its_own_server_down() {
    for answers_first in [true, false] {
        let server = Arc::new(server(patient()));
        let address = server.server_addr().to_ip().unwrap();
        let handler = thread::spawn(move || {
            let mut request = Some(server.recv().unwrap());
            if answers_first {
                respond_with_echo(request.take().unwrap());
            }
            let cut = server.shutdown(SOON);
            request.into_iter().for_each(respond_with_echo);
            assert!(server.recv().is_err());
            cut
        });
        let mut client = Client::connect(address);
        client.send(GET);
        assert_eq!(client.try_reply(false).is_ok(), answers_first);
        assert!(client.is_closed());
        drop(client);
        assert_eq!(handler.join().unwrap(), usize::from(!answers_first));
    }
}

#[test]
fn under_load_each_reply_that_was_begun_arrives_whole() {
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = answered.clone();
    let body = noise(300_000);
    let running = serve(patient(), 4, move |request| {
        let length = if request.url() == "/long" { body.len() } else { 10 };
        let response = Response::from_data(&body[..length]);
        if request.respond(response).is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let address = running.address();
    let clients: Vec<_> = (0..16).map(|number| thread::spawn(move || load(address, number))).collect();
    eventually("load", || answered.load(Ordering::SeqCst) > 200);
    assert_eq!(running.server.shutdown(PATIENCE), 0);
    let got: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    drop(running);
    assert_eq!(got, answered.load(Ordering::SeqCst));
}

/// Sends requests until the server takes no more, and counts the replies.
fn load(address: SocketAddr, number: usize) -> usize {
    let mut replies = 0;
    while let Ok(stream) = TcpStream::connect(address) {
        let mut client = Client::from(stream);
        for round in 0..5 {
            let path = if (number + round).is_multiple_of(4) { "/long" } else { "/short" };
            client.send_anyway(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let before = client.received;
            match client.try_reply(false) {
                Ok(reply) => {
                    assert_eq!(reply.body.len(), if path == "/long" { 300_000 } else { 10 });
                    replies += 1;
                    if reply.header("connection") == Some("close") {
                        break;
                    }
                }
                Err(error) => {
                    assert_eq!(client.received, before, "a reply was cut off: {error}");
                    assert_ne!(error.kind(), ErrorKind::WouldBlock, "a client hangs");
                    break;
                }
            }
        }
    }
    replies
}

#[test]
fn handlers_run_on_after_the_deadline_and_do_no_harm() {
    let (done, is_done) = (Arc::new(Door::default()), Arc::new(AtomicBool::new(false)));
    let (behind, noted) = (done.clone(), is_done.clone());
    let running = serve(patient(), 1, move |mut request| {
        behind.pass();
        assert!(request.as_reader().read_to_end(&mut Vec::new()).is_err(), "the body cannot come any more");
        request.respond(Response::from_string("too late")).ok();
        noted.store(true, Ordering::SeqCst);
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    eventually("the request", || running.server.stats().requests_total == 1);
    assert_eq!(running.server.shutdown(Duration::ZERO), 1);
    assert!(client.is_closed());
    done.open();
    eventually("the handler to end", || is_done.load(Ordering::SeqCst));
    eventually("the connection to end", || running.server.num_connections() == 0);
}
