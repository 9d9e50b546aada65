//! Where a database is and how to reach it: `DATABASE_URL`, or the settings beside it.

use std::fmt;
use std::path::{Path, PathBuf};

use postgres::config::{Host, SslMode};

use super::Config;

/// How much encryption the connection needs, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    Disable,
    /// Encrypted if the server can.
    Prefer,
    /// Encrypted, with whomever.
    Require,
    /// Encrypted, with a server whose certificate an authority has signed.
    VerifyAuthority,
    /// Encrypted, with the server of that name.
    VerifyName,
}

impl Security {
    fn parse(mode: &str) -> Option<Security> {
        Some(match mode {
            "disable" | "off" => Security::Disable,
            "allow" | "prefer" => Security::Prefer,
            "require" => Security::Require,
            "verify-ca" => Security::VerifyAuthority,
            "verify-full" => Security::VerifyName,
            _ => return None,
        })
    }
}

/// A database's address. What is shown of it never has the password.
#[derive(Clone)]
pub struct Address {
    pub config: postgres::Config,
    pub security: Security,
    pub root_cert: Option<PathBuf>,
}

impl Address {
    /// Reads a URL or key=value pairs. `sslmode` and `sslrootcert` are ours: the driver knows only three modes.
    pub fn parse(text: &str) -> Result<Address, String> {
        let (text, mode, root_cert) = take_ssl_options(text);
        let security = match &mode {
            Some(mode) => Security::parse(mode).ok_or_else(|| format!("has an unknown sslmode, {mode}"))?,
            None => Security::Prefer,
        };
        // The driver's own words may quote what it could not read, and that may be a password.
        let config: postgres::Config = text
            .parse()
            .map_err(|_| "must be postgres://USER:PASSWORD@HOST:PORT/NAME or key=value pairs".to_owned())?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("names no host".to_owned());
        }
        if config.get_user().is_none() {
            return Err("names no user".to_owned());
        }
        Ok(Address { config, security, root_cert: root_cert.map(PathBuf::from) })
    }

    /// The primary database that a configuration names; `None` means the embedded one.
    pub fn primary(config: &Config) -> Result<Option<Address>, String> {
        if let Some(url) = config.text("DATABASE_URL") {
            return Address::parse_with(url, config).map(Some);
        }
        let Some(host) = config.text("DB_HOST") else { return Ok(None) };
        let mut target = postgres::Config::new();
        target.host(host).port(config.integer("DB_PORT") as u16);
        target.dbname(config.text("DB_NAME").unwrap_or_default()).user(config.text("DB_USER").unwrap_or_default());
        if let Some(password) = config.text("DB_PASSWORD") {
            target.password(password);
        }
        let mode = config.text("DB_SSL_MODE").unwrap_or_default();
        let security = Security::parse(mode).ok_or("DB_SSL_MODE is unknown")?;
        let root_cert = config.path("DB_SSL_ROOT_CERT").map(Path::to_owned);
        Ok(Some(Address { config: target, security, root_cert }))
    }

    /// The replica for reading, if there is one.
    pub fn replica(config: &Config) -> Result<Option<Address>, String> {
        config.text("DB_READONLY_URL").map(|url| Address::parse_with(url, config)).transpose()
    }

    /// A URL, with `DB_SSL_MODE` and `DB_SSL_ROOT_CERT` for what it does not say.
    fn parse_with(url: &str, config: &Config) -> Result<Address, String> {
        let mut address = Address::parse(url)?;
        let (_, mode, _) = take_ssl_options(url);
        if mode.is_none()
            && config.is_set("DB_SSL_MODE")
            && let Some(security) = config.text("DB_SSL_MODE").and_then(Security::parse)
        {
            address.security = security;
        }
        if address.root_cert.is_none() {
            address.root_cert = config.path("DB_SSL_ROOT_CERT").map(Path::to_owned);
        }
        Ok(address)
    }

    /// A Unix socket in a folder.
    pub fn unix(folder: &Path, user: &str, name: &str) -> Address {
        let mut config = postgres::Config::new();
        config.host_path(folder).user(user).dbname(name);
        Address { config, security: Security::Disable, root_cert: None }
    }

    /// The same server, another database.
    pub fn with_name(&self, name: &str) -> Address {
        let mut address = self.clone();
        address.config.dbname(name);
        address
    }

    pub fn name(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }

    /// Whether every host is a Unix socket, which needs no encryption.
    pub fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) && !self.config.get_hosts().is_empty()
    }

    /// What the driver is to ask the server for.
    pub fn driver_mode(&self) -> SslMode {
        match self.security {
            _ if self.is_local() => SslMode::Disable,
            Security::Disable => SslMode::Disable,
            Security::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            match host {
                Host::Unix(path) => write!(formatter, "{separator}{}", path.display())?,
                Host::Tcp(host) => {
                    let port = ports.get(index).or(ports.first()).unwrap_or(&5432);
                    write!(formatter, "{separator}{host}:{port}")?;
                }
            }
        }
        write!(formatter, " database {} as {}", self.name(), self.config.get_user().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({self}, {:?})", self.security)
    }
}

/// Takes `sslmode` and `sslrootcert` out of a URL or of key=value pairs.
fn take_ssl_options(text: &str) -> (String, Option<String>, Option<String>) {
    let (mut mode, mut root_cert) = (None, None);
    let mut is_ours = |pair: &str| match pair.split_once('=') {
        Some(("sslmode", value)) => mode.replace(value.trim_matches('\'').to_owned()).is_none(),
        Some(("sslrootcert", value)) => root_cert.replace(value.trim_matches('\'').to_owned()).is_none(),
        _ => false,
    };
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let rest = if is_url {
        match text.split_once('?') {
            None => text.to_owned(),
            Some((front, query)) => {
                let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
                if kept.is_empty() { front.to_owned() } else { format!("{front}?{}", kept.join("&")) }
            }
        }
    } else {
        let kept: Vec<&str> = text.split_whitespace().filter(|pair| !is_ours(pair)).collect();
        // Values in quotes may have spaces: the text is only put together anew where something was taken out.
        if kept.len() == text.split_whitespace().count() { text.to_owned() } else { kept.join(" ") }
    };
    (rest, mode, root_cert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_that_the_driver_does_not_know_are_read_from_urls_and_pairs() {
        let url =
            Address::parse("postgres://u:p@h1:1,h2:2/d?sslmode=verify-full&connect_timeout=3&sslrootcert=/ca").unwrap();
        assert_eq!((url.security, url.root_cert.as_deref()), (Security::VerifyName, Some(Path::new("/ca"))));
        assert_eq!(url.to_string(), "h1:1,h2:2 database d as u");
        let pairs = Address::parse("host=h user=u sslmode=off dbname=d").unwrap();
        assert_eq!((pairs.security, pairs.name()), (Security::Disable, "d"));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_its_password() {
        for text in [
            "postgres://u:hunter2@h:port/d",
            "host=h password=hunter2 nonsense",
            "postgres://u:hunter2@h/d?sslmode=hunter",
        ] {
            let problem = Address::parse(text).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        let shown = format!("{:?}", Address::parse("postgres://u:hunter2@h/d").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
