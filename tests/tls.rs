//! Encryption of the wire to PostgreSQL: every mode, against servers that are right, wrong, strange, out of date, and
//! that do not encrypt.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use mainstay::config::Address;
use mainstay::db::Dialer;

use crate::support::binary::mainstay;
use crate::support::certificate::{Authority, Certificate};
use crate::support::proxy::Proxy;
use crate::support::server::{Extras, Server};
use crate::support::{database, folder};

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// `encrypted_only` is a database that wants encryption, as servers on the internet do.
const ACCESS: &str = "
local     all            all     trust
hostnossl encrypted_only all all reject
host      all            all all trust
";

/// A server, and the file of the authority that signed its certificate.
struct Secure {
    server: Server,
    authority: Authority,
}

impl Secure {
    fn start(until: i32) -> Secure {
        let authority = Authority::new("The tests' authority");
        let Certificate { certificate, key } = authority.sign("localhost", until);
        let server = Server::start(Extras {
            listens: true,
            settings: &[
                "ssl=on",
                "ssl_cert_file={folder}/server.crt",
                "ssl_key_file={folder}/server.key",
                "hba_file={folder}/access.conf",
            ],
            files: &[("server.crt", &certificate), ("server.key", &key), ("access.conf", ACCESS)],
            ..Extras::default()
        });
        server.client("postgres").batch_execute("CREATE DATABASE encrypted_only").unwrap();
        Secure { server, authority }
    }

    /// The server as it is called by this name, when this file's authorities are believed.
    fn address(&self, host: &str, mode: &str, root_cert: Option<&Path>) -> Address {
        let mut address = self.server.tcp(host, "postgres", &format!("sslmode={mode}"));
        address.root_cert = root_cert.map(Path::to_owned);
        address
    }
}

/// A server whose certificate is good, for `localhost`.
fn secure() -> &'static Secure {
    static SECURE: OnceLock<Secure> = OnceLock::new();
    SECURE.get_or_init(|| Secure::start(2999))
}

/// Connects, and answers whether the wire is encrypted, as the server sees it; or why it was not to be.
fn connect(address: &Address) -> Result<bool, String> {
    const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let dialer =
        Dialer::new(address, "mainstay/test", &[], Duration::from_secs(10)).map_err(|error| error.to_string())?;
    let mut connection = dialer.dial().map_err(|error| error.to_string())?;
    Ok(connection.client().query_one(ENCRYPTED, &[]).unwrap().get(0))
}

/// What the modes come to, one by one.
fn each_mode(address: impl Fn(&str) -> Address) -> Vec<Result<bool, String>> {
    MODES.map(|mode| connect(&address(mode))).into()
}

#[track_caller]
fn says(result: &Result<bool, String>, words: &[&str]) {
    let error = result.as_ref().unwrap_err();
    for word in words {
        assert!(error.contains(word), "{word} in {error}");
    }
}

#[test]
fn every_mode_but_disable_encrypts_where_the_certificate_is_right() {
    let file = secure().authority.file();
    let results = each_mode(|mode| secure().address("localhost", mode, Some(&file)));
    assert_eq!(results, [Ok(false), Ok(true), Ok(true), Ok(true), Ok(true), Ok(true)]);
}

#[test]
fn a_certificate_for_another_name_is_refused_by_verify_full_alone() {
    let file = secure().authority.file();
    let results = each_mode(|mode| secure().address("127.0.0.1", mode, Some(&file)));
    assert_eq!(results[..5], [Ok(false), Ok(true), Ok(true), Ok(true), Ok(true)]);
    says(&results[5], &["127.0.0.1", "\"localhost\"", "DB_SSL_MODE=verify-ca"]);
}

#[test]
fn an_unknown_authority_is_refused_by_whoever_asks_for_one() {
    let stranger = Authority::new("Somebody else").file();
    let results = each_mode(|mode| secure().address("localhost", mode, Some(&stranger)));
    assert_eq!(results[..4], [Ok(false), Ok(true), Ok(true), Ok(true)]);
    for result in &results[4..] {
        says(result, &["not signed by an authority", "DB_SSL_ROOT_CERT", &stranger.display().to_string()]);
    }
}

