//! Responses: what a program gives to a request.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::str::FromStr;
use std::sync::mpsc::Receiver;

use crate::encode::{self, Exchange};
use crate::{HTTPVersion, Header, StatusCode};

/// A body of this length or more is sent in chunks, unless the response says otherwise.
const CHUNKED_THRESHOLD: usize = 32 << 10;

/// An answer to a request: status, headers and a body that is read from an `R`.
///
/// Four headers are the server's own and are ignored here: `Connection`, `Trailer`, `Transfer-Encoding` and `Upgrade`.
/// `Content-Length` sets the length of the body instead of a header. `Content-Type` is there once: a second one replaces
/// the first. All others are sent as they are, as often as they are added.
///
/// ```
/// use tiny_http::{Header, Response};
/// let response = Response::from_string("[]")
///     .with_header("Content-Type: application/json".parse::<Header>().unwrap())
///     .with_status_code(201);
/// assert_eq!(response.data_length(), Some(2));
/// ```
#[derive(Debug)]
pub struct Response<R> {
    reader: R,
    status_code: StatusCode,
    headers: Vec<Header>,
    data_length: Option<usize>,
    chunked_threshold: Option<usize>,
    closes: bool,
}

/// A response whose body is read from anything.
pub type ResponseBox = Response<Box<dyn Read + Send>>;

impl<R: Read> Response<R> {
    /// Builds a response from its parts. Without a `data_length` the body is sent in chunks, as it is read.
    ///
    /// `additional_headers`, if given, is read until its senders are gone.
    pub fn new(
        status_code: StatusCode,
        headers: Vec<Header>,
        data: R,
        data_length: Option<usize>,
        additional_headers: Option<Receiver<Header>>,
    ) -> Response<R> {
        let mut response = Response {
            reader: data,
            status_code,
            headers: Vec::new(),
            data_length,
            chunked_threshold: None,
            closes: false,
        };
        for header in headers.into_iter().chain(additional_headers.into_iter().flatten()) {
            response.add_header(header);
        }
        response
    }

    /// Sets the length from which the body is sent in chunks although its length is known.
    pub fn with_chunked_threshold(mut self, length: usize) -> Response<R> {
        self.chunked_threshold = Some(length);
        self
    }

    /// Takes the reader of the body out, to look at it in a test.
    pub fn into_reader(self) -> R {
        self.reader
    }

    /// The length from which the body is sent in chunks: 32,768 bytes unless set.
    pub fn chunked_threshold(&self) -> usize {
        self.chunked_threshold.unwrap_or(CHUNKED_THRESHOLD)
    }

    /// Adds a header; [`Response`] says which are special.
    pub fn add_header<H>(&mut self, header: H)
    where
        H: Into<Header>,
    {
        let header = header.into();
        let name = header.field.as_str().as_str();
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if ["Connection", "Trailer", "Transfer-Encoding", "Upgrade"].into_iter().any(is) {
            return;
        }
        if is("Content-Length") {
            if let Ok(length) = usize::from_str(header.value.as_str()) {
                self.data_length = Some(length);
            }
            return;
        }
        if is("Content-Type")
            && let Some(old) = self.headers.iter_mut().find(|header| header.field.equiv("Content-Type"))
        {
            old.value = header.value;
            return;
        }
        self.headers.push(header);
    }

    /// The same response with one more header; [`Response`] says which are special.
    pub fn with_header<H>(mut self, header: H) -> Response<R>
    where
        H: Into<Header>,
    {
        self.add_header(header);
        self
    }

    /// The same response with another status.
    pub fn with_status_code<S>(mut self, code: S) -> Response<R>
    where
        S: Into<StatusCode>,
    {
        self.status_code = code.into();
        self
    }

    /// The same response, after which the connection is closed.
    pub fn with_connection_close(mut self) -> Response<R> {
        self.closes = true;
        self
    }

    /// Whether the connection is closed after the response.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    /// The same response with another body.
    pub fn with_data<S>(self, reader: S, data_length: Option<usize>) -> Response<S>
    where
        S: Read,
    {
        Response {
            reader,
            status_code: self.status_code,
            headers: self.headers,
            data_length,
            chunked_threshold: self.chunked_threshold,
            closes: self.closes,
        }
    }

