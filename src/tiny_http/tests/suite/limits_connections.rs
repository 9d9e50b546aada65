//! Too many connections, from everywhere or from one address, and more than the process has descriptors for.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::support::*;
use rustix::net::{AddressFamily, SocketType};
use tiny_http::{Limits, Server};

/// A client on another of the machine's own addresses.
fn client_from(source: &str, server: SocketAddr) -> Client {
    let source = SocketAddr::new(source.parse::<IpAddr>().unwrap(), 0);
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &source).unwrap();
    rustix::net::connect(&socket, &server).unwrap();
    Client::from(TcpStream::from(socket))
}

#[track_caller]
fn assert_refused(client: &mut Client) {
    let reply = client.reply();
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(client.is_closed());
}

/// A server whose requests wait until the door is open, and clients that each have sent one.
fn busy(limits: Limits) -> (Running, Arc<Door>, Vec<Client>) {
    let door = Arc::new(Door::default());
    let (behind, count) = (door.clone(), limits.connections);
    let running = serve(limits, 8, move |request| {
        behind.pass();
        respond_with_echo(request);
    });
    let mut clients: Vec<Client> = (0..count).map(|_| running.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    eventually("all requests", || running.server.stats().requests_total == count as u64);
    (running, door, clients)
}

#[test]
fn one_connection_too_many_is_told_so_and_one_that_leaves_makes_room() {
    let (running, door, mut busy) = busy(Limits { connections: 2, ..patient() });
    for _ in 0..3 {
        assert_refused(&mut running.client());
    }
    door.open();
    assert!(busy.iter_mut().all(|client| client.reply().status == 200));
    drop(busy.pop());
    eventually("room", || running.server.num_connections() == 1);
    assert!(running.client().is_alive());
    assert!(busy[0].is_alive());
    let stats = running.server.stats();
    assert_eq!((stats.connections_refused_total, stats.accept_pauses_total), (3, 0));
}

#[test]
fn refused_clients_that_stay_take_nobodys_place() {
    let limits = Limits { connections: 2, linger_time: Duration::from_secs(600), ..patient() };
    let (running, door, mut busy) = busy(limits);
    let mut refused: Vec<Client> = (0..5).map(|_| running.client()).collect();
    refused.iter_mut().for_each(assert_refused);
    door.open();
    assert!(busy.iter_mut().all(|client| client.reply().status == 200));
    drop(busy.pop());
    eventually("a place", || running.server.num_connections() == 6);
    assert!(running.client().is_alive());
    assert!(busy[0].is_alive());
}

#[test]
fn for_one_connection_too_many_the_longest_idle_is_closed_and_first_those_that_never_asked() {
    let running = echo(Limits { connections: 4, ..patient() });
    let connections = |count| eventually("a connection", || running.server.num_connections() == count);
    let mut used = running.client();
    assert!(used.is_alive());
    let mut silent = running.client();
    connections(2);
    thread::sleep(Duration::from_millis(1100));
    let (mut half, mut last) = (running.client(), running.client());
    half.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha");
    assert!(last.is_alive());
    connections(4);
    // Of those that never asked, the silent one has had time enough; of the others, `used` has waited for the longest.
    let mut newcomer = running.client();
    assert!(newcomer.is_alive() && silent.is_closed());
    let mut another = running.client();
    assert!(another.is_alive() && used.is_closed());
    assert_eq!(
        half.send("lf").reply().text(),
        "POST / half",
        "a request that comes is worth more than idle connections"
    );
    assert!(last.is_alive() && newcomer.is_alive() && another.is_alive());
    let stats = running.server.stats();
    assert_eq!((stats.connections, stats.connections_refused_total), (4, 0));
}

#[test]
fn an_address_has_its_own_limit_of_connections() {
    let running = echo(Limits { connections_per_address: Some(2), ..patient() });
    let mut kept: Vec<Client> = (0..2).map(|_| running.client()).collect();
    assert!(kept.iter_mut().all(Client::is_alive));
    assert_refused(&mut running.client());

    kept.extend((0..2).map(|_| client_from("127.0.0.2", running.address())));
    assert!(kept.iter_mut().all(Client::is_alive), "another address has its own count");
    assert_refused(&mut client_from("127.0.0.2", running.address()));

    kept.remove(0);
    eventually("a place for the address", || running.client().is_alive());
    assert!(kept.iter_mut().all(Client::is_alive));
}

#[test]
fn an_address_beyond_its_limit_takes_no_place_from_others() {
    let limits = Limits {
        connections: 3,
        connections_per_address: Some(1),
        linger_time: Duration::from_secs(600),
        ..Limits::default()
    };
    let running = echo(limits);
    let mut greedy: Vec<Client> = (0..6).map(|_| running.client()).collect();
    assert!(greedy[0].is_alive());
    greedy[1..].iter_mut().for_each(assert_refused);
    let mut modest = client_from("127.0.0.2", running.address());
    assert!(modest.is_alive(), "one of three places is taken");
}

#[test]
fn ipv4_clients_of_an_ipv6_socket_are_counted_one_by_one() {
    let Ok(listener) = TcpListener::bind("[::ffff:127.0.0.1]:0") else { return };
    let address = SocketAddr::new("127.0.0.1".parse().unwrap(), listener.local_addr().unwrap().port());
    let limits = Limits { connections_per_address: Some(1), ..patient() };
    let server = Server::from_listener_with_limits(listener, None, limits).unwrap();
    let _running = serve_on(server, 2, respond_with_echo);
    let (mut first, mut second) = (Client::connect(address), client_from("127.0.0.2", address));
    assert!(first.is_alive() && second.is_alive());
    assert_refused(&mut Client::connect(address));
}

#[test]
fn ipv6_clients_are_counted_by_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let address = listener.local_addr().unwrap();
    let limits = Limits { connections_per_address: Some(1), ..patient() };
    let server = Server::from_listener_with_limits(listener, None, limits).unwrap();
    let _running = serve_on(server, 2, respond_with_echo);
    let mut first = Client::connect(address);
    assert!(first.is_alive());
    assert_refused(&mut Client::connect(address));
}

