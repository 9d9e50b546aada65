//! Whom we believe to be the database: libpq's modes of `sslmode`, with rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Address, Security};
use crate::error::{Error, Result};

/// Where systems keep the authorities that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What makes connections to an address safe; `None` where they are not encrypted at all.
pub fn connector(address: &Address) -> Result<Option<MakeRustlsConnect>> {
    let checks_name = match address.security {
        Security::Disable => return Ok(None),
        _ if address.is_local() => return Ok(None),
        Security::Prefer | Security::Require => None,
        Security::VerifyAuthority => Some(false),
        Security::VerifyName => Some(true),
    };
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier {
        algorithms: provider.signature_verification_algorithms,
        authorities: match checks_name {
            Some(_) => Some(authorities(address.root_cert.as_deref(), &provider)?),
            None => None,
        },
        checks_name: checks_name == Some(true),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS cannot be set up").because(error))?
        .dangerous() // Our own verifier, because libpq has modes that rustls has not.
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// Why a handshake failed, and what to do about it; `None` if something else failed.
pub fn explain(error: &(dyn std::error::Error + 'static), address: &Address) -> Option<String> {
    let rustls::Error::InvalidCertificate(problem) = find(error)? else { return None };
    let trusted =
        address.root_cert.as_ref().map_or_else(|| "the system's authorities".into(), |path| path.display().to_string());
    Some(match problem {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "{problem}. Use a name that it is valid for in DB_HOST, or DB_SSL_MODE=verify-ca if any server of its authority \
             will do"
        ),
        CertificateError::UnknownIssuer => format!(
            "the server's certificate is not signed by an authority in {trusted}. Set DB_SSL_ROOT_CERT to the certificate \
             of the authority that signed it"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the server's {problem}. Somebody has to renew it on the server")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the server's {problem}. Compare the clocks of both machines")
        }
        _ => format!("the server's certificate is not accepted: {problem}"),
    })
}

/// The error of rustls among the causes of an error.
fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // What an io::Error is made from is not its source.
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => find(inner),
        None => find(error.source()?),
    }
}

/// The file of the authorities that the system trusts, if it has one.
pub fn system_authorities() -> Option<PathBuf> {
    SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// The authorities of a file, or of the system.
fn authorities(file: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let path = file.map(Path::to_owned).or_else(system_authorities).ok_or_else(|| {
        Error::database_unavailable("this system names no certificate authorities to trust: set DB_SSL_ROOT_CERT")
    })?;
    let unreadable = || format!("DB_SSL_ROOT_CERT: {} has no certificates that can be read", path.display());
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&path)
        .map_err(|error| Error::database_unavailable(unreadable()).because(error))?;
    store.add_parsable_certificates(certificates.flatten());
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| Error::database_unavailable(unreadable()).because(error))
}

/// Checks the server's certificate as far as the mode asks.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    /// `None`: any certificate will do.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is looked at last, when everything else was right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
