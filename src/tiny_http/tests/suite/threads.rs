//! However many threads call `recv()`, and whatever they do in between, every request finds a free one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Limits, Request, Server};

use crate::support::*;

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Sleeps for the milliseconds that the request asks for with `/sleep/<ms>`, panics for `/panic`, and answers.
pub fn act(request: Request) {
    let target = request.url().to_owned();
    assert_ne!(target, "/panic", "the client asked for it");
    if let Some(time) = target.strip_prefix("/sleep/") {
        thread::sleep(Duration::from_millis(time.parse().unwrap()));
    }
    respond_with_echo(request);
}

/// Asks for each target in turn and checks every answer, until all are done or `is_over`.
pub fn ask(address: SocketAddr, targets: impl IntoIterator<Item = String>, is_over: &AtomicBool) {
    let mut client = Client::connect(address);
    for target in targets.into_iter().take_while(|_| !is_over.load(Ordering::Relaxed)) {
        client.send(get(&target));
        assert_eq!(client.reply().text(), format!("GET {target} "));
    }
}

/// Runs `act` while `count` clients ask for `target` again and again.
fn while_clients_ask<T>(count: usize, address: SocketAddr, target: &str, act: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| ask(address, std::iter::repeat_with(|| target.to_owned()), &is_over));
        }
        let _end = AtEnd(|| is_over.store(true, Ordering::Relaxed));
        act()
    })
}

#[test]
fn handlers_that_sleep_use_all_threads() {
    const SLEEP: f64 = 0.05;
    const WINDOWS: usize = 8;
    for threads in [2, 8, 32] {
        let running = serve(Limits::default(), threads, act);
        let answered = || running.server.stats().requests_total as usize;
        let ideal = threads as f64 / SLEEP;
        let rates = while_clients_ask(threads * 2, running.address(), "/sleep/50", || {
            eventually("a warm server", || answered() >= threads * 4);
            let mut rates: Vec<f64> = Vec::new();
            while rates.len() < WINDOWS && rates.last().is_none_or(|rate| *rate < 0.75 * ideal) {
                let (start, before) = (Instant::now(), answered());
                eventually("more answers", || answered() >= before + threads * 8);
                rates.push((answered() - before) as f64 / start.elapsed().as_secs_f64());
            }
            rates
        });
        let best = rates.iter().copied().fold(0.0, f64::max);
        assert!(best >= 0.75 * ideal, "{threads} threads: {rates:?} requests a second of {ideal}");
    }
}

/// Whether threads with a place are no more than a few, in most of many looks.
fn are_few_threads_active(server: &Server) -> bool {
    const LOOKS: usize = 50;
    let few = (0..LOOKS).filter(|_| {
        thread::sleep(Duration::from_millis(2));
        server.stats().threads_active <= few_threads()
    });
    few.count() > LOOKS / 2
}

/// Enough threads for quick handlers: 8 on two cores.
fn few_threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from) * 2 + 4
}

#[test]
fn quick_handlers_need_few_of_many_threads() {
    let running = serve(Limits::default(), 32, act);
    while_clients_ask(16, running.address(), "/quick", || {
        eventually("a busy server", || running.server.stats().requests_total > 1_000);
        eventually("few active threads", || are_few_threads_active(&running.server));
        let stats = running.server.stats();
        assert!(stats.threads_spare >= 32 - few_threads(), "the others are spare: {stats:?}");
    });
}

#[test]
fn few_threads_are_active_again_after_handlers_have_slept() {
    let running = serve(Limits::default(), 32, act);
    while_clients_ask(64, running.address(), "/sleep/20", || {
        let mut looks_in_a_row = 0;
        eventually("32 active threads for a while", || {
            let is_all = running.server.stats().threads_active == 32;
            looks_in_a_row = if is_all { looks_in_a_row + 1 } else { 0 };
            looks_in_a_row == 50
        });
    });
    while_clients_ask(16, running.address(), "/quick", || {
        eventually("few active threads", || are_few_threads_active(&running.server));
    });
}