    /// Writes the response to anything, as an answer to a request of this version with these headers.
    ///
    /// A program does not need it: [`Request::respond`](crate::Request::respond) does it. The writer is not flushed.
    pub fn raw_print<W: Write>(
        mut self,
        mut writer: W,
        http_version: HTTPVersion,
        request_headers: &[Header],
        do_not_send_body: bool,
        upgrade: Option<&str>,
    ) -> io::Result<()> {
        let te = request_headers.iter().find(|header| header.field.equiv("TE"));
        let exchange = Exchange {
            version: &http_version,
            te: te.map(|header| header.value.as_str()),
            is_head: do_not_send_body,
            upgrade,
            connection: None,
        };
        if self.data_length.is_none() && encode::needs_length(&exchange, self.status_code) {
            // Nobody here can close the writer to end the body, so its length must be found out.
            let mut data = Vec::new();
            self.reader.read_to_end(&mut data)?;
            let length = data.len();
            return self.with_data(Cursor::new(data), Some(length)).raw_print(
                writer,
                http_version,
                request_headers,
                do_not_send_body,
                upgrade,
            );
        }
        let mut out = Vec::new();
        let mut body = self.encode_head(&exchange, &mut out)?;
        let mut reader = self.reader;
        loop {
            let is_end = body.encode(&mut reader, &mut out)?;
            writer.write_all(&out)?;
            out.clear();
            if is_end {
                return Ok(());
            }
        }
    }

    /// Encodes status line and headers, and answers how the body goes on.
    pub(crate) fn encode_head(&self, exchange: &Exchange<'_>, out: &mut Vec<u8>) -> io::Result<encode::Body> {
        encode::head(self.status_code, &self.headers, self.data_length, self.chunked_threshold(), exchange, out)
    }

    /// The reader of the body.
    pub(crate) fn reader_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The status.
    pub fn status_code(&self) -> StatusCode {
        self.status_code
    }

    /// The length of the body, if it is known.
    pub fn data_length(&self) -> Option<usize> {
        self.data_length
    }

    /// The headers, in the order in which they will be sent.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }
}

impl<R: Read + Send + 'static> Response<R> {
    /// The same response without the type of its body.
    pub fn boxed(self) -> ResponseBox {
        Response {
            reader: Box::new(self.reader),
            status_code: self.status_code,
            headers: self.headers,
            data_length: self.data_length,
            chunked_threshold: self.chunked_threshold,
            closes: self.closes,
        }
    }
}

impl Response<File> {
    /// A 200 whose body is a file. Its type is not guessed: add a `Content-Type`.
    pub fn from_file(file: File) -> Response<File> {
        let length = file.metadata().ok().and_then(|metadata| usize::try_from(metadata.len()).ok());
        Response::new(StatusCode(200), Vec::new(), file, length, None)
    }
}

impl Response<Cursor<Vec<u8>>> {
    /// A 200 whose body is these bytes.
    pub fn from_data<D>(data: D) -> Response<Cursor<Vec<u8>>>
    where
        D: Into<Vec<u8>>,
    {
        let data = data.into();
        let length = data.len();
        Response::new(StatusCode(200), Vec::new(), Cursor::new(data), Some(length), None)
    }

    /// A 200 whose body is this text, as `text/plain; charset=UTF-8`.
    pub fn from_string<S>(data: S) -> Response<Cursor<Vec<u8>>>
    where
        S: Into<String>,
    {
        let mut response = Response::from_data(data.into());
        response.headers.extend(Header::from_bytes("Content-Type", "text/plain; charset=UTF-8"));
        response
    }
}

impl Response<io::Empty> {
    /// A response without a body.
    pub fn empty<S>(status_code: S) -> Response<io::Empty>
    where
        S: Into<StatusCode>,
    {
        Response::new(status_code.into(), Vec::new(), io::empty(), Some(0), None)
    }

    /// The old name of [`empty`](Response::empty).
    pub fn new_empty(status_code: StatusCode) -> Response<io::Empty> {
        Response::empty(status_code)
    }
}

impl Clone for Response<io::Empty> {
    fn clone(&self) -> Response<io::Empty> {
        Response {
            reader: io::empty(),
            status_code: self.status_code,
            headers: self.headers.clone(),
            data_length: self.data_length,
            chunked_threshold: self.chunked_threshold,
            closes: self.closes,
        }
    }
}
