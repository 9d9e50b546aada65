//! The values that a program handles, as they are in 0.12. Compiled and run against both crates.

use std::collections::HashSet;
use std::io::{self, Cursor, Read};
use std::net::SocketAddr;
use std::os::unix::net as unix_net;
use std::path::Path;
use std::sync::mpsc;

use super::tiny_http_crate::{
    ConfigListenAddr, HTTPVersion, Header, HeaderField, ListenAddr, Method, Response, ResponseBox, StatusCode,
};
use crate::support::temporary_file;

#[test]
fn methods_are_case_sensitive_tokens() {
    let methods = [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("CONNECT", Method::Connect),
        ("OPTIONS", Method::Options),
        ("TRACE", Method::Trace),
        ("PATCH", Method::Patch),
        ("PURGE", Method::NonStandard("PURGE".parse().unwrap())),
        ("get", Method::NonStandard("get".parse().unwrap())),
    ];
    for (name, method) in &methods {
        assert_eq!(name.parse::<Method>().as_ref(), Ok(method));
        assert_eq!((method.as_str(), method.to_string().as_str()), (*name, *name));
    }
    assert_eq!("GÉT".parse::<Method>(), Err(()));
    assert_eq!(methods.map(|(_, method)| method).into_iter().collect::<HashSet<_>>().len(), 11);
}

#[test]
fn versions_compare_with_each_other_and_with_pairs() {
    assert!(HTTPVersion(1, 0) < HTTPVersion(1, 1) && HTTPVersion(1, 9) < HTTPVersion(2, 0));
    assert!(HTTPVersion(1, 1) == (1, 1) && (1, 1) == HTTPVersion(1, 1) && HTTPVersion(1, 1) != (1, 0));
    assert!(HTTPVersion(1, 1) > (1, 0) && HTTPVersion(1, 9) < (2, 0));
    assert!((1, 0) < HTTPVersion(1, 1) && (2, 0) > HTTPVersion(1, 9));
    assert_eq!(HTTPVersion::from((1, 0)), HTTPVersion(1, 0));
    assert_eq!(HTTPVersion(1, 1).to_string(), "1.1");
}

#[test]
fn status_codes_come_from_integers_and_compare_with_them() {
    let codes = [
        StatusCode::from(100_i8),
        StatusCode::from(100_u8),
        StatusCode::from(100_i16),
        StatusCode::from(100_u16),
        StatusCode::from(100_i32),
        StatusCode::from(100_u32),
    ];
    assert_eq!(codes, [StatusCode(100); 6]);
    assert_eq!(StatusCode::from(-1_i8), StatusCode(u16::MAX));
    assert!(StatusCode(404) == 404_u16 && 404_u16 == StatusCode(404) && StatusCode(404) != 405);
    assert!(StatusCode(404) < 500 && StatusCode(404) > 403 && StatusCode(200) < StatusCode(404));
    assert!(403 < StatusCode(404) && 500 > StatusCode(404));
    assert_eq!(*StatusCode(404).as_ref(), 404);
    assert_eq!(StatusCode(418).default_reason_phrase(), "Unknown");
    assert_eq!(StatusCode(404).default_reason_phrase(), "Not Found");
}

#[test]
fn headers_are_read_strictly() {
    let header: Header = "Content-Type:  text/html; charset=UTF-8 \t".parse().unwrap();
    assert_eq!(header.value, "text/html; charset=UTF-8");
    assert_eq!(header.to_string(), "Content-Type: text/html; charset=UTF-8");
    assert_eq!("Time: 20: 34".parse::<Header>().unwrap().value, "20: 34");
    assert_eq!("X-Empty:".parse::<Header>().unwrap().value, "");

    for bad in ["hello world", "", "A : b", " A: b", "A B: c", "A\tB: c", "Ä: b", "A: ä"] {
        assert!(bad.parse::<Header>().is_err(), "{bad:?} should not be a header");
    }
    assert!(Header::from_bytes(&b"A"[..], &b"\xff"[..]).is_err());
    assert!(Header::from_bytes(vec![0x80], "b").is_err());
    let header = Header::from_bytes(&b"A"[..], b"b c".to_vec()).unwrap();
    assert_eq!((header.field.as_str().as_str(), header.value.as_str()), ("A", "b c"));
}