#[test]
fn all_threads_can_be_in_a_handler_at_once_and_are_active_there() {
    const THREADS: usize = 32;
    // No request is answered before all threads have one, and the test has looked.
    let (meeting, end) = (Arc::new(Barrier::new(THREADS + 1)), Arc::new(Barrier::new(THREADS + 1)));
    let running = serve(Limits::default(), THREADS, {
        let (meeting, end) = (meeting.clone(), end.clone());
        move |request| {
            meeting.wait();
            end.wait();
            respond_with_echo(request);
        }
    });
    for round in 0..3 {
        let mut clients: Vec<Client> = (0..THREADS).map(|_| running.client()).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            client.send(get(&format!("/{index}/{round}")));
        }
        meeting.wait();
        thread::sleep(Duration::from_millis(20));
        let stats = running.server.stats();
        end.wait();
        for (index, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.reply().text(), format!("GET /{index}/{round} "));
        }
        assert_eq!((stats.threads_active, stats.threads_spare), (THREADS, 0), "round {round}");
    }
}

#[test]
fn a_thread_that_is_stuck_holds_up_nobody() {
    let try_with = |threads: usize, stuck: usize| {
        let running = serve(Limits::default(), threads, act);
        let mut others = running.client();
        assert!(others.is_alive());
        let mut stuck: Vec<Client> = (0..stuck).map(|_| running.client()).collect();
        for client in &mut stuck {
            client.send(get("/sleep/2000"));
        }
        let start = Instant::now();
        for number in 0..64 {
            others.send(get(&format!("/{number}")));
            assert_eq!(others.reply().text(), format!("GET /{number} "));
        }
        let time = start.elapsed();
        assert!(time < Duration::from_millis(1500), "{} of {threads} threads stuck: {time:?}", stuck.len());
        assert!(stuck.iter_mut().all(|client| client.reply().status == 200));
    };
    thread::scope(|scope| {
        for (threads, stuck) in [(2, 1), (4, 1), (4, 3), (16, 15)] {
            scope.spawn(move || try_with(threads, stuck));
        }
    });
}

#[test]
fn a_thread_that_dies_leaves_its_place_to_others_and_those_who_come_late_find_one() {
    const LATE: usize = 16;
    // Nobody who is asked to meet answers before all the threads that are left are there.
    let meeting = Arc::new(Barrier::new(LATE + 1));
    let handler = move |request: Request| {
        if request.url().starts_with("/meet") {
            meeting.wait();
        }
        act(request);
    };
    let handler = Arc::new(handler);
    let running = serve(Limits::default(), 4, {
        let handler = handler.clone();
        move |request| handler(request)
    });
    let address = running.address();
    for _ in 0..3 {
        let mut client = running.client();
        client.send(get("/panic"));
        assert_eq!(client.reply().status, 500);
    }
    let never = AtomicBool::new(false);
    ask(address, (0..200).map(|number| format!("/{number}")), &never);

    thread::scope(|scope| {
        for _ in 0..LATE {
            let (server, handler) = (running.server.clone(), handler.clone());
            scope.spawn(move || server.incoming_requests().for_each(|request| handler(request)));
        }
        let clients: Vec<_> = (0..=LATE)
            .map(|index| scope.spawn(move || ask(address, [format!("/meet/{index}")], &AtomicBool::new(false))))
            .collect();
        let results: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        drop(running);
        assert!(results.iter().all(Result::is_ok), "every thread that is left takes part");
    });
}

#[test]
fn a_thread_that_does_not_come_back_leaves_its_place_to_others() {
    const THREADS: usize = 12;
    let server = Arc::new(server(Limits::default()));
    let address = server.server_addr().to_ip().unwrap();
    let is_over = Arc::new(Barrier::new(THREADS + 1));
    for _ in 0..THREADS {
        let (server, is_over) = (server.clone(), is_over.clone());
        thread::spawn(move || {
            respond_with_echo(server.recv().unwrap());
            is_over.wait();
        });
    }
    ask(address, (0..THREADS).map(|number| format!("/{number}")), &AtomicBool::new(false));
    is_over.wait();
}
