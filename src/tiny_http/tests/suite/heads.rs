//! Heads of requests: what is refused because it could be read in two ways, and what is answered all the same.

use std::thread;
use std::time::Duration;

use crate::support::*;
use tiny_http::Limits;

#[test]
fn a_malformed_request_line_is_refused() {
    expect_refused(
        &echo(Limits::default()),
        &[
            ("no version", b"GET /\r\nHost: a\r\n\r\n", 400),
            ("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("no method", b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a space before the method", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("tabs for spaces", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a space behind the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
            ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a request as a target", b"GET / HTTP/1.1 /b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a bracket in the method", b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("NUL in the method", b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("DEL in the target", b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a tab in the target", b"GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("Latin-1 in the target", b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("UTF-8 in the target", b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("bare CR in the target", b"GET /\rX: HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("bare CR for a line end", b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
            ("two CRs before LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
            ("bare LF for a line end", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
            ("bare LFs for all line ends", b"GET / HTTP/1.1\nHost: a\n\n", 400),
            ("two empty lines before it", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("an empty line of a bare LF before it", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        ],
    );
}

#[test]
fn an_unknown_version_is_refused_with_505_and_a_malformed_one_with_400() {
    expect_refused(
        &echo(Limits::default()),
        &[
            ("2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("2.0 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("3.0", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
            ("0.9", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
            ("9.9 with a body", b"POST / HTTP/9.9\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 505),
            ("lower case", b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
            ("another protocol", b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400),
            ("no number", b"GET / HTTP/\r\nHost: a\r\n\r\n", 400),
            ("no point", b"GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
            ("no minor number", b"GET / HTTP/2\r\nHost: a\r\n\r\n", 400),
            ("three numbers", b"GET / HTTP/1.1.1\r\nHost: a\r\n\r\n", 400),
            ("a number of two digits", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
            ("a sign", b"GET / HTTP/+1.1\r\nHost: a\r\n\r\n", 400),
        ],
    );
}

#[test]
fn a_target_is_refused_where_its_form_does_not_belong() {
    expect_refused(
        &echo(Limits::default()),
        &[
            ("no slash", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("an authority for GET", b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("an asterisk for GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("an asterisk for POST", b"POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 400),
            ("more than an asterisk for OPTIONS", b"OPTIONS */a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a URL without a host", b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a URL that is only a scheme", b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a URL with a user", b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a URL of another scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a URL without Host", b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
            ("a path for CONNECT", b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("a URL for CONNECT", b"CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ],
    );
}

#[test]
fn every_form_of_a_target_is_answered_where_it_belongs() {
    expect_accepted(
        &echo(Limits::default()),
        &[
            ("a path", b"GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a/b?c=d&e "),
            ("a path with NUL in disguise", b"GET /%00/%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%00/%zz "),
            ("a path with two slashes", b"GET //b HTTP/1.1\r\nHost: a\r\n\r\n", "GET //b "),
            ("a URL", b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/b "),
            ("a URL without a path", b"GET HTTPS://a:1?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET HTTPS://a:1?b "),
            ("a URL of an IPv6 address", b"GET http://[::1]:8/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://[::1]:8/ "),
            ("an asterisk for OPTIONS", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * "),
            ("an authority for CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT a:443 "),
            ("a method that nobody knows", b"get!# / HTTP/1.1\r\nHost: a\r\n\r\n", "get!# / "),
            ("one empty line before it", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / "),
        ],
    );
}

#[test]
fn an_empty_line_is_allowed_before_each_request_of_a_connection() {
    let running = echo(Limits::default());
    let mut client = running.client();
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\r\n");
        assert_eq!(client.reply().text(), "POST / ab");
    }
    client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().status, 400, "the second empty line in a row");
    assert!(client.is_closed());
}

#[test]
fn a_malformed_header_is_refused() {
    expect_refused(
        &echo(Limits::default()),
        &[
            ("folding with a space", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
            ("folding with a tab", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", 400),
            ("folding of the first header", b"GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", 400),
            ("a folded header", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n Content-Length: 9\r\n\r\n", 400),
            ("bare LF", b"GET / HTTP/1.1\r\nHost: a\nX: a\r\n\r\n", 400),
            ("bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
            ("bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", 400),
            ("two CRs before LF", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n", 400),
            ("two CRs before the last LF", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", 400),
            ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
            ("BEL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x07\r\n\r\n", 400),
            ("a vertical tab before a value", b"GET / HTTP/1.1\r\nHost: a\r\nX:\x0bb\r\n\r\n", 400),
            ("DEL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400),
            ("Latin-1 in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\r\n\r\n", 400),
            ("NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", 400),
            ("a space in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: a\r\n\r\n", 400),
            ("a space before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400),
            ("a tab before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n", 400),
            ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
            ("no name", b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", 400),
            ("Latin-1 in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\xe4: a\r\n\r\n", 400),
            ("no headers", b"GET / HTTP/1.1\r\n\r\n", 400),
            ("no Host", b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", 400),
            ("two Hosts that agree", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("two Hosts that differ", b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
            ("two Hosts in 1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("two Hosts in one", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
            ("a path in Host", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
            ("a user in Host", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ],
    );
}

#[test]
fn an_unusual_header_is_no_reason_to_refuse() {
    expect_accepted(
        &echo(Limits::default()),
        &[
            ("no space behind the colon", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET / "),
            ("tabs around a value", b"GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\t\r\n\r\n", "GET / "),
            ("an empty value", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "GET / "),
            ("an empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / "),
            ("names in any case", b"POST / HTTP/1.1\r\nhOST: a\r\ncONTENT-lENGTH: 1\r\n\r\nx", "POST / x"),
            ("all characters of a name", b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09az: a\r\n\r\n", "GET / "),
            ("Host last, with a port", b"GET / HTTP/1.1\r\nX: :\r\nHost: [::1]:80\r\n\r\n", "GET / "),
        ],
    );
}

#[test]
fn a_connection_lives_and_ends_as_its_header_and_version_say() {
    let running = echo(Limits::default());
    let cases = [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "connection: CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: close, TE\r\n", false),
        ("1.1", "Connection: TE,\tclose\r\n", false),
        ("1.1", "Connection: , ,close,\r\n", false),
        ("1.1", "Connection: keep-alive\r\nX: y\r\nConnection: close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: closed, x-close, clos e\r\n", true),
        ("1.1", "Connection:\r\n", true),
        ("1.1", "X-Connection: close\r\n", true),
        ("1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", true),
        ("1.0", "", false),
        ("1.0", "Host: a\r\n", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: TE, Keep-Alive\r\n", true),
        ("1.0", "Connection: TE\r\nConnection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Keep-Alive: 300\r\n", false),
        ("1.0", "Connection: TE\r\n", false),
    ];
    for (version, headers, lives) in cases {
        let host = if version == "1.1" { "Host: a\r\n" } else { "" };
        let mut client = running.client();
        client.send(format!("GET / HTTP/{version}\r\n{host}{headers}\r\n"));
        let reply = client.reply();
        assert_eq!(reply.text(), "GET / ", "{version} {headers:?}");
        let said = reply.header("connection");
        match (lives, version) {
            (true, "1.0") => assert_eq!(said, Some("keep-alive"), "{version} {headers:?}"),
            (true, _) => assert_ne!(said, Some("close"), "{version} {headers:?}"),
            (false, _) => assert_eq!(said, Some("close"), "{version} {headers:?}"),
        }
        match lives {
            true => assert!(client.is_alive(), "{version} {headers:?}: the connection is closed"),
            false => assert!(client.is_closed(), "{version} {headers:?}: the connection lives on"),
        }
    }
}

#[test]
fn nothing_behind_the_last_request_of_a_connection_is_answered() {
    let running = echo(Limits::default());
    for last in ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let mut client = running.client();
        client.send([last.as_bytes(), SMUGGLED].concat());
        assert_eq!(client.reply().text(), "GET / ");
        assert!(client.is_closed());
    }
    eventually("the end of all connections", || running.server.num_connections() == 0);
    assert_eq!(running.server.stats().requests_total, 2);
}

#[test]
fn a_line_as_long_as_allowed_is_answered_however_it_is_cut() {
    let running = echo(Limits { line_bytes: 64, ..Default::default() });
    let (line, header) = (format!("GET /{:a<50} HTTP/1.1", ""), format!("X: {:a<61}", ""));
    assert_eq!((line.len(), header.len()), (64, 64));
    let request = format!("{line}\r\nHost: a\r\n{header}\r\n\r\n");
    for cut in [request.len(), 64, 65, 66, request.len() - 4, request.len() - 3, request.len() - 2, request.len() - 1] {
        let mut client = running.client();
        client.send(&request[..cut]);
        // The server should see the pieces one by one. If it does not, the test is only easier.
        thread::sleep(Duration::from_millis(20));
        client.send(&request[cut..]);
        assert_eq!(client.reply().status, 200, "cut at {cut} of {}", request.len());
        assert!(client.is_alive());
    }
}
