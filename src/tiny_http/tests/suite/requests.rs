//! What programs written for 0.12 do with a request, from a client or made for a test. Compiled and run against both
//! crates.

use std::io::{self, Read, Write};
use std::thread;

use super::program::{GET, ask, start};
use super::tiny_http_crate::{HTTPVersion, Method, Request, Response, StatusCode, TestRequest};

#[test]
fn a_program_sees_the_request_as_the_client_sent_it() {
    let server = start();
    let post = "POST /a?b=%20 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 5\r\n\r\nhello";
    let (mut client, mut request) = ask(&server, post);
    assert_eq!((request.method(), request.url()), (&Method::Post, "/a?b=%20"));
    assert_eq!((request.http_version(), request.secure()), (&HTTPVersion(1, 1), false));
    assert_eq!(request.body_length(), Some(5));
    let headers: Vec<_> = request.headers().iter().map(ToString::to_string).collect();
    assert_eq!(headers, ["Host: a", "X-A: 1", "x-a: 2", "Content-Length: 5"]);
    assert!(request.headers()[1].field == request.headers()[2].field);
    let address = client.stream.local_addr().unwrap();
    assert_eq!(request.remote_addr(), Some(&address));
    assert_eq!(format!("{request:?}"), format!("Request(POST /a?b=%20 from Some({address}))"));
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body).unwrap();
    assert_eq!(body, "hello");
    assert_eq!(request.as_reader().read(&mut [0; 8]).unwrap(), 0);
    request.respond(Response::empty(204)).unwrap();
    assert_eq!(client.reply().status, 204);
}

#[test]
fn a_body_in_chunks_has_no_length_and_is_read_as_one() {
    let server = start();
    let post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    let (mut client, mut request) = ask(&server, post);
    assert_eq!(request.body_length(), None);
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body).unwrap();
    request.respond(Response::from_string(body)).unwrap();
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn a_client_is_told_to_continue_when_the_program_reads() {
    let server = start();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let (mut client, mut request) = ask(&server, head);
    assert_eq!(request.body_length(), Some(5));
    let thread = thread::spawn(move || {
        let mut body = String::new();
        request.as_reader().read_to_string(&mut body).unwrap();
        request.respond(Response::from_string(body)).unwrap();
    });
    assert_eq!(client.reply().status, 100);
    client.send("hello");
    assert_eq!(client.reply().text(), "hello");
    thread.join().unwrap();
}

#[test]
fn requests_are_answered_in_any_thread_and_in_any_order() {
    let server = start();
    let (mut first, one) = ask(&server, GET);
    let (mut second, two) = ask(&server, GET);
    two.respond(Response::from_string("two")).unwrap();
    assert_eq!(second.reply().text(), "two");
    thread::spawn(move || one.respond(Response::from_string("one"))).join().unwrap().unwrap();
    assert_eq!(first.reply().text(), "one");
}

#[test]
fn a_response_is_sent_in_chunks_or_with_its_length() {
    let server = start();
    let (mut client, request) = ask(&server, GET);
    let unknown = Response::new(StatusCode(200), Vec::new(), "hello".as_bytes(), None, None);
    request.respond(unknown).unwrap();
    let reply = client.reply();
    assert_eq!((reply.text().as_str(), reply.header("transfer-encoding")), ("hello", Some("chunked")));
    client.send(GET);
    server.recv().unwrap().respond(Response::from_string("hello")).unwrap();
    let reply = client.reply();
    assert_eq!((reply.text().as_str(), reply.header("content-length")), ("hello", Some("5")));
}