#[test]
fn names_of_headers_ignore_case() {
    let field: HeaderField = "Content-Type".parse().unwrap();
    assert_eq!(field, HeaderField::from_bytes("CONTENT-type").unwrap());
    assert_ne!(field, HeaderField::from_bytes("Content-Typ").unwrap());
    assert!(field.equiv("content-TYPE") && !field.equiv("content"));
    assert_eq!((field.as_str().as_str(), field.to_string().as_str()), ("Content-Type", "Content-Type"));
    assert!("Content Type".parse::<HeaderField>().is_err());
    assert!(HeaderField::from_bytes(&b"\x80"[..]).is_err());
}

#[test]
fn addresses_are_of_two_kinds() {
    let ip: SocketAddr = "127.0.0.1:80".parse().unwrap();
    let addr = ListenAddr::from(ip);
    assert_eq!(addr.to_string(), "127.0.0.1:80");
    assert_eq!((addr.clone().to_ip(), addr.to_unix().is_none()), (Some(ip), true));

    let unix = unix_net::SocketAddr::from_pathname("/run/a").unwrap();
    let addr = ListenAddr::from(unix);
    assert_eq!(addr.to_string(), "\"/run/a\" (pathname)");
    assert_eq!(addr.clone().to_ip(), None);
    assert_eq!(addr.to_unix().unwrap().as_pathname(), Some(Path::new("/run/a")));

    let config = ConfigListenAddr::from_socket_addrs(&[ip, ip][..]).unwrap();
    assert!(matches!(config, ConfigListenAddr::IP(addrs) if addrs == [ip, ip]));
    assert!(ConfigListenAddr::from_socket_addrs("127.0.0.1:no").is_err());
    assert!(matches!(ConfigListenAddr::unix_from_path("/run/a"), ConfigListenAddr::Unix(path) if path == *"/run/a"));
}

fn header(line: &str) -> Header {
    line.parse().unwrap()
}

fn lines<R: Read>(response: &Response<R>) -> Vec<String> {
    response.headers().iter().map(Header::to_string).collect()
}

#[test]
fn responses_are_built_in_many_ways() {
    let text = Response::from_string("hé");
    assert_eq!((text.status_code(), text.data_length()), (StatusCode(200), Some(3)));
    assert_eq!(lines(&text), ["Content-Type: text/plain; charset=UTF-8"]);
    let data = Response::from_data(&b"abc"[..]);
    assert_eq!((data.status_code(), data.data_length(), data.headers().len()), (StatusCode(200), Some(3), 0));
    assert_eq!(data.into_reader().into_inner(), b"abc");
    let empty = Response::empty(404).with_header(header("A: b"));
    let copy = empty.clone();
    assert_eq!((copy.status_code(), copy.data_length()), (StatusCode(404), Some(0)));
    assert_eq!(lines(&copy), ["A: b"]);
    assert_eq!(Response::new_empty(StatusCode(204)).status_code(), StatusCode(204));

    let (path, file) = temporary_file(b"from a file");
    let mut response = Response::from_file(file);
    assert_eq!((response.data_length(), response.headers().len()), (Some(11), 0));
    response.add_header(header("A: b"));
    let mut body = String::new();
    response.boxed().into_reader().read_to_string(&mut body).unwrap();
    assert_eq!(body, "from a file");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn builders_of_a_response_change_one_thing_each() {
    let response = Response::from_string("a")
        .with_status_code(201)
        .with_header(header("A: b"))
        .with_chunked_threshold(5)
        .with_data(Cursor::new(b"other".to_vec()), None);
    assert_eq!((response.status_code(), response.data_length()), (StatusCode(201), None));
    assert_eq!(lines(&response), ["Content-Type: text/plain; charset=UTF-8", "A: b"]);
    assert_eq!((response.chunked_threshold(), Response::empty(200).chunked_threshold()), (5, 32768));
    let boxed: ResponseBox = response.boxed();
    assert_eq!((boxed.status_code(), boxed.chunked_threshold(), boxed.headers().len()), (StatusCode(201), 5, 2));
}

#[test]
fn some_headers_of_a_response_are_special() {
    let mut response = Response::from_string("hello");
    for line in ["Connection: close", "trailer: X", "Transfer-Encoding: chunked", "UPGRADE: x"] {
        response.add_header(header(line));
    }
    assert_eq!(lines(&response), ["Content-Type: text/plain; charset=UTF-8"]);
    response.add_header(header("content-length: 3"));
    assert_eq!((response.data_length(), response.headers().len()), (Some(3), 1));
    response.add_header(header("Content-Length: many"));
    assert_eq!((response.data_length(), response.headers().len()), (Some(3), 1));
    for line in ["A: 1", "content-type: text/html", "A: 2", "Content-Encoding: gzip"] {
        response.add_header(header(line));
    }
    assert_eq!(lines(&response), ["Content-Type: text/html", "A: 1", "A: 2", "Content-Encoding: gzip"]);
}

#[test]
fn additional_headers_are_received_until_their_sender_is_gone() {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for line in ["B: 2", "Content-Type: text/b", "Connection: close"] {
            sender.send(header(line)).unwrap();
        }
    });
    let headers = vec![header("Content-Type: text/a"), header("A: 1")];
    let response = Response::new(StatusCode(200), headers, io::empty(), None, Some(receiver));
    assert_eq!(lines(&response), ["Content-Type: text/b", "A: 1", "B: 2"]);
    thread.join().unwrap();
}

