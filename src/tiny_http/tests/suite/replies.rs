//! Replies: that a client gets no more, no less and nothing else than one for each request, whatever the handler does.

use std::io::{self, Cursor, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use ascii::AsciiString;

use crate::support::*;
use tiny_http::{Header, HeaderField, Limits, Request, Response, StatusCode};

/// Answers `/<status>` with that status and the body `body`, whose length is not known if the query says so.
fn status_server() -> Running {
    serve(Limits::default(), 1, |request| {
        let (status, query) = request.url()[1..].split_once('?').unwrap_or((&request.url()[1..], ""));
        let status = StatusCode(status.parse().unwrap_or(200));
        let length = if query == "unknown" { None } else { Some(4) };
        let _ = request.respond(Response::new(status, vec![], b"body".as_slice(), length, None));
    })
}

#[test]
fn replies_that_have_no_body_carry_none_and_no_wrong_length() {
    let running = status_server();
    for version in ["1.1", "1.0"] {
        for (method, target) in [
            ("HEAD", "/200"),
            ("HEAD", "/200?unknown"),
            ("HEAD", "/404"),
            ("HEAD", "/204"),
            ("HEAD", "/304"),
            ("GET", "/204"),
            ("GET", "/204?unknown"),
            ("POST", "/204"),
            ("GET", "/304"),
            ("GET", "/304?unknown"),
        ] {
            let case = format!("{method} {target} HTTP/{version}");
            let mut client = running.client();
            client.send(format!("{case}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"));
            let reply = client.reply_to_head();
            let length = reply.header("content-length");
            match reply.status {
                // RFC 9110, 8.6 and RFC 9112, 6.1: with 204 neither of them may be sent.
                204 => assert_eq!((length, reply.header("transfer-encoding")), (None, None), "{case}"),
                304 => assert!(matches!(length, None | Some("4")), "{case}: {length:?}"),
                _ if target.ends_with("unknown") => assert_eq!(length, None, "{case}"),
                _ => assert_eq!(length, Some("4"), "{case}"),
            }
            if reply.header("connection") == Some("close") {
                assert!(client.is_closed(), "{case}: the reply says close, and the connection lives on");
                continue;
            }
            client.send("GET /200 HTTP/1.1\r\nHost: a\r\n\r\n");
            let next = client.reply();
            assert_eq!((next.status, next.text().as_str()), (200, "body"), "{case}");
        }
    }
}

#[test]
fn a_refusal_of_a_head_request_has_no_body_either() {
    let running = echo(Limits::default());
    for (headers, status) in [
        ("Host: a\r\nExpect: x\r\n", 417),
        ("Host: a\r\nContent-Length: 99999999\r\n", 413),
        ("Host: a\r\nTransfer-Encoding: x\r\n", 400),
        ("", 400),
    ] {
        let mut client = running.client();
        client.send(format!("HEAD / HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!(client.reply_to_head().status, status);
        assert!(client.is_closed(), "{status} for {headers:?} has a body");
    }
    let mut client = running.client();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply_to_head().status, 200);
    assert_eq!(client.send("GET / HTTP/1.1\r\n\r\n").reply().status, 400);
    assert!(client.is_closed(), "a refusal of GET after HEAD has all of its body");
}

#[test]
fn a_header_that_would_be_two_cannot_be_made() {
    for value in ["a\r\nSet-Cookie: b=c", "a\nb", "a\rb", "a\0b", "\r\n", "a\x7f", "\x0b"] {
        assert!(Header::from_bytes("X", value).is_err(), "{value:?}");
        // Around a value white space is dropped, inside it is refused.
        let inside = format!("X: a{value}b");
        assert!(Header::from_str(&inside).is_err(), "{inside:?}");
    }
    for name in ["", "X\r\nY", "X\n", "X\0", "X Y", "X:", "X: a\r\nY", "\u{e4}"] {
        assert!(Header::from_bytes(name, "a").is_err(), "{name:?}");
    }
    assert!(Header::from_bytes("X", "\u{e4}").is_err());
    assert!(Header::from_str("X\r\nY: a").is_err());
    assert!(Header::from_str("no colon").is_err());
    assert!(Header::from_bytes("X-a!", "a\tb c~").is_ok());
}

#[test]
fn a_header_made_by_hand_that_would_be_two_is_not_sent_and_the_client_gets_500() {
    let cases = [
        ("X", "a\r\nSet-Cookie: b=c"),
        ("X", "a\r\n\r\nHTTP/1.1 200 OK"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\0"),
        ("Content-Type", "a\r\nb: c"),
        ("Location", "/\r\n"),
        ("X\r\nY", "a"),
        ("X: a\r\nY", "a"),
        ("X\0", "a"),
        ("X Y", "a"),
        ("X:", "a"),
        ("", "a"),
    ];
    let (results, outcome) = mpsc::channel();
    let running = serve(Limits::default(), 1, move |request| {
        let Ok(index) = request.url()[1..].parse::<usize>() else { return respond_with_echo(request) };
        let (name, value) = cases[index];
        let header =
            Header { field: HeaderField::from_bytes(name).unwrap(), value: AsciiString::from_ascii(value).unwrap() };
        results.send(request.respond(Response::from_string("secret").with_header(header))).unwrap();
    });
    for (index, case) in cases.iter().enumerate() {
        let mut client = running.client();
        client.send(format!("GET /{index} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply();
        assert_eq!((reply.status, reply.text().as_str()), (500, ""), "{case:?}");
        assert!(
            reply.headers.iter().all(|(name, _)| !["x", "y", "b", "set-cookie"].contains(&name.as_str())),
            "{case:?}"
        );
        let error = outcome.recv_timeout(PATIENCE).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{case:?}");
        assert!(client.is_closed(), "{case:?}");
    }
    assert!(running.client().is_alive());
}

/// A server of one thread, which survives what its handler does with `/panic`, `/drop` and the like.
fn careless() -> Running {
    let limits = Limits { body_buffer_bytes: 1 << 10, body_bytes: 1 << 20, ..Default::default() };
    serve(limits, 1, |mut request: Request| {
        let _ = catch_unwind(AssertUnwindSafe(move || match request.url() {
            "/panic" => panic!("on purpose"),
            "/panic-after-reading" => {
                request.as_reader().read_exact(&mut [0; 10]).unwrap();
                panic!("on purpose");
            }
            "/drop" => drop(request),
            "/ignore" => drop(request.respond(Response::from_string("ignored"))),
            "/reader" => drop(request.respond(Response::new(StatusCode(200), vec![], Panics, Some(5), None))),
            "/reader?chunked" => drop(request.respond(Response::new(StatusCode(200), vec![], Panics, None, None))),
            _ => respond_with_echo(request),
        }));
    })
}

struct Panics;

impl Read for Panics {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("on purpose");
    }
}

#[test]
fn a_handler_that_panics_or_drops_its_request_answers_500_and_the_worker_lives() {
    let running = careless();
    for target in ["/panic", "/panic-after-reading", "/drop"] {
        for bytes in [10, 5_000] {
            let body = "x".repeat(bytes);
            let mut client = running.client();
            for _ in 0..3 {
                client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{body}"));
                assert_eq!(client.reply().status, 500, "{target}, a body of {bytes}");
            }
            assert!(client.is_alive(), "{target}, a body of {bytes}");
        }
    }
}

#[test]
fn a_response_that_panics_while_it_is_read_ends_its_connection_only() {
    let running = careless();
    for target in ["/reader", "/reader?chunked"] {
        let mut client = running.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        match client.try_reply(false) {
            Ok(reply) => assert_eq!(reply.status, 500, "{target}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{target}"),
        }
        assert!(client.is_closed(), "{target}");
    }
    assert!(running.client().is_alive());
    eventually("the end of all connections", || running.server.num_connections() == 0);
}

/// Reads as 64 KiB of data, and then fails.
fn failing(kind: ErrorKind) -> impl Read {
    struct Fails(ErrorKind);
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
    }
    Cursor::new(vec![b'x'; 64 << 10]).chain(Fails(kind))
}

#[test]
fn a_response_that_fails_in_the_middle_is_cut_off_there_and_nothing_put_in_its_place() {
    const KINDS: [ErrorKind; 3] = [ErrorKind::Other, ErrorKind::InvalidInput, ErrorKind::InvalidData];
    let running = serve(Limits::default(), 1, |request| {
        let (index, query) = request.url()[1..].split_once('?').unwrap();
        let (kind, length) = (KINDS[index.parse::<usize>().unwrap()], query.parse().ok());
        let response = Response::new(StatusCode(200), vec![], failing(kind), length, None);
        let _ = request.respond(response.with_chunked_threshold(usize::MAX));
    });
    for (index, kind) in KINDS.into_iter().enumerate() {
        // The rest that never comes is about as long as the head of another reply.
        for target in [format!("/{index}?65636"), format!("/{index}?unknown")] {
            for version in ["1.1", "1.0"] {
                let case = format!("{kind:?} {target} {version}");
                let mut client = running.client();
                client.send(format!("GET {target} HTTP/{version}\r\nHost: a\r\n\r\n"));
                let mut all = Vec::new();
                let end = client.stream.read_to_end(&mut all);
                if version == "1.0" && target.ends_with("unknown") {
                    // Nothing else tells such a body that is whole from one that is not.
                    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset, "{case}");
                    continue;
                }
                end.unwrap();
                let start = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                let body = &all[start..];
                assert!(!body.windows(5).any(|window| window == b"HTTP/"), "{case}: a head in the body");
                assert!(!body.ends_with(b"0\r\n\r\n"), "{case}: it looks as if it were whole");
                assert!(body.len() < 65_636, "{case}: {} bytes", body.len());
            }
        }
    }
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_never_moves_the_next_reply() {
    let running = serve(Limits::default(), 1, |request| match request.url() {
        "/longer" => {
            let _ = request.respond(Response::from_string("").with_data(b"hello, world".as_slice(), Some(5)));
        }
        "/shorter" => {
            let _ = request.respond(Response::from_string("").with_data(b"hello".as_slice(), Some(6)));
        }
        _ => respond_with_echo(request),
    });
    let mut client = running.client();
    client.send("GET /longer HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().text(), "hello");
    assert!(client.is_alive());

    client.send("GET /shorter HTTP/1.1\r\nHost: a\r\n\r\n").send(SMUGGLED);
    if let Ok(reply) = client.try_reply(false) {
        assert_eq!(reply.status, 500, "the client must not believe that this is all: {}", reply.text());
    }
    assert!(client.is_closed());
}

const EXPECTS: &str = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn a_client_that_expects_to_be_told_to_continue_is_told_when_the_body_is_wanted() {
    for continue_early in [false, true] {
        let running = echo(Limits { continue_early, ..Default::default() });
        let mut client = running.client();
        for _ in 0..3 {
            assert_eq!(client.send(EXPECTS).reply().status, 100, "early: {continue_early}");
            assert_eq!(client.send("hello").reply().text(), "POST / hello", "early: {continue_early}");
        }
        client.send(EXPECTS.replace("Content-Length: 5", "Transfer-Encoding: chunked"));
        assert_eq!(client.reply().status, 100, "early: {continue_early}");
        assert_eq!(client.send("2\r\nhi\r\n0\r\n\r\n").reply().text(), "POST / hi", "early: {continue_early}");

        client.send(format!("{EXPECTS}hello"));
        assert_eq!(client.reply().text(), "POST / hello", "a client that does not wait, early: {continue_early}");
        client.send(EXPECTS.replace('5', "0"));
        assert_eq!(client.reply().text(), "POST / ", "no body to wait for, early: {continue_early}");
        assert!(client.is_alive(), "early: {continue_early}");
    }
}

#[test]
fn an_early_continue_comes_before_any_thread_asks_for_a_request() {
    let server = server(Limits { continue_early: true, ..Default::default() });
    let mut client = Client::connect(server.server_addr().to_ip().unwrap());
    client.send(EXPECTS);
    assert!(server.recv_timeout(Duration::from_millis(50)).unwrap().is_none(), "the body has not come");
    assert_eq!(client.reply().status, 100);
    client.send("hello");
    respond_with_echo(server.recv().unwrap());
    assert_eq!(client.reply().text(), "POST / hello");
}

#[test]
fn a_client_whose_body_is_not_wanted_is_not_told_to_continue() {
    let running = careless();
    for behind in [b"".as_slice(), b"hello", SMUGGLED] {
        let mut client = running.client();
        let reply = client.send([EXPECTS.replace("POST /", "POST /ignore").as_bytes(), behind].concat()).reply();
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        assert!(client.is_closed(), "nobody can know what the next bytes are");
    }
    let mut client = running.client();
    client.send(EXPECTS.replace("Length: 5", "Length: 2000000000"));
    assert_eq!(client.reply().status, 413, "the refusal comes instead");
}

#[test]
fn any_other_expectation_is_refused_with_417_but_not_in_1_0() {
    let running = echo(Limits::default());
    expect_refused(
        &running,
        &[
            ("another", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417),
            (
                "one more",
                b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\nContent-Length: 5\r\n\r\nhello",
                417,
            ),
            ("one more header", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n", 417),
            ("a parameter", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue;a=b\r\n\r\n", 417),
        ],
    );
    let mut client = running.client();
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.send("hello").reply().text(), "POST / hello");
}
