//! Rate limits: a bucket of tokens for each caller, filled again at a constant rate.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::caller::Caller;
use super::endpoint::Limit;
use crate::error::{Code, Error, Result};

const SHARDS: usize = 16;
/// Callers that one shard remembers.
const BUCKETS_MAX: usize = 4096;
const MINUTE: f64 = 60.0;

/// Requests a minute; 0 is no limit. Each server counts for itself: what several would have to agree on for each request would
/// cost more than the request.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    pub general: u32,
    pub login: u32,
    /// Of single endpoints, by their labels; what they cost is counted besides.
    pub of_endpoints: Vec<(String, u32)>,
}

impl Rates {
    /// Reads `POST /api/gateway/plan=30, GET /api/teams=100`.
    pub fn parse(text: &str) -> Result<Vec<(String, u32)>> {
        let rate = |part: &str| {
            let (label, rate) = part.rsplit_once('=')?;
            let words: Vec<&str> = label.split_whitespace().collect();
            (words.len() == 2).then_some((words.join(" "), rate.trim().parse().ok()?))
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| {
                rate(part).ok_or_else(|| {
                    let message = format!("RATE_LIMITS: {part:?} is not like `GET /api/teams=100`");
                    Error::new(Code::ValidationError, message)
                })
            })
            .collect()
    }
}

/// Of which limit a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Limit(Limit),
    /// The endpoint at this place in the table.
    Endpoint(usize),
}

/// How a caller stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests a minute.
    limit: u32,
    remaining: u32,
    /// Seconds until all of them may be made again.
    reset: u64,
}

impl Standing {
    /// As headers say it.
    pub(super) fn headers(self) -> [(&'static str, String); 3] {
        [
            ("RateLimit-Limit", self.limit.to_string()),
            ("RateLimit-Remaining", self.remaining.to_string()),
            ("RateLimit-Reset", self.reset.to_string()),
        ]
    }
}

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// With all keys: whoever makes another has no more for it.
    User(Uuid),
    Address(IpAddr),
    /// An account that somebody tries to get into, by the name that was given.
    Account(String),
    Nobody,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

type Shard = Mutex<HashMap<(Of, Who), Bucket>>;

/// The buckets of all callers. Those that have not been used for long are full, and are forgotten.
#[derive(Debug)]
pub struct RateLimits {
    rates: Rates,
    /// By the places of endpoints.
    of_endpoints: HashMap<usize, u32>,
    hasher: RandomState,
    shards: [Shard; SHARDS],
}

impl RateLimits {
    /// `place` finds an endpoint by its label.
    pub fn new(rates: Rates, place: impl Fn(&str) -> Option<usize>) -> Result<RateLimits> {
        let found = rates.of_endpoints.iter().map(|(label, rate)| match place(label) {
            Some(place) => Ok((place, *rate)),
            None => {
                let message = format!("RATE_LIMITS names {label}, which is no endpoint: /openapi.json has all of them");
                Err(Error::new(Code::ValidationError, message))
            }
        });
        let of_endpoints = found.collect::<Result<_>>()?;
        let shards = std::array::from_fn(|_| Shard::default());
        Ok(RateLimits { rates, of_endpoints, hasher: RandomState::new(), shards })
    }

    /// Takes a token for an endpoint that has a limit of its own, as well.
    pub(super) fn charge_endpoint(&self, place: usize, who: Who) -> Result<Option<Standing>> {
        match self.of_endpoints.get(&place) {
            Some(rate) => self.take(Of::Endpoint(place), *rate, who, 1.0, 1.0),
            None => Ok(None),
        }
    }

    /// Takes a token, or says when there will be one.
    pub fn charge(&self, limit: Limit, who: Who) -> Result<Option<Standing>> {
        self.take(Of::Limit(limit), self.rate(limit), who, 1.0, 1.0)
    }

    /// Takes some tokens for what costs as much as so many requests.
    pub fn charge_for(&self, limit: Limit, who: Who, requests: u32) -> Result<()> {
        self.take(Of::Limit(limit), self.rate(limit), who, requests.into(), requests.into()).map(drop)
    }

    /// Says when there will be a token if there is none now.
    pub fn check(&self, limit: Limit, who: Who) -> Result<()> {
        self.take(Of::Limit(limit), self.rate(limit), who, 1.0, 0.0).map(drop)
    }

    /// Takes `tokens` if `needed` are there, or says when they will be.
    fn take(&self, of: Of, per_minute: u32, who: Who, needed: f64, tokens: f64) -> Result<Option<Standing>> {
        if per_minute == 0 {
            return Ok(None);
        }
        let capacity = f64::from(per_minute);
        let (needed, tokens) = (needed.min(capacity), tokens.min(capacity));
        let key = (of, who);
        let index = self.hasher.hash_one(&key) as usize % SHARDS;
        let mut shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if shard.len() >= BUCKETS_MAX && !shard.contains_key(&key) {
            shard.retain(|_, bucket| now - bucket.filled < Duration::from_secs(60));
            if shard.len() >= BUCKETS_MAX {
                // Many thousand callers within a minute: it is kinder to forget what they used than to grow.
                shard.clear();
            }
        }
        let bucket = shard.entry(key).or_insert(Bucket { tokens: capacity, filled: now });
        let filled = (now - bucket.filled).as_secs_f64() * capacity / MINUTE;
        bucket.tokens = (bucket.tokens + filled).min(capacity);
        bucket.filled = now;
        if bucket.tokens >= needed {
            bucket.tokens -= tokens;
            let reset = ((capacity - bucket.tokens) * MINUTE / capacity).ceil() as u64;
            return Ok(Some(Standing { limit: per_minute, remaining: bucket.tokens as u32, reset }));
        }
        let wait = Duration::from_secs_f64((needed - bucket.tokens) * MINUTE / capacity);
        let seconds = wait.as_secs() + 1;
        let error = Error::new(
            Code::RateLimitExceeded,
            format!("more than {per_minute} requests in a minute; the next is welcome in {seconds} s"),
        );
        let standing = Standing { limit: per_minute, remaining: 0, reset: seconds };
        let error = error.retry_after(Duration::from_secs(seconds));
        Err(standing.headers().into_iter().fold(error, |error, (name, value)| error.header(name, value)))
    }

    fn rate(&self, limit: Limit) -> u32 {
        match limit {
            Limit::General => self.rates.general,
            Limit::Login => self.rates.login,
            Limit::None => 0,
        }
    }
}

impl Who {
    /// Whoever is calling: the user, or the address.
    pub fn of(caller: Option<&Caller>, address: Option<IpAddr>) -> Who {
        caller.map_or_else(|| Who::address(address), |caller| Who::User(caller.user_id))
    }

    /// An address; of IPv6 the network, because a household has as many addresses there as it likes.
    pub fn address(address: Option<IpAddr>) -> Who {
        match address {
            Some(IpAddr::V6(address)) => {
                let network = std::net::Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
                Who::Address(network.into())
            }
            Some(address) => Who::Address(address),
            None => Who::Nobody,
        }
    }
}
