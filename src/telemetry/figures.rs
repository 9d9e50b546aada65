//! What a server measures of itself now and then: memory and connections, and the work that it has done since the last time.

use std::collections::HashMap;
use std::time::Duration;
use std::{fs, process};

use serde_json::{Value, json};

use crate::db::Database;
use crate::http::Exchange;

/// The requests to one endpoint.
#[derive(Default)]
struct Requests {
    count: u64,
    failed: u64,
    time: Duration,
    longest: Duration,
}

/// The requests of a while, by endpoint. There are no more entries than endpoints.
#[derive(Default)]
pub(super) struct Work(HashMap<&'static str, Requests>);

impl Work {
    pub fn add(&mut self, exchange: &Exchange) {
        let requests = self.0.entry(exchange.endpoint).or_default();
        requests.count += 1;
        requests.failed += u64::from(exchange.status >= 500);
        requests.time += exchange.duration;
        requests.longest = requests.longest.max(exchange.duration);
    }

    /// The figures, as rows of performance_metrics.
    pub fn figures(&self, server: &str) -> Vec<Value> {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let of = |(endpoint, requests): (&&str, &Requests)| {
            let figure =
                |name: &str, value: f64| figure(name, value, json!({ "endpoint": endpoint, "server": server }));
            [
                figure("requests", requests.count as f64),
                figure("requests_failed", requests.failed as f64),
                figure("request_ms_mean", ms(requests.time) / requests.count as f64),
                figure("request_ms_max", ms(requests.longest)),
            ]
        };
        self.0.iter().flat_map(of).collect()
    }
}

/// The figures of process and pools, as rows of system_metrics.
pub(super) fn system(database: &Database, server: &str) -> Vec<Value> {
    let own = |name: &str, value: f64| figure(name, value, json!({ "server": server }));
    let mut figures = Vec::new();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (field, name, unit) in [("VmRSS:", "process_memory_bytes", 1024.0), ("Threads:", "process_threads", 1.0)] {
        let text = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        figures.extend(text.and_then(|text| text.parse::<f64>().ok()).map(|number| own(name, number * unit)));
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().and_then(|text| text.parse().ok());
    figures.extend(load.map(|load| own("load_average", load)));
    for (pool, stats) in database.stats().pools {
        let of = |name: &str, value: f64| figure(name, value, json!({ "pool": pool, "server": server }));
        figures.push(of("pool_connections_open", f64::from(stats.open_connections)));
        figures.push(of("pool_connections_in_use", f64::from(stats.in_use)));
        figures.push(of("pool_waiting", stats.waiting as f64));
    }
    figures
}

fn figure(name: &str, value: f64, labels: Value) -> Value {
    json!({ "name": name, "value": value, "labels": labels })
}

/// What tells this server from others on the same database.
pub(super) fn server() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}/{}", host.trim(), process::id())
}
