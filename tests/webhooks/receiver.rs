//! A receiver of webhooks: it keeps what arrives, and answers as the test says, well or badly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mainstay::gateway::webhooks::signature;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::support::certificate::Certificate;
use crate::support::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing that is sent stays away for longer.
const HANG: Duration = Duration::from_secs(30);

/// What arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub at: Instant,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.event()["type"].as_str().unwrap().to_owned()
    }

    /// Whether one of its signatures is made with this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let [id, time, signatures] =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| self.header(name));
        signature::verify(&secret, id, time, signatures, &self.body).is_ok()
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Manner {
    Answer(u16),
    /// With these headers, each with its line end, and this body.
    Full(u16, &'static str, String),
    Slowly(Duration),
    /// So slowly, with a count of how many there are at the same time, and how many there were at most.
    Counted(Duration),
    /// A header each so often, and no end.
    Drip(Duration),
    /// Whatever this is.
    Raw(String),
    Never,
    /// The connection is cut in the middle.
    Reset,
}

type Manners = Box<dyn Fn(&Received, usize) -> Manner + Send + Sync>;

struct Shared {
    received: Mutex<Vec<Received>>,
    manners: Mutex<Manners>,
    counts: Mutex<Arc<(AtomicUsize, AtomicUsize)>>,
}

/// A receiver, as long as the test runs.
#[derive(Clone)]
pub struct Receiver {
    shared: Arc<Shared>,
    pub address: SocketAddr,
    is_encrypted: bool,
}

impl Receiver {
    /// One that is pleased with everything.
    pub fn start() -> Receiver {
        Receiver::with(|_, _| Manner::Answer(200))
    }

    /// One that answers as this says, which learns how many there were before.
    pub fn with(manners: impl Fn(&Received, usize) -> Manner + Send + Sync + 'static) -> Receiver {
        Receiver::listen(manners, None)
    }

    /// One that is pleased with everything, and shows this certificate.
    pub fn encrypted(certificate: &Certificate) -> Receiver {
        let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Receiver::listen(|_, _| Manner::Answer(200), Some(Arc::new(config)))
    }

    fn listen(
        manners: impl Fn(&Received, usize) -> Manner + Send + Sync + 'static,
        encryption: Option<Arc<ServerConfig>>,
    ) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            manners: Mutex::new(Box::new(manners)),
            counts: Mutex::default(),
        });
        let (receiving, is_encrypted) = (shared.clone(), encryption.is_some());
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (shared, encryption) = (receiving.clone(), encryption.clone());
                thread::spawn(move || match encryption {
                    None => serve(&socket, &socket, &shared),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, &socket), &socket, &shared);
                    }
                });
            }
        });
        Receiver { shared, address, is_encrypted }
    }

    pub fn behave(&self, manners: impl Fn(&Received, usize) -> Manner + Send + Sync + 'static) {
        *self.shared.manners.lock().unwrap() = Box::new(manners);
    }

    /// Where [`Manner::Counted`] counts.
    pub fn count(&self, counts: Arc<(AtomicUsize, AtomicUsize)>) {
        *self.shared.counts.lock().unwrap() = counts;
    }

    pub fn url(&self) -> String {
        match self.is_encrypted {
            true => format!("https://localhost:{}/hooks", self.address.port()),
            false => format!("http://{}/hooks", self.address),
        }
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// What has arrived, as soon as it is so much.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} requests arrive"), PATIENCE, || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
    }
}

/// Serves the requests of one connection, one after the other.
fn serve(stream: impl Read + Write, socket: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader) {
        let manner = {
            let mut all = shared.received.lock().unwrap();
            let manner = shared.manners.lock().unwrap()(&received, all.len());
            all.push(received);
            manner
        };
        let (status, headers, body) = match manner {
            Manner::Answer(status) => (status, "", String::new()),
            Manner::Full(status, headers, body) => (status, headers, body),
            Manner::Slowly(time) => {
                thread::sleep(time);
                (200, "", String::new())
            }
            Manner::Counted(time) => {
                let counts = shared.counts.lock().unwrap().clone();
                let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
                counts.1.fetch_max(now, Ordering::SeqCst);
                thread::sleep(time);
                counts.0.fetch_sub(1, Ordering::SeqCst);
                (200, "", String::new())
            }
            Manner::Drip(time) => return drip(reader.get_mut(), time),
            Manner::Raw(text) => {
                let _ = reader.get_mut().write_all(text.as_bytes());
                return;
            }
            Manner::Never => {
                thread::sleep(HANG);
                return;
            }
            Manner::Reset => {
                // A connection that does not linger is not closed, but reset.
                rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
                return;
            }
        };
        let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        if reader.get_mut().write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn drip(stream: &mut impl Write, time: Duration) {
    let end = Instant::now() + HANG;
    let mut text = "HTTP/1.1 200 OK\r\n";
    while Instant::now() < end && stream.write_all(text.as_bytes()).is_ok() {
        text = "X-More: to come\r\n";
        thread::sleep(time);
    }
}

fn read(reader: &mut impl BufRead) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { headers, body: String::from_utf8(body).unwrap(), at: Instant::now() })
}
