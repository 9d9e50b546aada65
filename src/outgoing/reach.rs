//! Where requests of ours may go: to public addresses, and to networks that the operator names.
//!
//! What is looked at is the address that is connected to, so that no name, no redirect and no second answer of a name
//! server leads inside. Addresses that carry another within them are what they carry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::http::Uri;

use crate::config::{Config, Networks};
use crate::error::{Error, Result};

/// Characters of a URL.
const URL_MAX: usize = 2048;

/// What is no public address, of those of version 4: this host, private networks, carriers' own, loopback, link-local (and
/// with it the metadata of most clouds), protocols' own, documentation, relays, benchmarks, groups, what is reserved; and
/// the address inside of Azure that looks public.
const INTERNAL_V4: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, \
    192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, \
    224.0.0.0/4, 240.0.0.0/4, 168.63.129.16";
/// Of those of version 6, all are internal but these,
const GLOBAL_V6: &str = "2000::/3";
/// and of these the ones of protocols (Teredo among them), of documentation, and of 6to4.
const INTERNAL_V6: &str = "2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20";
/// What carries an address of version 4 in its last 32 bits: NAT64, and the old way to write one.
const CARRIERS: &str = "64:ff9b::/96, ::/96, ::ffff:0:0/96, ::ffff:0:0:0/96";

/// Where requests may go.
#[derive(Debug)]
pub struct Reach {
    internal_v4: Networks,
    global_v6: Networks,
    internal_v6: Networks,
    carriers: Networks,
    allowed: Networks,
    allows_http: bool,
    /// What the settings that say so begin with: `WEBHOOK` of `WEBHOOK_ALLOW_PRIVATE` and `WEBHOOK_ALLOW_HTTP`.
    settings: &'static str,
}

impl Reach {
    /// As the settings that begin so say.
    pub fn configured(config: &Config, settings: &'static str) -> Result<Reach> {
        let allowed = config.text(&format!("{settings}_ALLOW_PRIVATE")).unwrap_or_default();
        let allows_http = config.boolean(&format!("{settings}_ALLOW_HTTP")) == Some(true);
        Reach::new(allowed, allows_http, settings).map_err(Error::internal)
    }

    /// With these networks of one's own.
    pub fn new(allowed: &str, allows_http: bool, settings: &'static str) -> Result<Reach, String> {
        Ok(Reach {
            internal_v4: Networks::parse(INTERNAL_V4)?,
            global_v6: Networks::parse(GLOBAL_V6)?,
            internal_v6: Networks::parse(INTERNAL_V6)?,
            carriers: Networks::parse(CARRIERS)?,
            allowed: Networks::parse(allowed)?,
            allows_http,
            settings,
        })
    }

    /// Whether an address may be connected to.
    pub fn has(&self, address: IpAddr) -> bool {
        if self.allowed.have(address) {
            return true;
        }
        let address = match address {
            IpAddr::V6(outer) if self.carriers.have(address) => IpAddr::V4(carried(outer)),
            _ => address,
        };
        if self.allowed.have(address) {
            return true;
        }
        match address {
            IpAddr::V4(_) => !self.internal_v4.have(address),
            IpAddr::V6(_) => self.global_v6.have(address) && !self.internal_v6.have(address),
        }
    }

    /// What is wrong with a URL, to go on after its name. A name in it may still lead to where nothing may go: that is
    /// seen when it is called.
    pub fn check(&self, url: &str) -> Result<(), String> {
        if url.len() > URL_MAX || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "must be at most {URL_MAX} visible ASCII characters; other letters are written as %C3%A9 and xn--…"
            ));
        }
        let whole = || "must be a whole URL like https://example.org/hooks".to_owned();
        let uri: Uri = url.parse().map_err(|_| whole())?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.allows_http => {}
            Some("http") => {
                return Err(format!("must begin with https://; {}_ALLOW_HTTP=true allows http, too", self.settings));
            }
            _ => return Err(whole()),
        }
        if url.contains('#') {
            return Err("must not have a fragment: that is never sent".to_owned());
        }
        let authority = uri.authority().ok_or_else(whole)?;
        if authority.as_str().contains('@') {
            return Err("must not have a user or password in it; headers are the place for them".to_owned());
        }
        // The parser passes over a port that is none.
        let has_port = authority.as_str().len() > authority.host().len();
        if has_port && authority.port_u16().is_none_or(|port| port == 0) {
            return Err("must have a port from 1 to 65535, or none".to_owned());
        }
        self.check_host(authority.host())
    }

    pub(super) fn settings(&self) -> &'static str {
        self.settings
    }

    fn check_host(&self, host: &str) -> Result<(), String> {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        let inside = || {
            let settings = self.settings;
            format!(
                "must not lead to {host}, which is not public; {settings}_ALLOW_PRIVATE names networks that may be called"
            )
        };
        if let Ok(address) = bare.parse::<IpAddr>() {
            return if self.has(address) { Ok(()) } else { Err(inside()) };
        }
        // 2130706433, 0x7f.1 and 0177.0.0.1 are addresses, too, to those who connect.
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        if is_number {
            return Err("must have an address in its usual form, like 192.0.2.1 or [2001:db8::1], or a name".to_owned());
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            return Err("must have the name of a host, or an address".to_owned());
        }
        let is_here = name == "localhost" || name.ends_with(".localhost");
        let may_go_here = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        if is_here && !may_go_here.into_iter().any(|address| self.has(address)) {
            return Err(inside());
        }
        Ok(())
    }
}

/// The last 32 bits.
fn carried(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}