#[test]
fn a_server_out_of_descriptors_gives_up_the_idle_and_accepts_again() {
    let me = std::env::current_exe().unwrap();
    let test = "limits_connections::out_of_descriptors";
    let script = "ulimit -n 50; exec \"$0\" --exact --ignored \"$1\"";
    let child = Command::new("sh").args(["-c", script]).arg(me).arg(test).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

#[test]
#[ignore = "uses up the descriptors of its process, so another test runs it in a process of its own"]
fn out_of_descriptors() {
    let running = echo(patient());
    let mut idle = running.client();
    let mut hoard: Vec<TcpStream> = Vec::new();
    assert!(idle.is_alive());
    while let Ok(copy) = idle.stream.try_clone() {
        hoard.push(copy);
    }
    drop(hoard.pop());
    let mut newcomer = running.client();
    eventually("a pause", || running.server.stats().accept_pauses_total > 0);
    assert!(idle.is_closed());
    assert!(newcomer.is_alive());
    drop(hoard);
    assert!(running.client().is_alive());
}

#[test]
fn each_figure_moves_when_it_should() {
    let door = Arc::new(Door::default());
    let limits = Limits { connections: 2, ..patient() };
    let behind = door.clone();
    let running = serve(limits, 4, move |request| {
        behind.pass();
        respond_with_echo(request);
    });
    let stats = || running.server.stats();
    let fresh = stats();
    assert_eq!((fresh.connections, fresh.connections_total, fresh.memory_bytes), (0, 0, 0));
    eventually("four threads", || stats().threads_active + stats().threads_spare == 4);

    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("a request", || stats().requests_total == 1);
    assert_eq!((stats().connections, running.server.num_connections()), (1, 1));
    door.open();
    assert_eq!(client.reply().status, 200);
    assert!(client.is_alive());
    assert_eq!(stats().requests_total, 2);

    let mut wrong = running.client();
    assert_eq!(wrong.send("nonsense\r\n\r\n").reply().status, 400);
    eventually("a rejected request", || stats().requests_rejected_total == 1);
    assert_eq!(stats().requests_total, 2);
    drop(wrong);
    eventually("one connection", || stats().connections == 1);
    drop(client);
    eventually("no connections", || stats().connections == 0);
    let last = stats();
    assert_eq!((last.connections_total, last.connections_refused_total), (2, 0));
    assert_eq!((last.requests_total, last.requests_rejected_total), (2, 1));
    assert_eq!((last.timeouts_total, last.accept_pauses_total, last.memory_bytes), (0, 0, 0));
}
