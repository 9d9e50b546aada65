//! Requests to servers of others: bounded in time and size, never redirected, never by a proxy that the environment names,
//! and never to where a stranger must not send us.
//!
//! Knows nothing of what is sent, nor why.

mod reach;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::Agent;
use ureq::config::Config as AgentConfig;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::db::system_authorities;
use crate::error::{Error, Result};
pub use reach::Reach;

/// Bytes of a reply's body that are read.
pub const EXCERPT_BYTES: usize = 1024;
/// Bytes of a reply's head, and of the buffers of a connection.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a connection waits for the next request. Servers close theirs after five seconds, the quickest of them, and
/// what is sent just then is lost.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// The longest that a server may ask us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// What sends requests.
pub struct Client {
    agent: Agent,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Client")
    }
}

/// A reply, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// How long the server asks us to wait.
    pub retry_after: Option<Duration>,
    /// The beginning of the body, without what no log should have.
    pub excerpt: String,
}

impl Client {
    /// A client that goes where `reach` allows and trusts the authorities in a file, or those of the system.
    pub fn new(
        reach: Arc<Reach>,
        authorities: Option<&Path>,
        timeout: Duration,
        connections_max: usize,
    ) -> Result<Client> {
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(trusted(authorities)?)))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
            .accept("*/*")
            .accept_encoding("identity")
            .max_response_header_size(HEAD_BYTES_MAX)
            .input_buffer_size(HEAD_BYTES_MAX)
            .output_buffer_size(HEAD_BYTES_MAX)
            .max_idle_connections(connections_max)
            .max_idle_connections_per_host(connections_max)
            .max_idle_age(IDLE_MAX)
            .build();
        let resolver = Guard { reach, inner: DefaultResolver::default() };
        Ok(Client { agent: Agent::with_parts(config, DefaultConnector::default(), resolver) })
    }

    /// Posts a body. That there is no answer is told in words for whoever looks after the other side.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
        let mut request = self.agent.post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send(body).map(answer).map_err(|error| told(&error))
    }

    /// Gets what is at a URL, as far as it is of interest.
    pub fn get(&self, url: &str) -> Result<Answer, String> {
        self.agent.get(url).call().map(answer).map_err(|error| told(&error))
    }
}

/// A reply, read as far as it is of interest.
fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let retry_after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(wait_of);
    let mut bytes = Vec::with_capacity(EXCERPT_BYTES);
    // A body that breaks off takes nothing from the status that has come already.
    let _ = response.body_mut().as_reader().take(EXCERPT_BYTES as u64).read_to_end(&mut bytes);
    Answer { status: response.status().as_u16(), retry_after, excerpt: excerpt(&bytes) }
}

/// Finds the addresses of a name, and keeps those that may be called.
#[derive(Debug)]
struct Guard {
    reach: Arc<Reach>,
    inner: DefaultResolver,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &AgentConfig,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        for address in found.iter().filter(|address| self.reach.has(address.ip())) {
            kept.push(*address);
        }
        if kept.is_empty() { Err(ureq::Error::Other(Box::new(Forbidden(self.reach.settings())))) } else { Ok(kept) }
    }
}

/// All addresses of a name are inside. Which they are is not told: that would be a map of the inside.
#[derive(Debug)]
struct Forbidden(&'static str);

impl fmt::Display for Forbidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the host has no public address; {}_ALLOW_PRIVATE names networks that may be called", self.0)
    }
}

impl std::error::Error for Forbidden {}

/// The certificates of the authorities.
fn trusted(file: Option<&Path>) -> Result<Vec<Certificate<'static>>> {
    let Some(path) = file.map(Path::to_owned).or_else(system_authorities) else { return Ok(Vec::new()) };
    let unreadable = || format!("WEBHOOK_ROOT_CERT: {} has no certificates that can be read", path.display());
    let certificates =
        CertificateDer::pem_file_iter(&path).map_err(|error| Error::internal(unreadable()).because(error))?;
    let certificates: Vec<_> = certificates.flatten().map(|found| Certificate::from_der(&found).to_owned()).collect();
    if certificates.is_empty() { Err(Error::internal(unreadable())) } else { Ok(certificates) }
}

/// Why there was no answer.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::Other(other) => other.to_string(),
        ureq::Error::Io(error)
            if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) =>
        {
            format!("the connection is not safe: {error}")
        }
        ureq::Error::Io(error) => format!("the connection failed: {error}"),
        error => format!("no answer that can be read: {error}"),
    }
}

/// What `Retry-After` says: seconds, or a time.
fn wait_of(text: &str) -> Option<Duration> {
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text.trim()).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Bytes as text that a log and a table can have.
fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String =
        text.chars().map(|letter| if letter.is_control() && letter != '\n' { ' ' } else { letter }).collect();
    while shown.len() > EXCERPT_BYTES {
        shown.pop();
    }
    shown
}
