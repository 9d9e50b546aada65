//! The client's address: the peer's, or what a proxy that is trusted says.

use std::net::IpAddr;

use tiny_http::Request;

use crate::config::Networks;

/// Addresses that a proxy chain may have before the header is nonsense.
const HOPS_MAX: usize = 32;

/// Who sent a request: the last address of the chain that no trusted proxy has.
pub fn client(proxies: &Networks, request: &Request) -> Option<IpAddr> {
    let peer = request.remote_addr()?.ip().to_canonical();
    if !proxies.have(peer) {
        return Some(peer);
    }
    // A proxy may add its own line instead of lengthening the client's: all lines are one chain, in their order.
    let lines = request.headers().iter().filter(|header| header.field.equiv("X-Forwarded-For")).rev();
    let mut client = peer;
    for hop in lines.flat_map(|line| line.value.as_str().rsplit(',')).take(HOPS_MAX) {
        // What is no address was made up by the client: the one before it is the last that is known.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !proxies.have(client) {
            break;
        }
    }
    Some(client)
}
