//! Requests: what a program gets from a server, and the reply to them.

use std::cell::OnceCell;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use ascii::AsciiString;

use crate::connection::Connection;
use crate::encode::Exchange;
use crate::engine::Engine;
use crate::head::scheme_length;
use crate::live::Live;
use crate::stream::{RawStream, RawWriter};
use crate::{HTTPVersion, Header, HeaderField, Method, Response};

/// A client's request, to be answered with [`respond`](Request::respond).
///
/// A request that is dropped without an answer is answered 500, so a handler that panics hangs nobody.
pub struct Request {
    live: Option<Live>,
    headers: OnceCell<Vec<Header>>,
    secure: bool,
}

impl Request {
    pub(crate) fn new(connection: Box<Connection>, engine: Arc<Engine>) -> Request {
        Request { live: Some(Live::new(connection, Some(engine))), headers: OnceCell::new(), secure: false }
    }

    /// A request that came from nowhere and whose answer goes nowhere.
    pub(crate) fn for_test(connection: Box<Connection>, secure: bool) -> Request {
        Request { live: Some(Live::new(connection, None)), headers: OnceCell::new(), secure }
    }

    fn live(&self) -> &Live {
        self.live.as_ref().expect("only respond, into_writer, upgrade and drop take it, and they consume the request")
    }

    fn live_mut(&mut self) -> &mut Live {
        self.live.as_mut().expect("only respond, into_writer, upgrade and drop take it, and they consume the request")
    }

    fn take(&mut self) -> Live {
        self.live.take().expect("only respond, into_writer, upgrade and drop take it, and they consume the request")
    }

    /// Tells its server that the program has it.
    pub(crate) fn hand_out(&self) {
        self.live().hand_out();
    }

    /// Leaves it to the next thread that asks for one.
    pub(crate) fn pass(mut self) {
        self.take().pass();
    }

    /// Whether the request came through HTTPS. This server does not speak it: put a proxy in front.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.live().connection.reader.head.method
    }

    /// The target as the client wrote it: nearly always a path and perhaps a query, `/routes?limit=2`.
    ///
    /// [`target`](Request::target) is the same without the scheme and host that clients of proxies write.
    pub fn url(&self) -> &str {
        &self.live().connection.reader.head.target
    }

    /// The path and query, whatever the form of the target: `/a?b` for `http://host/a?b` too, and `/` for `http://host`. A
    /// query without a path (`http://host?b`), `*` and the target of `CONNECT` are as they are.
    pub fn target(&self) -> &str {
        let url = self.url();
        let Some(length) = scheme_length(url) else { return url };
        match url[length..].find(['/', '?']) {
            Some(start) => &url[length + start..],
            None => "/",
        }
    }

    /// All headers, in the order in which they came.
    pub fn headers(&self) -> &[Header] {
        self.headers.get_or_init(|| {
            let head = &self.live().connection.reader.head;
            let header = |(name, value)| {
                // Both are ASCII, or the request would have been refused.
                let field = HeaderField::from_bytes(name).ok()?;
                Some(Header { field, value: AsciiString::from_ascii(value).ok()? })
            };
            head.headers().filter_map(|(name, value): (&str, &str)| header((name, value))).collect()
        })
    }

    /// The value of the first header called `name`, whatever the case. Cheaper than [`headers`](Request::headers),
    /// which makes a copy of them all.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.live().connection.reader.head.header(name)
    }

    /// The version of HTTP.
    pub fn http_version(&self) -> &HTTPVersion {
        &self.live().connection.reader.head.version
    }

    /// The length of the body, if the client said it.
    pub fn body_length(&self) -> Option<usize> {
        self.live().connection.reader.head.content_length()
    }

    /// The address of the client, or of the proxy in front of it; `None` on a Unix socket.
    pub fn remote_addr(&self) -> Option<&SocketAddr> {
        self.live().connection.peer.as_ref()
    }

    /// Whether the client has gone away, as far as can be seen without waiting: it has closed the connection, or its side
    /// of it. A program that keeps a request for longer asks now and then, and drops it when nobody waits any more.
    pub fn is_client_gone(&self) -> bool {
        self.live().connection.is_client_gone()
    }

    /// The body.
    ///
    /// Up to [`Limits::body_buffer_bytes`](crate::Limits::body_buffer_bytes) of it have come before the program gets the request, so reading does not
    /// wait. A longer body, and one whose client asked to be told to continue, comes from the client while it is read.
    ///
    /// ```no_run
    /// # let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    /// let mut request = server.recv().unwrap();
    /// let mut text = String::new();
    /// request.as_reader().read_to_string(&mut text).unwrap();
    /// ```
    pub fn as_reader(&mut self) -> &mut dyn Read {
        self.live_mut()
    }

    /// Sends a response. What the client does not take at once is sent after this returns; a program that ends should call
    /// [`Server::shutdown`](crate::Server::shutdown), which waits for that.
    ///
    /// A client that has gone away is not an error. One is a body that could not be read to its end, a client that
    /// did not take its reply in time, and a header that cannot be sent (the client then gets a 500).
    pub fn respond<R>(mut self, response: Response<R>) -> io::Result<()>
    where
        R: Read,
    {
        match self.take().respond(response) {
            Err(error) if is_about_client(&error) => Ok(()),
            result => result,
        }
    }

    /// Turns the request into a writer, for a program that writes the whole response itself, head and all.
    ///
    /// When the writer is dropped, the connection goes on to the next request.
    pub fn into_writer(mut self) -> Box<dyn Write + Send + 'static> {
        Box::new(RawWriter::new(self.take()))
    }

    /// Sends a response that changes to another protocol, and turns the request into the stream on which it is spoken.
    ///
    /// The connection is closed when the stream is dropped.
    pub fn upgrade<R: Read>(mut self, protocol: &str, response: Response<R>) -> Box<dyn crate::ReadWrite + Send> {
        let mut live = self.take();
        let exchange = Exchange {
            version: &live.connection.reader.head.version,
            te: None,
            is_head: false,
            upgrade: Some(protocol),
            connection: None,
        };
        let mut output = Vec::new();
        let encoded = response.encode_head(&exchange, &mut output);
        *live.connection.output_mut() = output;
        let flushed = live.with_limits(|connection, pace, limits| connection.flush_waiting(0, pace, limits));
        Box::new(RawStream::new(live, encoded.is_ok() && flushed.is_ok()))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.live {
            Some(_) => write!(formatter, "Request({} {} from {:?})", self.method(), self.url(), self.remote_addr()),
            None => formatter.write_str("Request(answered)"),
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            let status = live.connection.status_of_drop();
            // Nobody is left to be told of an error.
            let _ = live.respond(Response::empty(status));
        }
    }
}

/// Whether an error only says that the client has gone away.
fn is_about_client(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionRefused | ConnectionReset)
}
