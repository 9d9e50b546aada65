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

/// Requests a minute; 0 is no limit.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    pub general: u32,
    pub login: u32,
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

type Shard = Mutex<HashMap<(Limit, Who), Bucket>>;

/// The buckets of all callers. Those that have not been used for long are full, and are forgotten.
#[derive(Debug)]
pub struct RateLimits {
    rates: Rates,
    hasher: RandomState,
    shards: [Shard; SHARDS],
}

impl RateLimits {
    pub fn new(rates: Rates) -> RateLimits {
        RateLimits { rates, hasher: RandomState::new(), shards: std::array::from_fn(|_| Shard::default()) }
    }

    /// Takes a token, or says when there will be one.
    pub fn charge(&self, limit: Limit, who: Who) -> Result<()> {
        self.take(limit, who, 1.0, 1.0)
    }

    /// Takes some tokens for what costs as much as so many requests.
    pub fn charge_for(&self, limit: Limit, who: Who, requests: u32) -> Result<()> {
        self.take(limit, who, requests.into(), requests.into())
    }

    /// Says when there will be a token if there is none now.
    pub fn check(&self, limit: Limit, who: Who) -> Result<()> {
        self.take(limit, who, 1.0, 0.0)
    }

    /// Takes `tokens` if `needed` are there, or says when they will be.
    fn take(&self, limit: Limit, who: Who, needed: f64, tokens: f64) -> Result<()> {
        let per_minute = match limit {
            Limit::General => self.rates.general,
            Limit::Login => self.rates.login,
            Limit::None => 0,
        };
        if per_minute == 0 {
            return Ok(());
        }
        let capacity = f64::from(per_minute);
        let (needed, tokens) = (needed.min(capacity), tokens.min(capacity));
        let key = (limit, who);
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
            return Ok(());
        }
        let wait = Duration::from_secs_f64((needed - bucket.tokens) * MINUTE / capacity);
        let seconds = wait.as_secs() + 1;
        let error = Error::new(
            Code::RateLimitExceeded,
            format!("more than {per_minute} requests in a minute; the next is welcome in {seconds} s"),
        );
        Err(error
            .retry_after(Duration::from_secs(seconds))
            .header("RateLimit-Limit", per_minute.to_string())
            .header("RateLimit-Remaining", "0".to_owned())
            .header("RateLimit-Reset", seconds.to_string()))
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
