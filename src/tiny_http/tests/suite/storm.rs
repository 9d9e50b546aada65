//! Clients of every bad kind at once, and good ones among them that must not notice.
//!
//! `SOAK_SECONDS=180 cargo test --test suite storm -- --nocapture` goes on for longer than the usual two seconds and
//! tells what became of the process meanwhile.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use crate::process::{Process, stat};
use crate::support::*;

const GOOD_CLIENTS: usize = 8;
const BAD_CLIENTS: usize = 8;

/// A row of numbers that looks random and is the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn moment(&mut self) {
        thread::sleep(Duration::from_micros(self.below(3_000)));
    }
}

/// Connects, as soon as the system has a port again for so many connections.
fn connect(address: SocketAddr) -> Client {
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Client::from(stream),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => thread::sleep(Duration::from_millis(10)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Makes the end of the connection a reset.
fn reset(client: Client) {
    rustix::net::sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
}

/// Tells what went wrong, if it did.
struct NameOfFailure(&'static str);

#[allow(clippy::print_stderr)] // the test's output
impl Drop for NameOfFailure {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the bad client was: {}", self.0);
        }
    }
}

type Misdeed = fn(Client, &mut Numbers);

/// What bad clients do, the costly things last. Where they are answered, they are answered well.
const MISDEEDS: &[(&str, Misdeed)] = &[
    ("come and go", |_, _| {}),
    ("come, wait and go", |_, numbers| numbers.moment()),
    ("come and reset", |client, _| reset(client)),
    ("half a head", |mut client, numbers| {
        let head = b"GET /half HTTP/1.1\r\nHost: a\r\nCookie: b\r\n";
        client.send(&head[..1 + numbers.below(head.len() as u64) as usize]);
        numbers.moment();
    }),
    ("half a head and the end of the input", |mut client, _| {
        let reply = client.send("GET /half HTT").end().reply();
        assert_eq!(reply.status, 400);
    }),
    ("a head in single bytes", |mut client, numbers| {
        for byte in b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" {
            client.send([*byte]);
            if numbers.below(8) == 0 {
                numbers.moment();
            }
        }
        assert_eq!(client.reply().text(), "GET /slow ");
    }),
    ("half a body", |mut client, numbers| {
        client.send("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").send(vec![b'a'; 40_000]);
        numbers.moment();
    }),
    ("half a chunked body and a reset", |mut client, numbers| {
        client.send("POST /half HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nabc");
        numbers.moment();
        reset(client);
    }),
    ("many requests at once", |mut client, _| {
        let requests: Vec<String> = (0..50).map(|n| format!("GET /many/{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        client.send(requests.concat());
        for n in 0..50 {
            assert_eq!(client.reply().text(), format!("GET /many/{n} "));
        }
    }),
    ("many requests at once and a reset", |mut client, _| {
        client.send("GET /stream/50000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
        client.reply();
        reset(client);
    }),
    ("a body that nobody reads", |mut client, _| {
        client.send("POST /big/9 HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n").send(vec![b'a'; 30_000]);
        assert_eq!(client.reply().body.len(), 9);
        assert!(client.is_alive());
    }),
    ("a request and a reset", |mut client, _| {
        client.send("GET /sleep/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        reset(client);
    }),
    ("no HTTP", |mut client, _| {
        assert_eq!(client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").reply().status, 400);
    }),
    ("the end of the connection asked for", |mut client, _| {
        client.send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(client.reply().text(), "GET /last ");
        assert!(client.is_closed());
    }),
    ("a big body", |mut client, _| {
        client.send("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n").send(vec![b'a'; 300_000]);
        assert_eq!(client.reply().body.len(), "POST /big ".len() + 300_000);
    }),
    ("a big chunked body", |mut client, _| {
        client.send("POST /big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..100 {
            client.send(format!("7d0\r\n{}\r\n", "b".repeat(2000)));
        }
        assert_eq!(client.send("0\r\n\r\n").reply().body.len(), "POST /big ".len() + 200_000);
    }),
    ("a big reply", |mut client, _| {
        client.send("GET /big/3000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply().body.len(), 3_000_000);
        assert!(client.is_alive());
    }),
    ("a big reply that is not read", |mut client, numbers| {
        client.send("GET /big/9000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        numbers.moment();
    }),
    ("a big reply of which a part is read", |mut client, numbers| {
        client.send("GET /stream/9000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.exactly(100_000).unwrap();
        numbers.moment();
        reset(client);
    }),
    ("a reply left to the server", |mut client, numbers| {
        client.send("GET /big/3000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        numbers.moment();
        client.exactly(2_500_000).unwrap();
    }),
    ("no HTTP, without end", |mut client, _| {
        client.send_anyway(vec![b'a'; 200_000]);
        let _ = client.try_reply(false);
    }),
];

/// One round of a good client: requests of several kinds, each with its own target, and each answer is the right one.
fn be_good(client: &mut Client, name: &str) {
    assert_eq!(client.send(format!("GET {name} HTTP/1.1\r\nHost: a\r\n\r\n")).reply().text(), format!("GET {name} "));
    let post = format!("POST {name}/p HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{name}", name.len());
    assert_eq!(client.send(post).reply().text(), format!("POST {name}/p {name}"));
    client.send(format!("GET {name}/1 HTTP/1.1\r\nHost: a\r\n\r\nGET {name}/2 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.reply().text(), format!("GET {name}/1 "));
    assert_eq!(client.reply().text(), format!("GET {name}/2 "));
    let stream = client.send("GET /stream/3000 HTTP/1.1\r\nHost: a\r\n\r\n").reply();
    assert_eq!(stream.body, vec![b'x'; 3_000]);
}

/// Good and bad clients for a time. Answers how often the good ones were served.
fn storm(address: SocketAddr, time: Duration) -> usize {
    let until = Instant::now() + time;
    let rounds = AtomicUsize::new(0);
    thread::scope(|scope| {
        for index in 0..GOOD_CLIENTS {
            let rounds = &rounds;
            scope.spawn(move || {
                let mut client = connect(address);
                for number in (0..).take_while(|_| Instant::now() < until) {
                    if number % 100 == 99 {
                        client = connect(address);
                    }
                    be_good(&mut client, &format!("/good/{index}/{number}"));
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for index in 0..BAD_CLIENTS {
            scope.spawn(move || {
                let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ index as u64);
                while Instant::now() < until {
                    let mut any = || numbers.below(MISDEEDS.len() as u64) as usize;
                    // What comes later is done less often.
                    let (what, misdeed) = MISDEEDS[any().min(any())];
                    let _name = NameOfFailure(what);
                    misdeed(connect(address), &mut numbers);
                }
            });
        }
    });
    rounds.into_inner()
}

#[test]
fn good_clients_do_not_notice_a_storm_and_nothing_is_left_of_it() {
    let soak = env::var("SOAK_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(soak.unwrap_or(2));
    let mut process = Process::start(8, None);
    let mut witness = process.client();
    assert!(witness.is_alive());
    let figures = |process: &Process| (process.descriptors(), process.status("Threads"));
    let before = figures(&process);

    let mut part = 0;
    while part == 0 || Instant::now() < until {
        let time = until.saturating_duration_since(Instant::now()).min(Duration::from_secs(10));
        let rounds = storm(process.address, time);
        assert!(process.is_running());
        assert!(rounds >= GOOD_CLIENTS, "good clients were served {rounds} times");
        eventually("the end of all connections", || stat(&mut witness, "connections") == 1);
        assert_eq!(stat(&mut witness, "memory_bytes"), 0);
        eventually(&format!("{before:?} descriptors and threads"), || figures(&process) == before);
        part += 1;
        if soak.is_some() {
            let (total, memory) = (stat(&mut witness, "connections_total"), process.status("VmRSS"));
            eprintln!("part {part}: good rounds {rounds}, connections in all {total}, resident memory {memory} KiB");
        }
    }
}
