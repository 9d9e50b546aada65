//! What the threads that wait for sockets ask about requests that are not there yet.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tiny_http::Method;

use super::endpoint::Verb;
use super::service::Service;
use crate::config::Networks;

/// How much is collected of a body: as much as its endpoint reads. And who is no client, but a proxy.
pub struct Policy {
    /// A panic in a handler leaves nothing behind that looking up an endpoint would stumble over.
    service: AssertUnwindSafe<Arc<Service>>,
    proxies: Networks,
}

impl Policy {
    pub fn new(service: Arc<Service>, proxies: Networks) -> Policy {
        Policy { service: AssertUnwindSafe(service), proxies }
    }
}

impl tiny_http::Policy for Policy {
    fn body_bytes(&self, method: &Method, target: &str) -> u64 {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let found = self.service.router().find(Verb::of(method), path);
        // What nobody answers is refused without its body.
        found.map_or(0, |(endpoint, _)| endpoint.body_bytes_max as u64)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.have(address.to_canonical())
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Policy")
    }
}