#[test]
fn an_expired_certificate_is_refused_by_whoever_looks_at_it() {
    let expired = Secure::start(2020);
    let file = expired.authority.file();
    let results = each_mode(|mode| expired.address("localhost", mode, Some(&file)));
    assert_eq!(results[..4], [Ok(false), Ok(true), Ok(true), Ok(true)]);
    for result in &results[4..] {
        says(result, &["expired", "renew it"]);
    }
}

#[test]
fn a_server_without_encryption_is_refused_by_whoever_requires_it() {
    let home = database();
    // On its Unix socket, to which the proxy carries us, PostgreSQL says no to encryption.
    let plain = Proxy::start(home.address());
    let file = secure().authority.file();
    let results = each_mode(|mode| {
        let mut address = plain.address(mode);
        address.root_cert = Some(file.clone());
        address
    });
    assert_eq!(results[..3], [Ok(false), Ok(false), Ok(false)]);
    for result in &results[3..] {
        says(result, &["does not encrypt", "DB_SSL_MODE", "ssl = on"]);
    }
}

#[test]
fn a_server_that_insists_on_encryption_says_so_to_those_without() {
    let strict = |mode: &str| secure().address("localhost", mode, None).with_name("encrypted_only");
    says(&connect(&strict("disable")), &["no encryption", "DB_SSL_MODE=require"]);
    for mode in ["prefer", "require"] {
        assert_eq!(connect(&strict(mode)), Ok(true), "{mode}");
    }
}

#[test]
fn a_file_of_authorities_that_has_none_is_told_before_anybody_connects() {
    let file = folder("authority").join("empty.pem");
    std::fs::write(&file, "nothing of interest\n").unwrap();
    let result = connect(&secure().address("localhost", "verify-full", Some(&file)));
    says(&result, &["DB_SSL_ROOT_CERT", "empty.pem", "no certificates"]);
}

#[test]
fn the_binary_takes_mode_and_authority_from_its_settings() {
    let secure = secure();
    let (file, port) = (secure.authority.file().display().to_string(), secure.server.port.to_string());
    let run = |host: &str, mode: &str| {
        let settings = [
            ("DB_HOST", host),
            ("DB_PORT", &port),
            ("DB_NAME", "encrypted_only"),
            ("DB_USER", "postgres"),
            ("DB_SSL_MODE", mode),
            ("DB_SSL_ROOT_CERT", &file),
        ];
        mainstay(&["migrate", "status"], &settings)
    };
    let good = run("localhost", "verify-full");
    assert_eq!((good.code(), good.said().as_str()), (0, ""), "{}", good.text());
    let wrong = run("127.0.0.1", "verify-full");
    assert_ne!(wrong.code(), 0);
    assert!(wrong.said().contains("verify-ca") && wrong.said().contains("127.0.0.1"), "{}", wrong.said());
    assert_eq!(run("127.0.0.1", "verify-ca").code(), 0);
    assert!(run("localhost", "disable").said().contains("DB_SSL_MODE=require"));
}

#[test]
fn a_server_that_is_only_known_by_its_address_is_reached_like_any_other() {
    let (file, port) = (secure().authority.file(), secure().server.port);
    let address = |mode: &str| {
        let pairs = format!("hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres sslmode={mode}");
        let mut address = Address::parse(&pairs).unwrap();
        address.root_cert = Some(file.clone());
        address
    };
    assert_eq!((connect(&address("disable")), connect(&address("verify-ca"))), (Ok(false), Ok(true)));
    says(&connect(&address("verify-full")), &["127.0.0.1"]);
}

#[test]
fn a_socket_that_is_not_there_is_named() {
    let nowhere = Address::unix(&folder("nowhere"), "postgres", "postgres");
    says(&connect(&nowhere), &["nowhere/.s.PGSQL.5432", "No such file"]);
}
