//! What a program decides about requests that it has not seen yet.

use std::fmt;
use std::net::IpAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::Method;

/// A program's own say in what [`Limits`](crate::Limits) allow. It is asked by the threads that wait for sockets, so it
/// answers at once.
pub trait Policy: fmt::Debug + Send + Sync + UnwindSafe + RefUnwindSafe {
    /// Bytes of the body that are wanted by whatever answers this request, as its target is written. Of a body that is
    /// announced as longer nothing is collected, and of another that proves to be longer one byte more: the program gets the
    /// request then, and refuses it in its own words.
    fn body_bytes(&self, _method: &Method, _target: &str) -> u64 {
        u64::MAX
    }

    /// Whether an address is no single client, but a proxy: the limits for each address do not hold for it.
    fn is_proxy(&self, _address: IpAddr) -> bool {
        false
    }
}
