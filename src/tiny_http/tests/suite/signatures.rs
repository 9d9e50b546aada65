//! What 0.12 promises to a compiler: every signature and every trait. Compiled against both crates.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{self as unix_net, UnixListener};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::tiny_http_crate::{
    ConfigListenAddr, HTTPVersion, Header, HeaderField, IncomingRequests, ListenAddr, Listener, Method, ReadWrite,
    Request, Response, ResponseBox, Server, ServerConfig, SslConfig, StatusCode, TestRequest,
};

type NewServer = Result<Server, Box<dyn Error + Send + Sync + 'static>>;
type Body = Cursor<Vec<u8>>;

#[test]
fn a_server_has_the_signatures_of_0_12() {
    let _: fn(&'static str) -> NewServer = Server::http;
    let _: fn(SocketAddr) -> NewServer = Server::http;
    let _: fn(&Path) -> NewServer = Server::http_unix;
    let _: fn(ServerConfig) -> NewServer = Server::new;
    let _: fn(TcpListener, Option<SslConfig>) -> NewServer = Server::from_listener;
    let _: fn(UnixListener, Option<SslConfig>) -> NewServer = Server::from_listener;
    let _: fn(Listener, Option<SslConfig>) -> NewServer = Server::from_listener;
    let _: fn(&Server) -> ListenAddr = Server::server_addr;
    let _: fn(&Server) -> IncomingRequests<'_> = Server::incoming_requests;
    let _: fn(&Server) -> io::Result<Request> = Server::recv;
    let _: fn(&Server, Duration) -> io::Result<Option<Request>> = Server::recv_timeout;
    let _: fn(&Server) -> io::Result<Option<Request>> = Server::try_recv;
    let _: fn(&Server) = Server::unblock;
    let _: fn(&Server) -> usize = Server::num_connections;
    let _: fn(&'static str) -> io::Result<ConfigListenAddr> = ConfigListenAddr::from_socket_addrs;
    let _: fn(PathBuf) -> ConfigListenAddr = ConfigListenAddr::unix_from_path;
    let _: fn(&'static str) -> ConfigListenAddr = ConfigListenAddr::unix_from_path;
    let _: fn(ListenAddr) -> Option<SocketAddr> = ListenAddr::to_ip;
    let _: fn(ListenAddr) -> Option<unix_net::SocketAddr> = ListenAddr::to_unix;
    let _: fn(SocketAddr) -> ListenAddr = ListenAddr::from;
    let _: fn(unix_net::SocketAddr) -> ListenAddr = ListenAddr::from;
    let _: fn(TcpListener) -> Listener = Listener::Tcp;
    let _: fn(UnixListener) -> Listener = Listener::Unix;
}

#[test]
fn a_request_has_the_signatures_of_0_12() {
    let _: fn(&Request) -> bool = Request::secure;
    let _: fn(&Request) -> &Method = Request::method;
    let _: fn(&Request) -> &str = Request::url;
    let _: fn(&Request) -> &[Header] = Request::headers;
    let _: fn(&Request) -> &HTTPVersion = Request::http_version;
    let _: fn(&Request) -> Option<usize> = Request::body_length;
    let _: fn(&Request) -> Option<&SocketAddr> = Request::remote_addr;
    let _: fn(&mut Request) -> &mut dyn Read = Request::as_reader;
    let _: fn(Request) -> Box<dyn Write + Send + 'static> = Request::into_writer;
    let _: fn(Request, Response<Body>) -> Result<(), io::Error> = Request::respond;
    let _: fn(Request, ResponseBox) -> Result<(), io::Error> = Request::respond;
    let _: fn(Request, &str, Response<io::Empty>) -> Box<dyn ReadWrite + Send> = Request::upgrade;
    let _: fn() -> TestRequest = TestRequest::new;
    let _: fn(TestRequest, &str) -> TestRequest = TestRequest::with_path;
    let _: fn(TestRequest, &'static str) -> TestRequest = TestRequest::with_body;
    let _: fn(TestRequest) -> TestRequest = TestRequest::with_https;
    let _: fn(TestRequest) -> Request = TestRequest::into;
}

#[test]
fn a_response_has_the_signatures_of_0_12() {
    type Parts = fn(StatusCode, Vec<Header>, Body, Option<usize>, Option<Receiver<Header>>) -> Response<Body>;
    type Print = fn(Response<Body>, Vec<u8>, HTTPVersion, &[Header], bool, Option<&str>) -> io::Result<()>;
    let _: Parts = Response::new;
    let _: Print = Response::raw_print;
    let _: fn(Response<Body>, usize) -> Response<Body> = Response::with_chunked_threshold;
    let _: fn(&Response<Body>) -> usize = Response::chunked_threshold;
    let _: fn(Response<Body>) -> Body = Response::into_reader;
    let _: fn(&mut Response<Body>, Header) = Response::add_header;
    let _: fn(Response<Body>, Header) -> Response<Body> = Response::with_header;
    let _: fn(Response<Body>, u16) -> Response<Body> = Response::with_status_code;
    let _: fn(Response<io::Empty>, Body, Option<usize>) -> Response<Body> = Response::with_data;
    let _: fn(&Response<Body>) -> StatusCode = Response::status_code;
    let _: fn(&Response<Body>) -> Option<usize> = Response::data_length;
    let _: fn(&Response<Body>) -> &[Header] = Response::headers;
    let _: fn(Response<Body>) -> ResponseBox = Response::boxed;
    let _: fn(File) -> Response<File> = Response::from_file;
    let _: fn(&'static [u8]) -> Response<Body> = Response::from_data;
    let _: fn(String) -> Response<Body> = Response::from_string;
    let _: fn(i32) -> Response<io::Empty> = Response::empty;
    let _: fn(StatusCode) -> Response<io::Empty> = Response::new_empty;
}

#[test]
fn every_type_has_the_traits_of_0_12() {
    fn shared<T: Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}
    fn sent<T: Send + 'static>() {}
    fn debug<T: Debug>() {}
    fn value<T: Clone + Debug + Send + Sync + 'static>() {}
    shared::<Server>();
    shared::<Response<Body>>();
    sent::<Request>();
    sent::<ResponseBox>();
    sent::<TestRequest>();
    sent::<Listener>();
    sent::<Box<dyn ReadWrite + Send>>();
    debug::<Request>();
    value::<ServerConfig>();
    value::<SslConfig>();
    value::<ConfigListenAddr>();
    value::<ListenAddr>();
    value::<Header>();
    value::<HeaderField>();
    value::<Method>();
    value::<HTTPVersion>();
    value::<StatusCode>();

    fn name<T: FromStr + Display + Eq>() {}
    name::<HeaderField>();
    name::<Method>();
    fn ordered<T, U>()
    where
        T: Ord + PartialOrd<U> + PartialEq<U> + From<U>,
        U: PartialOrd<T> + PartialEq<T>,
    {
    }
    ordered::<HTTPVersion, (u8, u8)>();
    ordered::<StatusCode, u16>();
    fn copied<T: Copy + AsRef<u16>>() {}
    copied::<StatusCode>();
    fn cloned<T: Clone>() {}
    cloned::<Response<io::Empty>>();
    fn default<T: Default>() {}
    default::<TestRequest>();
    fn each<T: Iterator<Item = Request>>() {}
    each::<IncomingRequests<'_>>();
}
