//! Letting threads out of `recv` without a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::*;
use tiny_http::{Limits, Server};

const SHORT: Duration = Duration::from_millis(100);

/// A server without limits of interest, and threads that do `work` with it.
fn start(threads: usize, work: fn(&Server)) -> (Arc<Server>, Vec<JoinHandle<()>>, Arc<AtomicUsize>) {
    let (server, ended) = (Arc::new(server(Limits::default())), Arc::new(AtomicUsize::new(0)));
    let threads = (0..threads)
        .map(|_| {
            let (server, ended) = (server.clone(), ended.clone());
            thread::spawn(move || {
                work(&server);
                ended.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    (server, threads, ended)
}

fn receive_until_unblocked(server: &Server) {
    while let Ok(request) = server.recv() {
        respond_with_echo(request);
    }
}

fn waiting(server: &Server) -> usize {
    let stats = server.stats();
    stats.threads_active + stats.threads_spare
}

#[test]
fn each_call_lets_one_thread_out() {
    const THREADS: usize = 16;
    let (server, threads, ended) = start(THREADS, receive_until_unblocked);
    eventually("threads that wait", || waiting(&server) == THREADS);
    let mut client = Client::connect(server.server_addr().to_ip().unwrap());
    for out in 1..=THREADS {
        server.unblock();
        eventually("a thread to come out", || ended.load(Ordering::SeqCst) == out);
        if out < THREADS {
            assert!(client.is_alive(), "the other threads go on");
        }
    }
    assert_eq!(waiting(&server), 0);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn many_calls_at_once_let_as_many_threads_out_and_no_more() {
    let (server, threads, ended) = start(16, receive_until_unblocked);
    eventually("threads that wait", || waiting(&server) == 16);
    (0..5).for_each(|_| server.unblock());
    eventually("five threads to come out", || ended.load(Ordering::SeqCst) == 5);
    thread::sleep(SHORT);
    assert_eq!(ended.load(Ordering::SeqCst), 5);
    (0..11).for_each(|_| server.unblock());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn threads_that_come_later_are_let_out_too() {
    let server = Arc::new(server(Limits::default()));
    (0..16).for_each(|_| server.unblock());
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let server = server.clone();
            thread::spawn(move || server.recv().is_err())
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    assert!(server.recv_timeout(SHORT).unwrap().is_none());
    server.unblock();
    assert!(server.recv().is_err());
}

#[test]
fn a_thread_at_work_is_let_out_when_it_is_done() {
    let door = Arc::new(Door::default());
    let behind = door.clone();
    let running = serve(Limits::default(), 2, move |request| {
        behind.pass();
        respond_with_echo(request);
    });
    let mut clients = [running.client(), running.client()];
    for client in &mut clients {
        client.send("GET /alive HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    eventually("both threads to be busy", || running.server.stats().requests_total == 2);
    (0..2).for_each(|_| running.server.unblock());
    door.open();
    for client in &mut clients {
        assert_eq!(client.reply().text(), "GET /alive ");
    }
    eventually("both threads to be gone", || waiting(&running.server) == 0);
}

#[test]
fn threads_with_a_time_out_are_let_out_with_nothing() {
    let (server, threads, _) = start(16, |server| {
        let begin = Instant::now();
        assert!(server.recv_timeout(PATIENCE * 5).unwrap().is_none());
        assert!(begin.elapsed() < PATIENCE * 5);
    });
    (0..16).for_each(|_| server.unblock());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_time_out_passes_for_every_thread_and_takes_nothing_with_it() {
    let (server, threads, _) = start(16, |server| {
        for timeout in [SHORT, Duration::ZERO] {
            let begin = Instant::now();
            assert!(server.recv_timeout(timeout).unwrap().is_none());
            assert!(begin.elapsed() >= timeout);
        }
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(server.try_recv().unwrap().is_none());
    let mut client = Client::connect(server.server_addr().to_ip().unwrap());
    client.send("GET /alive HTTP/1.1\r\nHost: a\r\n\r\n");
    respond_with_echo(server.recv_timeout(PATIENCE).unwrap().expect("a request within the time"));
    assert_eq!(client.reply().text(), "GET /alive ");
}

#[test]
fn the_iterator_of_requests_ends() {
    let (server, threads, _) = start(4, |server| server.incoming_requests().for_each(respond_with_echo));
    let mut client = Client::connect(server.server_addr().to_ip().unwrap());
    assert!(client.is_alive());
    (0..4).for_each(|_| server.unblock());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