/// What `raw_print` writes, with the date of today taken out.
fn printed<R: Read>(
    response: Response<R>,
    version: (u8, u8),
    te: &str,
    is_head: bool,
    upgrade: Option<&str>,
) -> String {
    let mut out = Vec::new();
    let headers = [header("Host: a"), header(&format!("te:{te}"))];
    response.raw_print(&mut out, version.into(), &headers, is_head, upgrade).unwrap();
    let text = String::from_utf8(out).unwrap();
    let is_now = |line: &str| line.starts_with("Date: ") && line.ends_with(" GMT\r\n") && line.len() == 37;
    text.split_inclusive('\n').map(|line| if is_now(line) { "Date: now\r\n" } else { line }).collect()
}

#[test]
fn raw_print_writes_what_respond_would_send() {
    const HEAD: &str = "Server: tiny-http (Rust)\r\nDate: now\r\n";
    let text = || Response::from_data("hello");
    let unknown = || Response::new(StatusCode(200), Vec::new(), Cursor::new("hello"), None, None);
    let is = |printed: String, status_line: &str, rest: &str| {
        assert_eq!(printed, format!("{status_line}\r\n{HEAD}{rest}"));
    };
    is(printed(text(), (1, 1), "", false, None), "HTTP/1.1 200 OK", "Content-Length: 5\r\n\r\nhello");
    is(printed(text(), (1, 0), "", false, None), "HTTP/1.0 200 OK", "Content-Length: 5\r\n\r\nhello");
    is(printed(text(), (1, 1), "", true, None), "HTTP/1.1 200 OK", "Content-Length: 5\r\n\r\n");
    is(printed(unknown(), (1, 1), "", true, None), "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n\r\n");
    is(printed(unknown(), (1, 0), "", false, None), "HTTP/1.0 200 OK", "Content-Length: 5\r\n\r\nhello");
    is(printed(unknown(), (1, 1), "identity", false, None), "HTTP/1.1 200 OK", "Content-Length: 5\r\n\r\nhello");
    is(printed(text(), (1, 1), "chunked", true, None), "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n\r\n");
    is(
        printed(text().with_chunked_threshold(5), (1, 1), "", true, None),
        "HTTP/1.1 200 OK",
        "Transfer-Encoding: chunked\r\n\r\n",
    );
    is(
        printed(text().with_chunked_threshold(6), (1, 1), "", true, None),
        "HTTP/1.1 200 OK",
        "Content-Length: 5\r\n\r\n",
    );
    let tagged = text().with_status_code(499).with_header(header("A: b")).with_header(header("A: c"));
    is(
        printed(tagged, (1, 1), "", false, None),
        "HTTP/1.1 499 Unknown",
        "A: b\r\nA: c\r\nContent-Length: 5\r\n\r\nhello",
    );
    let upgrade = printed(Response::empty(101).with_header(header("A: b")), (1, 1), "", false, Some("echo"));
    assert_eq!(
        upgrade,
        format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n{HEAD}A: b\r\n\r\n")
    );
    let own = text().with_header(header("server: mine")).with_header(header("date: once"));
    assert_eq!(
        printed(own, (1, 1), "", false, None),
        "HTTP/1.1 200 OK\r\nserver: mine\r\ndate: once\r\nContent-Length: 5\r\n\r\nhello"
    );
}

#[test]
fn a_chunked_body_is_printed_in_chunks() {
    let body = "0123456789".repeat(1_000);
    let response = Response::new(StatusCode(200), Vec::new(), body.as_bytes(), None, None);
    let printed = printed(response, (1, 1), "", false, None);
    let (head, mut rest) = printed.split_once("\r\n\r\n").unwrap();
    assert!(head.ends_with("\r\nTransfer-Encoding: chunked"));
    let mut decoded = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        decoded.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").unwrap();
        if size == 0 {
            break;
        }
    }
    assert_eq!((decoded, rest), (body, ""));
}
