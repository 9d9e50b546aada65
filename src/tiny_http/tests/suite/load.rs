//! Many clients at once: what they cost, and that each of them is served.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Limits, Response};

use crate::process::{Process, raise_descriptors, stat};
use crate::support::*;

/// Descriptors that this process needs for other tests that run at the same time.
const DESCRIPTORS_FOR_OTHERS: usize = 2_000;
const SHORT_REQUEST: &str = "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n";

/// What [`in_parallel`] works on.
const THREADS: usize = 8;

/// Does a job `count` times, on a few threads because each connection waits for the other side, and gathers the results.
fn in_parallel<T: Send>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let job = &job;
        let worker = |first| scope.spawn(move || (first..count).step_by(THREADS).map(job).collect::<Vec<T>>());
        let workers: Vec<_> = (0..THREADS).map(worker).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

/// The 99th percentile of the times that `count` requests take, one after the other.
fn p99(client: &mut Client, count: usize) -> Duration {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            assert!(client.is_alive());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[count * 99 / 100]
}

#[test]
fn ten_thousand_idle_and_a_thousand_slow_clients_cost_little_and_slow_nobody() {
    const ROUNDS: usize = 12;
    const REQUESTS: usize = 2_000;
    let descriptors = raise_descriptors();
    let count = descriptors.saturating_sub(DESCRIPTORS_FOR_OTHERS).min(11_000);
    if count < 11_000 {
        eprintln!("only {count} connections, because this process may have no more than {descriptors} descriptors");
    }
    let (slow_count, idle_count) = (count / 11, count - count / 11);

    // The same server without a crowd is what the other is compared with, at the same time, because time changes a lot.
    let (crowded, quiet) = (Process::start(8, None), Process::start(8, None));
    let (mut crowded_client, mut quiet_client) = (crowded.client(), quiet.client());
    let before = p99(&mut crowded_client, REQUESTS);
    let memory_before = crowded.status("VmRSS");

    let idle: Vec<TcpStream> = in_parallel(idle_count, |_| {
        let mut client = crowded.client();
        assert!(client.is_alive());
        client.stream
    });
    let slow = in_parallel(slow_count, |_| {
        let mut client = crowded.client();
        client.send("GET /alive HTTP/1.1\r\nHost: a\r\nX: ");
        client.stream
    });
    let threads = crowded.status("Threads");
    assert!(threads < 64, "{threads} threads");

    let is_over = AtomicBool::new(false);
    let mut best = (before, Duration::MAX);
    let is_undisturbed = thread::scope(|scope| {
        scope.spawn(|| {
            for mut stream in slow.iter().cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                stream.write_all(b"x").unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let _end = AtEnd(|| is_over.store(true, Ordering::Relaxed));
        (0..ROUNDS).any(|_| {
            best.0 = best.0.min(p99(&mut quiet_client, REQUESTS));
            best.1 = best.1.min(p99(&mut crowded_client, REQUESTS));
            best.1 <= 2 * best.0.max(Duration::from_millis(1))
        })
    });
    assert!(is_undisturbed, "the best 99th percentiles without and with a crowd: {best:?}");

    let added = crowded.status("VmRSS").saturating_sub(memory_before);
    assert!(added < 64 << 10, "{added} KiB of added memory");
    assert_eq!(stat(&mut crowded_client, "connections"), count as u64 + 1, "all of them are still there");
    for stream in slow.iter().step_by(97) {
        (&*stream).write_all(b"\r\n\r\n").unwrap();
    }
    for stream in slow.into_iter().step_by(97) {
        assert_eq!(Client::from(stream).reply().text(), "GET /alive ", "the slow client gets its answer in the end");
    }
    for stream in idle.into_iter().step_by(97) {
        assert!(Client::from(stream).is_alive(), "the idle client is served again");
    }
}

/// Descriptors of a server that is to run out of them.
const FEW_DESCRIPTORS: u64 = 64;

#[test]
fn without_descriptors_it_makes_room_and_later_accepts_by_itself() {
    let mut process = Process::start(2, Some(FEW_DESCRIPTORS));
    let crowd: Vec<Client> = in_parallel(200, |index| {
        let mut client = process.client();
        client.send(format!("GET /{index} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.reply().text(), format!("GET /{index} "));
        client
    });
    assert!(process.is_running());
    assert!(process.stat("accept_pauses_total") > 0, "accepting paused");

    drop(crowd);
    eventually("the end of the crowd", || process.stat("connections") == 1);
    let pauses = process.stat("accept_pauses_total");
    let mut newcomers: Vec<Client> = (0..20).map(|_| process.client()).collect();
    assert!(newcomers.iter_mut().all(Client::is_alive));
    assert_eq!(process.stat("accept_pauses_total"), pauses, "there is no need to pause any more");
    assert!(process.is_running());
}

#[test]
fn those_who_have_been_idle_for_longest_make_room_for_others() {
    let process = Process::start(2, Some(FEW_DESCRIPTORS));
    let visit = |_| {
        let mut client = process.client();
        assert!(client.is_alive());
        client
    };
    let room = FEW_DESCRIPTORS as usize - process.descriptors();
    let mut busy: Vec<Client> = (0..4).map(visit).collect();
    let early: Vec<Client> = (0..room - 8).map(visit).collect();
    thread::sleep(Duration::from_millis(100));
    assert!(busy.iter_mut().all(Client::is_alive));

    let late: Vec<Client> = (0..16).map(visit).collect();
    assert!(stat(&mut busy[0], "accept_pauses_total") > 0, "accepting paused");
    assert!(busy.iter_mut().chain(&mut { late }).all(Client::is_alive), "only those who came early had to go");
    assert!(early.into_iter().any(|mut client| !client.is_alive()));
}

#[test]
fn a_request_that_has_come_is_answered_even_if_descriptors_run_out() {
    let process = Process::start(2, Some(64));
    let mut sleepers = [process.client(), process.client()];
    for client in &mut sleepers {
        assert!(client.is_alive());
        client.send("GET /sleep/1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    // They wait to be accepted, all with their requests, while no thread is free.
    let mut clients = [(); 100].map(|()| {
        let mut client = process.client();
        client.send(SHORT_REQUEST);
        client
    });
    for (index, client) in clients.iter_mut().enumerate() {
        let reply = client.try_reply(false);
        assert!(reply.is_ok(), "client {index} of 100: {reply:?}");
    }
    assert!(sleepers.iter_mut().all(|client| client.reply().status == 200));
}

#[test]
fn sixty_four_clients_at_once_are_all_answered_whatever_the_number_of_threads() {
    const CLIENTS: usize = 64;
    const LONGEST: Duration = Duration::from_secs(5);
    for threads in [2, 4, 32] {
        let running = serve(Limits::default(), threads, respond_with_echo);
        let barrier = Barrier::new(CLIENTS);
        thread::scope(|scope| {
            let ask = |client: &mut Client, index: usize, number: usize| {
                let start = Instant::now();
                client.send(format!("GET /{index}/{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
                assert_eq!(client.reply().text(), format!("GET /{index}/{number} "));
                let time = start.elapsed();
                assert!(time < LONGEST, "{threads} threads: client {index} waited {time:?} for answer {number}");
            };
            for index in 0..CLIENTS {
                let (mut client, barrier) = (running.client(), &barrier);
                scope.spawn(move || {
                    for round in 0..10 {
                        barrier.wait();
                        ask(&mut client, index, round);
                    }
                    for number in 0..200 {
                        ask(&mut client, index, number);
                    }
                });
            }
        });
        assert_eq!(running.server.stats().requests_total, CLIENTS as u64 * 210, "{threads} threads");
    }
}

#[test]
fn five_hundred_connections_at_once_need_no_second_attempt() {
    let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let count = allowed.trim().parse::<usize>().unwrap().min(500);
    let server = server(Limits::default());
    let address = server.server_addr().to_ip().unwrap();
    // Nobody accepts: they wait. A client whose attempt is dropped tries again after a second.
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(700));
    let results: Vec<_> = (0..count).map(connect).take_while(Result::is_ok).collect();
    assert_eq!(results.len(), count);
}

#[test]
fn twenty_thousand_short_connections_leave_nothing_behind() {
    let process = Process::start(4, None);
    let mut witness = process.client();
    let short = |index: usize| {
        let mut client = process.client();
        // Each thread does each of these in turn, so that none of them runs far ahead of the server.
        match index / THREADS % 4 {
            0 => {}
            1 => assert!(client.is_alive()),
            2 => assert_eq!(client.send("GET / HTTP/1.0\r\n\r\n").reply().text(), "GET / "),
            _ => drop(client.send("GET / HTT")),
        }
    };
    // The first ones make the process as large as it needs to be.
    in_parallel(200, short);
    eventually("the end of the first connections", || stat(&mut witness, "connections") == 1);
    let figures = || (process.descriptors(), process.status("Threads"));
    let before = figures();

    in_parallel(20_000, short);
    // Some may still wait to be accepted: an end is the end only after all have come.
    eventually("all connections", || stat(&mut witness, "connections_total") == 20_201);
    eventually("the end of the connections", || stat(&mut witness, "connections") == 1);
    eventually(&format!("{before:?} descriptors and threads"), || figures() == before);
    assert_eq!(stat(&mut witness, "memory_bytes"), 0);
}

#[test]
fn a_client_that_has_taken_a_large_reply_holds_no_memory_for_it() {
    // More than the system takes at once.
    const BYTES: usize = 16 << 20;
    let answers = Arc::new(AtomicUsize::new(0));
    let running = serve(Limits::default(), 2, {
        let answers = answers.clone();
        move |request| {
            request.respond(Response::from_data(vec![b'x'; BYTES])).unwrap();
            answers.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut client = running.client();
    client.send(SHORT_REQUEST);
    eventually("a server at work", || running.server.stats().requests_total == 1);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(client.reply().body.len(), BYTES);
    eventually("the end of the handler", || answers.load(Ordering::Relaxed) == 1);
    eventually("no memory held", || running.server.stats().memory_bytes == 0);
}
