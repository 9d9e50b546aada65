//! Requests without a client, for testing handlers.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::connection::Connection;
use crate::head::Head;
use crate::listen::Socket;
use crate::request::Request;
use crate::token::Token;
use crate::{HTTPVersion, Header, Method};

/// Builds a [`Request`] that nobody sent, and whose answer goes nowhere.
///
/// It is `GET / HTTP/1.1` from `127.0.0.1:23456` without headers, unless told otherwise.
///
/// ```
/// use tiny_http::{Method, Request, TestRequest};
/// let request: Request = TestRequest::new().with_method(Method::Post).with_path("/widgets").with_body("42").into();
/// assert_eq!(request.url(), "/widgets");
/// ```
#[derive(Debug)]
pub struct TestRequest {
    body: &'static str,
    remote_addr: SocketAddr,
    secure: bool,
    method: Method,
    path: String,
    http_version: HTTPVersion,
    headers: Vec<Header>,
}

impl Default for TestRequest {
    fn default() -> TestRequest {
        TestRequest {
            body: "",
            remote_addr: SocketAddr::from(([127, 0, 0, 1], 23456)),
            secure: false,
            method: Method::Get,
            path: "/".to_owned(),
            http_version: HTTPVersion(1, 1),
            headers: Vec::new(),
        }
    }
}

impl TestRequest {
    /// `GET /`.
    pub fn new() -> TestRequest {
        TestRequest::default()
    }

    /// Sets the body. A `Content-Length` is added unless there is one among the headers.
    pub fn with_body(mut self, body: &'static str) -> TestRequest {
        self.body = body;
        self
    }

    /// Sets the client's address.
    pub fn with_remote_addr(mut self, remote_addr: SocketAddr) -> TestRequest {
        self.remote_addr = remote_addr;
        self
    }

    /// Makes it look as if it had come through HTTPS.
    pub fn with_https(mut self) -> TestRequest {
        self.secure = true;
        self
    }

    /// Sets the method.
    pub fn with_method(mut self, method: Method) -> TestRequest {
        self.method = method;
        self
    }

    /// Sets the target.
    pub fn with_path(mut self, path: &str) -> TestRequest {
        self.path = path.to_owned();
        self
    }

    /// Sets the version of HTTP.
    pub fn with_http_version(mut self, version: HTTPVersion) -> TestRequest {
        self.http_version = version;
        self
    }

    /// Adds a header.
    pub fn with_header(mut self, header: Header) -> TestRequest {
        self.headers.push(header);
        self
    }
}

impl From<TestRequest> for Request {
    fn from(mut test: TestRequest) -> Request {
        if !test.headers.iter().any(|header| header.field.equiv("Content-Length")) {
            let length = test.body.len().to_string();
            test.headers.extend(Header::from_bytes("Content-Length", length));
        }
        let nowhere = Arc::new(Socket::nowhere());
        let mut connection = Connection::new(Token::from_u64(0), nowhere, Some(test.remote_addr));
        let mut head = Head::default();
        head.set(test.method, test.path, test.http_version, &test.headers);
        connection.reader.set_request(head, test.body);
        Request::for_test(Box::new(connection), test.secure)
    }
}
