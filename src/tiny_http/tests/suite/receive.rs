//! Programs that call `recv()` and its kin in ways of their own.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tiny_http::{Limits, Request, Response, Server};

use crate::support::*;
use crate::threads::{act, ask, get};

/// Sixteen clients ask sixty times each, in parallel.
fn sixteen_clients_are_answered(address: SocketAddr) {
    thread::scope(|scope| {
        for index in 0..16 {
            scope.spawn(move || {
                ask(address, (0..60).map(|number| format!("/{index}/{number}")), &AtomicBool::new(false));
            });
        }
    });
}

#[test]
fn one_thread_may_receive_and_others_answer() {
    let server = Arc::new(server(Limits::default()));
    let (sender, receiver) = mpsc::channel::<Request>();
    let receiver = Mutex::new(receiver);
    thread::scope(|scope| {
        scope.spawn(|| server.incoming_requests().for_each(|request| sender.send(request).unwrap()));
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let request = receiver.lock().unwrap().recv_timeout(PATIENCE);
                    match request {
                        Ok(request) if request.url() == "/end" => return act(request),
                        Ok(request) => act(request),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        let _end = AtEnd(|| {
            server.shutdown(Duration::ZERO);
        });
        let address = server.server_addr().to_ip().unwrap();
        sixteen_clients_are_answered(address);
        ask(address, (0..4).map(|_| "/end".to_owned()), &AtomicBool::new(false));
    });
}

/// Calls `serve` in `threads` threads again and again while clients ask for something.
fn polled(threads: usize, serve: impl Fn(&Server) + Sync) {
    let server = server(Limits::default());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    serve(&server);
                }
            });
        }
        let _end = AtEnd(|| is_over.store(true, Ordering::Relaxed));
        sixteen_clients_are_answered(server.server_addr().to_ip().unwrap());
    });
    assert_eq!(server.stats().requests_total, 16 * 60);
}

#[test]
fn threads_that_wait_for_a_moment_only_serve_as_well() {
    for (threads, time) in [(1, 1), (2, 50), (32, 1), (32, 20)] {
        polled(threads, |server| {
            if let Some(request) = server.recv_timeout(Duration::from_millis(time)).unwrap() {
                respond_with_echo(request);
            }
        });
    }
}

#[test]
fn a_thread_that_only_looks_whether_something_is_there_serves_as_well() {
    for threads in [1, 8] {
        polled(threads, |server| match server.try_recv().unwrap() {
            Some(request) => respond_with_echo(request),
            None => thread::sleep(Duration::from_micros(200)),
        });
    }
}

#[test]
fn a_thread_may_mix_all_ways_to_receive() {
    let turn = AtomicUsize::new(0);
    polled(8, |server| {
        let request = match turn.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => server.try_recv(),
            1 => server.recv_timeout(Duration::from_millis(2)),
            _ => server.recv_timeout(Duration::ZERO),
        };
        if let Some(request) = request.unwrap() {
            respond_with_echo(request);
        }
    });
}

#[test]
fn a_thread_may_serve_two_servers_in_turn() {
    let servers = [server(Limits::default()), server(Limits::default())];
    let addresses = servers.each_ref().map(|server| server.server_addr().to_ip().unwrap());
    thread::scope(|scope| {
        // More threads than cores, so that they wait for their turn at both.
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    servers.iter().for_each(|server| act(server.recv().unwrap()));
                }
            });
        }
        let _end = AtEnd(|| {
            let _ = servers.each_ref().map(|server| server.shutdown(Duration::ZERO));
        });
        thread::scope(|scope| {
            for index in 0..16 {
                let targets = (0..100).map(move |number| format!("/{index}/{number}"));
                scope.spawn(move || ask(addresses[index % 2], targets, &AtomicBool::new(false)));
            }
        });
    });
}

#[test]
fn each_request_reaches_one_thread_and_gets_one_answer() {
    const CLIENTS: usize = 16;
    const REQUESTS: usize = 100;
    let seen = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let running = serve(Limits::default(), 8, {
        let seen = seen.clone();
        move |request| {
            *seen.lock().unwrap().entry(request.url().to_owned()).or_default() += 1;
            respond_with_echo(request);
        }
    });
    thread::scope(|scope| {
        for index in 0..CLIENTS {
            let mut client = running.client();
            scope.spawn(move || {
                // In pairs, of which the second comes in two pieces while the first is being answered.
                for number in (0..REQUESTS).step_by(2) {
                    let targets = [format!("/{index}/{number}"), format!("/{index}/{}", number + 1)];
                    let second = get(&targets[1]);
                    let (front, rest) = second.split_at(number % second.len());
                    client.send(get(&targets[0]) + front).stream.flush().unwrap();
                    client.send(rest);
                    for target in targets {
                        assert_eq!(client.reply().text(), format!("GET {target} "));
                    }
                }
                // The answer to this is the next thing that comes.
                assert!(client.is_alive());
            });
        }
    });
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), CLIENTS * REQUESTS + 1, "and one target for all that asked whether they were alive");
    let more_than_once: Vec<_> = seen.iter().filter(|(target, count)| **count != 1 && *target != "/alive").collect();
    assert!(more_than_once.is_empty(), "{more_than_once:?}");
}

#[test]
fn a_request_that_is_looked_at_and_not_wanted_is_the_next_that_is_answered() {
    let server = server(Limits::default());
    let address = server.server_addr().to_ip().unwrap();
    assert!(server.try_recv_if(|_| true).unwrap().is_none(), "nobody is there");
    let look = |is_wanted: bool| {
        let (mut seen, mut request) = (String::new(), None);
        eventually("the request", || {
            let look = |request: &Request| {
                request.url().clone_into(&mut seen);
                is_wanted
            };
            request = server.try_recv_if(look).unwrap();
            !seen.is_empty()
        });
        (seen, request)
    };
    let [mut one, mut other] = [(); 2].map(|()| Client::connect(address));
    for round in 0..3 {
        one.send(get("/one"));
        assert!(matches!(look(false), (url, None) if url == "/one"));
        assert_eq!(server.stats().requests_total, round * 2, "the program has not had it");
        other.send(get("/other"));
        for _ in 0..20 {
            assert!(server.try_recv_if(|_| true).unwrap().is_none(), "nobody overtakes");
            thread::sleep(Duration::from_millis(1));
        }
        let first = server.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(first.url(), "/one");
        let (url, second) = look(true);
        assert_eq!(url, "/other");
        assert_eq!(server.stats().requests_total, round * 2 + 2);
        second.unwrap().respond(Response::from_string("second")).unwrap();
        first.respond(Response::from_string("first")).unwrap();
        assert_eq!((one.reply().text(), other.reply().text()), ("first".into(), "second".into()));
    }
}

#[test]
fn looking_for_a_request_takes_nobody_else_s_end() {
    let server = server(Limits::default());
    server.unblock();
    assert!(server.try_recv_if(|_| true).unwrap().is_none());
    assert!(server.recv().is_err(), "the thread that waits is let out");
    server.shutdown(Duration::ZERO);
    assert!(server.try_recv_if(|_| true).is_err(), "there is no server any more");
}
