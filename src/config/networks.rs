//! Networks of addresses, as settings name them.

use std::net::IpAddr;

/// Some networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// Reads addresses and networks, separated by commas: `10.0.0.0/8, ::1`.
    pub fn parse(text: &str) -> Result<Networks, String> {
        let network = |part: &str| {
            let wrong = || format!("{part:?} is neither an address nor a network like 10.0.0.0/8");
            let (address, length) = part.split_once('/').unwrap_or((part, ""));
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let length = if length.is_empty() { bits } else { length.parse().map_err(|_| wrong())? };
            if length <= bits { Ok((address, length)) } else { Err(wrong()) }
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Networks)
    }

    /// Whether an address is in one of them.
    pub fn have(&self, address: IpAddr) -> bool {
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
}