#[test]
fn a_program_writes_the_whole_reply_itself() {
    let server = start();
    let (mut client, request) = ask(&server, GET);
    let mut writer = request.into_writer();
    writer.write_all(b"HTTP/1.1 299 Mine\r\nContent-Length: 5\r\n\r\nhel").unwrap();
    writer.write_all(b"lo").unwrap();
    writer.flush().unwrap();
    drop(writer);
    let reply = client.reply();
    assert_eq!((reply.status, reply.text().as_str(), reply.headers.len()), (299, "hello", 1));
    client.send(GET);
    server.recv().unwrap().respond(Response::empty(200)).unwrap();
    assert_eq!(client.reply().status, 200);
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    let server = start();
    let head = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let (mut client, request) = ask(&server, &format!("{head}early"));
    let thread = thread::spawn(move || {
        let mut stream = request.upgrade("echo", Response::empty(101).with_chunked_threshold(0));
        let mut buffer = [0; 16];
        loop {
            match stream.read(&mut buffer)? {
                0 => return io::Result::Ok(()),
                count => stream.write_all(&buffer[..count])?,
            }
            stream.flush()?;
        }
    });
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("content-length")), (101, None));
    assert_eq!((reply.header("connection"), reply.header("upgrade")), (Some("upgrade"), Some("echo")));
    assert_eq!(client.exactly(5).unwrap(), b"early");
    let long = b"and later ".repeat(2_000);
    client.send(&long);
    assert_eq!(client.exactly(long.len()).unwrap(), long);
    client.end();
    thread.join().unwrap().unwrap();
    assert!(client.is_closed());
}

#[test]
fn a_request_that_is_dropped_is_answered_500() {
    let server = start();
    let (mut client, request) = ask(&server, GET);
    drop(request);
    assert_eq!(client.reply().status, 500);
    client.send(GET);
    let request = server.recv().unwrap();
    let thread = thread::spawn(move || {
        let _request = request;
        std::panic::resume_unwind(Box::new("a handler that fails"));
    });
    assert_eq!(client.reply().status, 500);
    assert!(thread.join().is_err());
}

fn is_test_request(request: &Request) -> (String, usize, Option<usize>) {
    (
        format!("{request:?} {} {}", request.http_version(), request.secure()),
        request.headers().len(),
        request.body_length(),
    )
}

#[test]
fn a_test_request_is_what_its_builder_says() {
    let request: Request = TestRequest::new().into();
    let plain = "Request(GET / from Some(127.0.0.1:23456)) 1.1 false".to_owned();
    assert_eq!(is_test_request(&request), (plain.clone(), 1, Some(0)));
    assert_eq!(request.headers()[0].to_string(), "Content-Length: 0");
    assert_eq!(is_test_request(&TestRequest::default().into()), (plain, 1, Some(0)));

    let mut request: Request = TestRequest::new()
        .with_method(Method::Post)
        .with_path(&format!("/{}", "widgets"))
        .with_body("hello")
        .with_https()
        .with_http_version(HTTPVersion(1, 0))
        .with_remote_addr("[::1]:80".parse().unwrap())
        .with_header("A: 1".parse().unwrap())
        .with_header("A: 2".parse().unwrap())
        .into();
    let text = "Request(POST /widgets from Some([::1]:80)) 1.0 true".to_owned();
    assert_eq!(is_test_request(&request), (text, 3, Some(5)));
    assert_eq!((request.method(), request.url()), (&Method::Post, "/widgets"));
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body).unwrap();
    assert_eq!(body, "hello");
    request.respond(Response::from_string("to nobody")).unwrap();
}

#[test]
fn a_test_request_is_answered_in_every_way() {
    let long = || Response::from_data(vec![b'a'; 1 << 20]).with_chunked_threshold(0);
    Request::from(TestRequest::new()).respond(long()).unwrap();
    Request::from(TestRequest::new().with_http_version(HTTPVersion(1, 0))).respond(long()).unwrap();
    Request::from(TestRequest::new().with_method(Method::Head)).respond(Response::empty(304)).unwrap();
    drop(Request::from(TestRequest::new().with_body("not read")));
    let mut writer = Request::from(TestRequest::new()).into_writer();
    writer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    writer.flush().unwrap();
    let mut stream = Request::from(TestRequest::new()).upgrade("echo", Response::empty(101));
    stream.write_all(b"hello").unwrap();
    stream.flush().unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "nobody has sent anything");
}

#[test]
fn a_test_request_keeps_the_length_that_it_is_given() {
    let with_length = |length: &str| {
        let header = format!("content-length: {length}").parse().unwrap();
        Request::from(TestRequest::new().with_body("hello").with_header(header))
    };
    let mut request = with_length("3");
    assert_eq!((request.headers().len(), request.body_length()), (1, Some(3)));
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body).unwrap();
    assert_eq!(body, "hel");
    assert_eq!(with_length("many").body_length(), None);
}
