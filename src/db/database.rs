//! The four pools, and what they add up to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::dialer::Dialer;
use super::manager::PoolOptions;
use super::pool::{Pool, Purpose};
use super::pool_stats::PoolStats;
use super::session::Session;
use super::statement_log::StatementLog;
use crate::config::{Address, Config};
use crate::error::{Error, Result};

/// How long it takes at most to get a connection, and then an answer, where somebody asks how the database is.
const ASK_TIME: Duration = Duration::from_millis(400);

/// Which pool a session comes from: by what it is for, so that one kind of work cannot starve another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Reads and writes of requests.
    Primary,
    /// Lists and reports, on a replica if there is one. Nothing can be changed through it.
    Readonly,
    /// Short and urgent: health, logins.
    Priority,
    /// Jobs.
    Background,
}

impl Which {
    pub const ALL: [Which; 4] = [Which::Primary, Which::Readonly, Which::Priority, Which::Background];

    pub fn name(self) -> &'static str {
        match self {
            Which::Primary => "primary",
            Which::Readonly => "readonly",
            Which::Priority => "priority",
            Which::Background => "background",
        }
    }

    /// The names of its settings begin with this.
    fn setting(self) -> &'static str {
        match self {
            Which::Primary => "DB_POOL",
            Which::Readonly => "DB_POOL_READONLY",
            Which::Priority => "DB_POOL_PRIORITY",
            Which::Background => "DB_POOL_BACKGROUND",
        }
    }

    /// How long a statement may run and wait for a lock, where a request's may run for `query_time`.
    fn times(self, query_time: Duration) -> (Duration, Duration) {
        const SHORT: Duration = Duration::from_secs(5);
        const LOCK: Duration = Duration::from_secs(10);
        let statement = match self {
            Which::Primary | Which::Readonly => query_time,
            Which::Priority => query_time.min(SHORT),
            Which::Background => query_time * 10,
        };
        (statement, statement.min(LOCK))
    }
}

/// The figures of all pools. At the top are those of the primary one, whose size is `DB_MAX_OPEN_CONNS`.
#[derive(Debug, Serialize)]
pub struct DatabaseStats {
    #[serde(flatten)]
    pub primary: PoolStats,
    pub pools: BTreeMap<&'static str, PoolStats>,
}

/// The database as the server uses it.
#[derive(Debug, Clone)]
pub struct Database {
    pools: [Pool; 4],
    log: Arc<StatementLog>,
    address: Address,
}

impl Database {
    /// Makes the pools. They connect when the database can be reached; that it cannot be yet is no error.
    pub fn open(config: &Config, primary: &Address) -> Result<Database> {
        let replica = Address::replica(config).map_err(Error::internal)?;
        let pool = |which: Which| -> Result<Pool> {
            let address = match which {
                Which::Readonly => replica.as_ref().unwrap_or(primary),
                _ => primary,
            };
            let (query_time, lock_time) = which.times(config.duration("DB_QUERY_TIMEOUT"));
            let mut options = vec![
                ("timezone", "UTC".to_owned()),
                // No statement is worth what compiling it costs: seconds, where the planner expects too many rows.
                ("jit", "off".to_owned()),
                ("statement_timeout", query_time.as_millis().to_string()),
                ("lock_timeout", lock_time.as_millis().to_string()),
                ("idle_in_transaction_session_timeout", (query_time * 2).as_millis().to_string()),
            ];
            if which == Which::Readonly {
                options.push(("default_transaction_read_only", "on".to_owned()));
                // What a list is filtered by decides which index serves it: a plan for any value may read the whole table.
                options.push(("plan_cache_mode", "force_custom_plan".to_owned()));
            }
            let name = format!("mainstay/{}", which.name());
            let dialer = Dialer::new(address, &name, &options, config.duration("DB_CONNECT_TIMEOUT"))?;
            Ok(Pool::new(pool_options(config, which, query_time), dialer))
        };
        let [primary_pool, readonly, priority, background] = Which::ALL.map(pool);
        let pools = [primary_pool?, readonly?, priority?, background?];
        let log = Arc::new(StatementLog::new(config.duration("DB_SLOW_QUERY")));
        Ok(Database { pools, log, address: primary.clone() })
    }

    /// A session on one of the pools.
    pub fn session(&self, which: Which, purpose: Purpose) -> Result<Session> {
        Session::new(self.pool(which), purpose, self.log.clone())
    }

    pub fn pool(&self, which: Which) -> &Pool {
        &self.pools[which as usize]
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether the database answers one of the pools: that is known within a second.
    pub fn ask(&self, which: Which, purpose: Purpose) -> Result<()> {
        let mut held = self.pool(which).take_within(purpose, ASK_TIME)?;
        let connection = held.connection();
        connection.check(ASK_TIME).map_err(|error| {
            connection.note(&error);
            Error::database_unavailable("the database does not answer").because(error)
        })
    }

    /// Lets all that comes have new connections, with what the database says of them now, as its `search_path`.
    pub fn renew(&self) {
        self.pools.iter().for_each(Pool::renew);
    }

    /// Lets nobody wait for the database after `end`: everything is about to end.
    pub fn end_by(&self, end: Instant) {
        self.pools.iter().for_each(|pool| pool.end_by(end));
    }

    /// Lets everybody who waits for an answer of the database fail now.
    pub fn give_up(&self) {
        self.pools.iter().for_each(Pool::give_up);
    }

    /// What statements cost.
    pub fn statements(&self) -> &StatementLog {
        &self.log
    }

    pub fn stats(&self) -> DatabaseStats {
        let pools: BTreeMap<_, _> = self.pools.iter().map(|pool| (pool.name(), pool.stats())).collect();
        DatabaseStats { primary: self.pool(Which::Primary).stats(), pools }
    }

    /// Connections that all pools together may open.
    pub fn connections_max(&self) -> u32 {
        self.stats().pools.values().map(|pool| pool.max_open_connections).sum()
    }
}

fn pool_options(config: &Config, which: Which, query_time: Duration) -> PoolOptions {
    let max = config.integer(&format!("{}_MAX", which.setting()));
    let max_idle = match which {
        Which::Primary => config.maybe_integer("DB_MAX_IDLE_CONNS"),
        _ => None,
    };
    PoolOptions {
        name: which.name(),
        min: config.integer(&format!("{}_MIN", which.setting())).min(max),
        max,
        max_idle: max_idle.unwrap_or(max),
        max_lifetime: config.duration("DB_CONN_MAX_LIFETIME"),
        max_idle_time: config.duration("DB_CONN_MAX_IDLE_TIME"),
        acquire_time: config.duration("DB_ACQUIRE_TIMEOUT"),
        query_time,
    }
}
