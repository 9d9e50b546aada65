//! The access log: a line for each request. Neither bodies nor tokens nor query strings are ever in it.

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tiny_http::Method;

use super::caller::Caller;
use super::rate_limit::Standing;
use crate::error::{Code, Error};
use crate::request_id::RequestId;

/// The log that access lines go to.
pub const TARGET: &str = "mainstay::access";

/// A request and what became of it.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub request_id: RequestId,
    pub address: Option<IpAddr>,
    /// The client's program; only if somebody observes.
    pub user_agent: String,
    pub method: String,
    /// The endpoint's method and path; empty when there is none.
    pub endpoint: &'static str,
    /// The path as it was asked for, if there is no endpoint. It is cut, and has no query string.
    pub(super) nowhere: String,
    /// How the caller stands with the limits.
    pub(super) standing: Option<Standing>,
    /// Its place in the table of endpoints.
    pub(super) place: Option<usize>,
    pub caller: Option<Arc<Caller>>,
    pub status: u16,
    pub bytes: usize,
    pub duration: Duration,
    /// Whether it is worth a line in the logs.
    pub is_noted: bool,
}

impl Exchange {
    /// A request that has come, and has met no endpoint yet.
    pub fn new(request_id: RequestId, address: Option<IpAddr>, method: &Method) -> Exchange {
        Exchange {
            request_id,
            address,
            user_agent: String::new(),
            method: method.as_str().to_owned(),
            endpoint: "",
            nowhere: String::new(),
            standing: None,
            place: None,
            caller: None,
            status: 0,
            bytes: 0,
            duration: Duration::ZERO,
            is_noted: true,
        }
    }

    pub(super) fn finish(&mut self, sent: io::Result<usize>, duration: Duration) {
        self.duration = duration;
        match sent {
            Ok(bytes) => self.bytes = bytes,
            Err(error) => log::debug!("request {}: the reply was not taken: {error}", self.request_id),
        }
    }

    pub(super) fn log(&self, as_json: bool) {
        if !log::log_enabled!(target: TARGET, log::Level::Info) {
            return;
        }
        let ms = self.duration.as_secs_f64() * 1000.0;
        let nowhere = if self.nowhere.is_empty() { "-" } else { &self.nowhere };
        let path = self.endpoint.split_once(' ').map_or(nowhere, |(_, path)| path);
        let caller = self.caller.as_deref();
        if as_json {
            let line = json!({
                "method": self.method, "path": path, "status": self.status, "duration_ms": ms, "bytes": self.bytes,
                "request_id": self.request_id.as_str(), "address": self.address,
                "user_id": caller.map(|caller| caller.user_id), "api_key_id": caller.and_then(Caller::api_key_id),
            });
            log::info!(target: TARGET, "{line}");
            return;
        }
        let user = caller.map_or_else(|| "-".to_owned(), |caller| caller.user_id.to_string());
        log::info!(
            target: TARGET,
            "{} {path} {} {ms:.1}ms {}B request={} user={user}",
            self.method, self.status, self.bytes, self.request_id,
        );
    }
}

/// Says what the client cannot be told. Of what PostgreSQL says, only what has no data in it.
pub(super) fn log_error(error: &Error, exchange: &Exchange) {
    let level = match error.code {
        Code::InternalError => log::Level::Error,
        Code::DatabaseUnavailable | Code::PoolExhausted | Code::QueryTimeout => log::Level::Warn,
        _ => log::Level::Debug,
    };
    if !log::log_enabled!(level) {
        return;
    }
    let (endpoint, id) = (exchange.endpoint, exchange.request_id);
    let code = error.code.name();
    match error.database().and_then(postgres::Error::as_db_error) {
        Some(database) if error.code == Code::InternalError => {
            let (state, message) = (database.code().code(), database.message());
            log::log!(level, "{endpoint} request={id}: {code}: {}: {state} {message}", error.message);
        }
        None if let (Code::DatabaseUnavailable, Some(cause)) = (error.code, error.source()) => {
            log::log!(level, "{endpoint} request={id}: {code}: {}: {cause}", error.message);
        }
        _ => log::log!(level, "{endpoint} request={id}: {code}: {}", error.message),
    }
}
