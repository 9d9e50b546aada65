//! Bodies: where they end, and that what follows is the next request and nothing else is.

use std::time::Duration;

use crate::support::*;
use tiny_http::{Limits, Response};

#[test]
fn a_content_length_that_is_not_digits_only_is_refused() {
    expect_refused(
        &echo(Limits::default()),
        &[
            ("a letter", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\nhello", 400),
            ("a sign", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400),
            ("a negative number", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", 400),
            ("hexadecimal", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", 400),
            ("an exponent", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5e0\r\n\r\nhello", 400),
            ("a fraction", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello", 400),
            ("quotes", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\nhello", 400),
            ("two numbers", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello", 400),
            ("a list", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
            ("nothing", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello", 400),
            ("a digit of another script", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\nhello", 400),
            ("folding", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\nhello", 400),
            ("5 and 6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
            (
                "5 and nonsense",
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: x\r\n\r\nhello",
                400,
            ),
            ("as it is for GET", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\nhello", 400),
            ("as it is in 1.0", b"POST / HTTP/1.0\r\nContent-Length: 5x\r\n\r\nhello", 400),
        ],
    );
}

#[test]
fn a_huge_content_length_is_refused_and_the_server_lives() {
    let running = echo(Limits::default());
    expect_refused(
        &running,
        &[
            ("91 TiB", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\nhello", 413),
            ("2^63", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\nhello", 413),
            ("2^64 + 5", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello", 413),
            ("one byte too many", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\nhello", 413),
        ],
    );
    assert!(running.client().is_alive());
    assert_eq!(running.server.stats().memory_bytes, 0);
}

#[test]
fn a_content_length_is_read_as_it_stands() {
    expect_accepted(
        &echo(Limits::default()),
        &[
            ("a body", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST / hello"),
            ("leading zeros", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00005\r\n\r\nhello", "POST / hello"),
            (
                "two that agree",
                b"POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
                "POST / hello",
            ),
            ("no body", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST / "),
            ("no length", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / "),
            ("a body for GET", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "GET / hello"),
            (
                "a request for a body",
                b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                "PUT / GET / HTTP/1.1\r\n\r\n",
            ),
            (
                "another header's",
                b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 9\r\nContent-Length: 1\r\n\r\nx",
                "POST / x",
            ),
        ],
    );
}

#[test]
fn a_transfer_encoding_that_is_not_chunked_and_nothing_else_is_refused() {
    let cases: &[(&str, &str)] = &[
        ("an unknown one", "Transfer-Encoding: xyz\r\n"),
        ("a known one", "Transfer-Encoding: gzip\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("none", "Transfer-Encoding:\r\n"),
        ("a comma", "Transfer-Encoding: chunked,\r\n"),
        ("chunked after another", "Transfer-Encoding: gzip, chunked\r\n"),
        ("chunked before another", "Transfer-Encoding: chunked, identity\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n"),
        ("chunked in two headers", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("another in a second header", "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n"),
        ("another in a first header", "Transfer-Encoding: xyz\r\nTransfer-Encoding: chunked\r\n"),
        ("a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        ("quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        ("a letter too many", "Transfer-Encoding: xchunked\r\n"),
        ("a space too many", "Transfer-Encoding: chun ked\r\n"),
        ("a vertical tab", "Transfer-Encoding:\x0bchunked\r\n"),
        ("NUL", "Transfer-Encoding: chunked\0\r\n"),
        ("a space before the colon", "Transfer-Encoding : chunked\r\n"),
        ("folding", "Transfer-Encoding:\r\n chunked\r\n"),
        ("folding before it", "X: y\r\n Transfer-Encoding: chunked\r\n"),
        ("bare CR before it", "X: y\rTransfer-Encoding: chunked\r\n"),
        ("bare LF before it", "X: y\nTransfer-Encoding: chunked\r\n"),
        ("a length before it", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("a length behind it", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("a length of nothing behind it", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
        ("a length and nonsense", "Content-Length: 5\r\nTransfer-Encoding: xyz\r\n"),
    ];
    let whole = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n5\r\nhello\r\n0\r\n\r\n");
    let requests: Vec<String> = cases.iter().map(|(_, headers)| whole(headers)).collect();
    let mut cases: Vec<(&str, &[u8], u16)> =
        cases.iter().zip(&requests).map(|((what, _), request)| (*what, request.as_bytes(), 400)).collect();
    cases.push(("as it is in 1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400));
    expect_refused(&echo(Limits::default()), &cases);
}

/// A request with a chunked body that is written like this.
fn chunked(body: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", body].concat()
}

#[test]
fn a_malformed_chunk_is_refused() {
    let cases: &[(&str, &[u8], u16)] = &[
        ("no size", b"\r\nhello\r\n0\r\n\r\n", 400),
        ("0x before the size", b"0x5\r\nhello\r\n0\r\n\r\n", 400),
        ("a sign", b"+5\r\nhello\r\n0\r\n\r\n", 400),
        ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n", 400),
        ("a space before the size", b" 5\r\nhello\r\n0\r\n\r\n", 400),
        ("a space behind the size", b"5 \r\nhello\r\n0\r\n\r\n", 400),
        ("a letter behind the size", b"5g\r\nhello\r\n0\r\n\r\n", 400),
        ("two sizes", b"5 5\r\nhello\r\n0\r\n\r\n", 400),
        ("a size of 2^64 + 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n", 413),
        ("a size of 2^64 - 1", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", 413),
        ("zeros without end", &[b'0'; 1 << 10], 413),
        ("a size too small", b"4\r\nhello\r\n0\r\n\r\n", 400),
        ("a size too large", b"6\r\nhello\r\n0\r\n\r\n", 400),
        ("no CR LF behind the data", b"5\r\nhello0\r\n\r\n", 400),
        ("bare LF behind the data", b"5\r\nhello\n0\r\n\r\n", 400),
        ("bare CR behind the data", b"5\r\nhello\r0\r\n\r\n", 400),
        ("two line ends behind the data", b"5\r\nhello\r\n\r\n0\r\n\r\n", 400),
        ("bare LF behind the size", b"5\nhello\r\n0\r\n\r\n", 400),
        ("bare CR behind the size", b"5\rhello\r\n0\r\n\r\n", 400),
        ("bare LF behind an extension", b"5;a=b\nhello\r\n0\r\n\r\n", 400),
        ("bare CR in an extension", b"5;a=\rb\r\nhello\r\n0\r\n\r\n", 400),
        ("NUL in an extension", b"5;a=\0\r\nhello\r\n0\r\n\r\n", 400),
        ("an extension without a semicolon", b"5 a=b\r\nhello\r\n0\r\n\r\n", 400),
        ("bare LF behind the last size", b"5\r\nhello\r\n0\n\r\n", 400),
        ("bare LF at the end", b"5\r\nhello\r\n0\r\n\n", 400),
        ("no trailer and no end", b"5\r\nhello\r\n0\r\nGET /", 400),
        ("a trailer without a colon", b"0\r\nX\r\n\r\n", 400),
        ("a trailer without a name", b"0\r\n: x\r\n\r\n", 400),
        ("a space before a trailer's colon", b"0\r\nX : x\r\n\r\n", 400),
        ("a folded trailer", b"0\r\nX: x\r\n y\r\n\r\n", 400),
        ("NUL in a trailer", b"0\r\nX: \0\r\n\r\n", 400),
        ("bare LF behind a trailer", b"0\r\nX: x\n\r\n", 400),
        ("bare CR in a trailer", b"0\r\nX: x\ry\r\n\r\n", 400),
    ];
    let requests: Vec<Vec<u8>> = cases.iter().map(|(_, body, _)| chunked(body)).collect();
    let cases: Vec<(&str, &[u8], u16)> =
        cases.iter().zip(&requests).map(|(case, request)| (case.0, request.as_slice(), case.2)).collect();
    expect_refused(&echo(Limits::default()), &cases);
    // As a stream it is read while the handler runs, which drops the request when the body breaks.
    expect_refused(&echo(Limits { body_buffer_bytes: 2, ..Default::default() }), &cases);
}

#[test]
fn chunks_are_put_together_and_their_trimmings_thrown_away() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("one chunk", b"5\r\nhello\r\n0\r\n\r\n", "POST / hello"),
        ("no chunk", b"0\r\n\r\n", "POST / "),
        ("three chunks", b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n", "POST / hello"),
        ("sizes in either case", b"a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", "POST / 0123456789abcdefghij"),
        ("leading zeros", b"0005\r\nhello\r\n000\r\n\r\n", "POST / hello"),
        ("line ends for data", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", "POST / \r\n\r\n"),
        ("an end for data", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "POST / 0\r\n\r\n"),
        ("extensions", b"5;a;b=c;d=\"e f\"\r\nhello\r\n0;g\r\n\r\n", "POST / hello"),
        ("a space before an extension", b"5 ;a\r\nhello\r\n0\r\n\r\n", "POST / hello"),
        ("trailers", b"5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n", "POST / hello"),
        ("trailers about framing", b"1\r\nh\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n", "POST / h"),
        ("trailers about the connection", b"1\r\nh\r\n0\r\nConnection: close\r\nHost: b\r\n\r\n", "POST / h"),
    ];
    let requests: Vec<Vec<u8>> = cases.iter().map(|(_, body, _)| chunked(body)).collect();
    let cases: Vec<(&str, &[u8], &str)> =
        cases.iter().zip(&requests).map(|(case, request)| (case.0, request.as_slice(), case.2)).collect();
    expect_accepted(&echo(Limits::default()), &cases);
    expect_accepted(&echo(Limits { body_buffer_bytes: 2, ..Default::default() }), &cases);
}

#[test]
fn extensions_and_trailers_are_not_read_without_end() {
    let running = echo(Limits::default());
    let cases = [
        ("an extension of 32 KiB", chunked(format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(32 << 10)).as_bytes()), 400),
        (
            "8,000 chunks with extensions",
            chunked(format!("{}0\r\n\r\n", "1;abc\r\nx\r\n".repeat(8_000)).as_bytes()),
            400,
        ),
        ("a trailer of 32 KiB", chunked(format!("0\r\nX: {}\r\n\r\n", "a".repeat(32 << 10)).as_bytes()), 431),
        ("8,000 trailers", chunked(format!("0\r\n{}\r\n", "Abc: d\r\n".repeat(8_000)).as_bytes()), 431),
    ];
    for (what, request, status) in cases {
        let mut client = running.client();
        let reply = client.send_anyway(request).send_anyway(SMUGGLED).reply();
        assert_eq!(reply.status, status, "{what}");
        assert!(client.is_closed(), "{what}");
    }
}

#[test]
fn a_body_longer_than_said_is_the_next_request_and_refused_as_such() {
    let running = echo(Limits::default());
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let mut client = running.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}, world\r\n\r\n")).send_anyway(SMUGGLED);
        assert_eq!(client.reply().text(), "POST / hello");
        assert_eq!(client.reply().status, 400, "{body}");
        assert!(client.is_closed(), "{body}");
    }
}

#[test]
fn a_body_shorter_than_said_is_waited_for_and_then_refused() {
    for body_buffer_bytes in [1 << 20, 2] {
        let limits = Limits { stall_time: Duration::from_millis(150), body_buffer_bytes, ..Default::default() };
        let running = echo(limits);
        for body in ["Content-Length: 6\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n6\r\nhello"] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{body}");
            let mut client = running.client();
            assert_eq!(client.send(&head).reply().status, 408, "{body}");
            assert!(client.is_closed(), "{body}");
            let mut client = running.client();
            assert_eq!(client.send(&head).end().reply().status, 400, "{body}, and then the end");
            assert!(client.is_closed(), "{body}, and then the end");
        }
    }
}

/// A server whose handler never looks at a body, which is a stream if it is longer than 1 KiB.
fn careless(drain_bytes: usize) -> Running {
    let limits = Limits { body_buffer_bytes: 1 << 10, body_bytes: 1 << 30, drain_bytes, ..Default::default() };
    serve(limits, 1, |request| {
        let text = format!("{} {} ", request.method(), request.url());
        let _ = request.respond(Response::from_string(text));
    })
}

/// A body of about `bytes` in chunks of 1,000.
fn chunks(bytes: usize) -> String {
    format!("{}0\r\nX: y\r\n\r\n", format!("3e8\r\n{}\r\n", "x".repeat(1_000)).repeat(bytes / 1_000))
}

#[test]
fn a_body_that_nobody_read_is_thrown_away_before_the_next_request() {
    let running = careless(64 << 10);
    for bytes in [0, 5, 1_000, 60_000] {
        let requests = [
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes)),
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunks(bytes)),
        ];
        for request in requests {
            let what = format!("{bytes} bytes, {}", &request[26..43]);
            let mut client = running.client();
            for _ in 0..3 {
                let reply = client.send(&request).reply();
                assert_eq!((reply.status, reply.text().as_str()), (200, "POST / "), "{what}");
            }
            assert!(client.is_alive(), "{what}");
        }
    }
}

#[test]
fn the_connection_ends_when_more_of_a_body_is_left_than_may_be_thrown_away() {
    let running = careless(16 << 10);
    let requests = [
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000)),
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n{}", "x".repeat(2_000)),
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunks(100_000)),
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}x",
            chunks(2_000).replace("X: y", "X")
        ),
    ];
    for request in requests {
        let mut client = running.client();
        let reply = client.send_anyway(&request).send_anyway(SMUGGLED).reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "POST / "));
        assert!(client.is_closed(), "{}", &request[..80]);
    }
    eventually("the end of all connections", || running.server.num_connections() == 0);
}
