//! The client's address: the peer's, or what a proxy that is trusted says.

use std::net::IpAddr;

use tiny_http::Request;

/// Addresses that a proxy chain may have before the header is nonsense.
const HOPS_MAX: usize = 32;

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// Reads addresses and networks, separated by commas: `10.0.0.0/8, ::1`.
    pub fn parse(text: &str) -> Result<TrustedProxies, String> {
        let network = |part: &str| {
            let wrong = || format!("{part:?} is neither an address nor a network like 10.0.0.0/8");
            let (address, length) = part.split_once('/').unwrap_or((part, ""));
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let length = if length.is_empty() { bits } else { length.parse().map_err(|_| wrong())? };
            if length <= bits { Ok((address, length)) } else { Err(wrong()) }
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(TrustedProxies)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, length)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(*length);
                (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(*length);
                (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        })
    }

    /// Who sent a request: the last address of the chain that no trusted proxy has.
    pub fn client(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.remote_addr()?.ip().to_canonical();
        if self.0.is_empty() || !self.trusts(peer) {
            return Some(peer);
        }
        let Some(chain) = request.header("X-Forwarded-For") else { return Some(peer) };
        let mut client = peer;
        for hop in chain.rsplit(',').take(HOPS_MAX) {
            // What is no address was made up by the client: the one before it is the last that is known.
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }
}
