//! HTTP as the whole API has it in common: endpoints, the way of a request, errors, and what every reply carries.
//!
//! Knows no domain. Who a caller is, is asked of whoever was given to [`Service`] for that.

mod caller;
mod endpoint;
mod query;
mod reply;
mod router;
mod client;
mod credentials;
mod rate_limit;
mod cors;
mod compress;
mod shared;
mod memory;
mod snapshot;
mod log;
mod sample;
mod traffic;
mod afterwards;
mod call;
mod body;
mod idempotency;
mod send;
mod visit;
mod waiting;
pub mod batch;
mod service;
mod policy;
mod together;
pub mod openapi;
pub mod rights;
pub mod types;

pub use call::{Call, Many, Preferences, Timing};
pub use caller::{Caller, Credential, Permission, Role, covers};
pub use cors::Cors;
pub use credentials::Credentials;
pub use endpoint::{
    Access, Check, Endpoint, Handler, Limit, Output, Parameter, Together, Verb, delete, get, patch, post, put,
};
pub use log::{Exchange, TARGET as ACCESS_LOG};
pub use memory::Memory;
pub use policy::Policy;
pub use query::Query;
pub use rate_limit::{RateLimits, Rates, Who};
pub use reply::{Body, Reply};
pub use router::Router;
pub use service::{Admission, Observer, Service, ServiceOptions};
pub use shared::SharedBody;
pub use traffic::Traffic;
pub use waiting::Bell;
