//! What this crate has beyond 0.12, and where it is stricter. What it has in common with 0.12 is tested in `ours`.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use crate::support::*;
use ascii::AsciiString;
use tiny_http::{
    ConfigListenAddr, HTTPVersion, Header, HeaderField, Limits, Request, Response, Server, ServerConfig, SslConfig,
    StatusCode, TestRequest,
};

#[test]
fn a_request_is_answered_and_the_connection_lives_on() {
    let running = echo(Limits::default());
    let mut client = running.client();
    client.send("POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let reply = client.reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "POST /a?b hello"));
    assert!(client.is_alive());
}

#[test]
fn a_header_is_found_by_its_name() {
    let running = serve(Limits::default(), 1, |request| {
        let value = |name| request.header(name).unwrap_or("none");
        let text = format!("{} {} {} {:?}", value("x-a"), value("X-B"), value("X-C"), request.header("X-D"));
        request.respond(Response::from_string(text)).unwrap();
    });
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nx-b:  b \r\nX-D:\r\n\r\n");
    assert_eq!(client.reply().text(), "1 b none Some(\"\")");

    let request: Request = TestRequest::new().with_header("A: b".parse().unwrap()).into();
    assert_eq!(
        (request.header("a"), request.header("content-length"), request.header("c")),
        (Some("b"), Some("0"), None)
    );
}

#[test]
fn the_target_is_path_and_query_whatever_its_form() {
    let running = serve(Limits::default(), 1, |request| {
        let text = format!("{} {}", request.url(), request.target());
        request.respond(Response::from_string(text)).unwrap();
    });
    let targets = [
        ("GET", "/a?b", "/a?b"),
        ("GET", "/http://a/b", "/http://a/b"),
        ("GET", "//a/b", "//a/b"),
        ("GET", "http://a/b?c=/d", "/b?c=/d"),
        ("GET", "HTTPS://a.example:443/b", "/b"),
        ("GET", "http://a", "/"),
        ("GET", "http://[::1]:80/?a", "/?a"),
        ("OPTIONS", "*", "*"),
        ("CONNECT", "a:443", "a:443"),
    ];
    let mut client = running.client();
    for (method, url, target) in targets {
        client.send(format!("{method} {url} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.reply().text(), format!("{url} {target}"));
    }
}

#[test]
fn a_server_counts_its_connections_and_requests() {
    let running = echo(Limits::default());
    let server = &running.server;
    let start = server.stats();
    assert_eq!(
        (server.num_connections(), start.connections, start.connections_total, start.requests_total),
        (0, 0, 0, 0)
    );

    let (mut first, mut second) = (running.client(), running.client());
    assert!(first.is_alive() && first.is_alive() && second.is_alive());
    let stats = server.stats();
    assert_eq!((server.num_connections(), stats.connections, stats.connections_total), (2, 2, 2));
    assert_eq!((stats.requests_total, stats.requests_rejected_total), (3, 0));
    assert_eq!((stats.connections_refused_total, stats.timeouts_total, stats.accept_pauses_total), (0, 0, 0));
    eventually("two threads that wait", || server.stats().threads_active + server.stats().threads_spare == 2);

    assert_eq!(second.send("nonsense\r\n\r\n").reply().status, 400);
    eventually("a rejected request", || server.stats().requests_rejected_total == 1);
    drop((first, second));
    eventually("the end of both connections", || server.num_connections() == 0);
    assert_eq!((server.stats().connections_total, server.stats().requests_total), (2, 3));
}

#[test]
fn limits_of_ones_own_hold_however_the_server_is_made() {
    let limits = || Limits { body_bytes: 4, ..Limits::default() };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for server in [server(limits()), Server::from_listener_with_limits(listener, None, limits()).unwrap()] {
        let mut client = Client::connect(server.server_addr().to_ip().unwrap());
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        eventually("a rejected request", || {
            assert!(server.recv_timeout(Duration::from_millis(5)).unwrap().is_none(), "the body is over the limit");
            server.stats().requests_rejected_total == 1
        });
        assert_eq!(client.reply().status, 413);
    }
}

#[test]
fn there_is_no_tls_with_limits_either() {
    let ssl = || Some(SslConfig { certificate: Vec::new(), private_key: Vec::new() });
    let addr = ConfigListenAddr::from_socket_addrs("127.0.0.1:0").unwrap();
    let error = Server::with_limits(ServerConfig { addr, ssl: ssl() }, Limits::default()).err().unwrap();
    assert!(error.to_string().contains("TLS"), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(Server::from_listener_with_limits(listener, ssl(), Limits::default()).is_err());
}

#[test]
fn a_server_that_is_dropped_closes_what_nobody_works_on() {
    let server = Server::http("127.0.0.3:0").unwrap();
    let address = server.server_addr().to_ip().unwrap();
    let mut idle = Client::connect(address);
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    server.recv().unwrap().respond(Response::empty(200)).unwrap();
    assert_eq!(idle.reply().status, 200);
    drop(server);
    assert!(idle.is_closed());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_server_that_is_shut_down_gives_no_more_requests() {
    let server = server(Limits::default());
    let address = server.server_addr().to_ip().unwrap();
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = server.recv().unwrap();
    assert_eq!(server.shutdown(Duration::ZERO), 1, "one request got no answer");
    assert!(client.is_closed());
    assert!(request.respond(Response::empty(200)).is_ok(), "a client that has gone is not an error");
    assert!(server.recv().is_err() && server.try_recv().is_err() && server.recv_timeout(PATIENCE).is_err());
    assert_eq!((server.incoming_requests().count(), server.shutdown(PATIENCE)), (0, 0));
}

#[test]
fn a_header_that_cannot_be_sent_cannot_be_made() {
    let names: [&[u8]; 7] = [b"", b"a b", b"a:", b"a\r\nb", b"a\0", b"a\tb", b"\xc3\xa4"];
    for name in names {
        assert!(Header::from_bytes(name, "b").is_err(), "{name:?} names no header");
    }
    let values: [&[u8]; 6] = [b"a\r\nb: c", b"a\n", b"\r", b"\0", b"\x7f", b"\xe4"];
    for value in values {
        assert!(Header::from_bytes("a", value).is_err(), "{value:?} is no value");
    }
    for line in [": a", "a: b\r\nc: d", "a: b\0c", "(a): b", "a/b: c"] {
        assert!(line.parse::<Header>().is_err(), "{line:?} is no header");
    }
    assert!(Header::from_bytes("a", "").is_ok() && Header::from_bytes("!#$%&'*+-.^_`|~9", " \tb ").is_ok());
}

#[test]
fn a_header_that_was_put_together_by_hand_is_looked_at_before_it_is_sent() {
    let bad = [("A", "b\r\nSet-Cookie: c"), ("A", "\0"), ("A B", "c"), ("", "c"), ("A\r\nB", "c")];
    for (name, value) in bad {
        let header =
            Header { field: HeaderField::from_bytes(name).unwrap(), value: AsciiString::from_ascii(value).unwrap() };
        let server = server(Limits::default());
        let mut client = Client::connect(server.server_addr().to_ip().unwrap());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = Response::from_string("secret").with_header(header.clone());
        let error = server.recv().unwrap().respond(response).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{header}");
        let reply = client.reply();
        assert_eq!((reply.status, reply.text().as_str(), reply.header("connection")), (500, "", Some("close")));
        assert!(client.is_closed(), "{header}");

        let response = Response::empty(200).with_header(header);
        let mut out = Vec::new();
        let error = response.raw_print(&mut out, HTTPVersion(1, 1), &[], false, None).unwrap_err();
        assert_eq!((error.kind(), out.len()), (ErrorKind::InvalidInput, 0));
    }
}

#[test]
fn head_is_answered_with_the_headers_of_get() {
    let running = serve(Limits::default(), 2, |request| {
        let length = request.url()[1..].parse().unwrap();
        let _ = request.respond(Response::from_data(vec![b'a'; length]));
    });
    let mut client = running.client();
    for length in [0, 5, 32_767, 32_768] {
        let get = client.send(format!("GET /{length} HTTP/1.1\r\nHost: a\r\n\r\n")).reply();
        let head = client.send(format!("HEAD /{length} HTTP/1.1\r\nHost: a\r\n\r\n")).reply_to_head();
        let names = |reply: &Reply| reply.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!((get.body.len(), head.body.len(), names(&head)), (length, 0, names(&get)));
        assert_eq!(head.header("content-length"), get.header("content-length"));
    }
}

#[test]
fn names_of_statuses_are_those_of_0_12_and_one_more() {
    for code in 0..=1_000 {
        let name = StatusCode(code).default_reason_phrase();
        match code {
            425 => assert_eq!(name, "Too Early"),
            _ => assert_eq!(name, tiny_http_published::StatusCode(code).default_reason_phrase(), "{code}"),
        }
    }
}
