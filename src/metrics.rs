//! What is counted while the service runs, and how Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bounds for times that people wait for, in seconds.
pub const LATENCY_BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How many times were how long.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is longer than all of them.
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// A histogram as Prometheus counts: a bucket has what is in the smaller ones, too.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The bounds in seconds, and how many took no longer.
    pub buckets: Vec<(f64, u64)>,
    pub sum_seconds: f64,
    pub count: u64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum_us: AtomicU64::new(0) }
    }

    pub fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut count = 0;
        let mut add = |counter: &AtomicU64| {
            count += counter.load(Ordering::Relaxed);
            count
        };
        let buckets = self.bounds.iter().zip(&self.counts).map(|(bound, counter)| (*bound, add(counter))).collect();
        add(&self.counts[self.bounds.len()]);
        Snapshot { buckets, sum_seconds: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6, count }
    }
}

/// What a family of samples is.
#[derive(Debug, Clone, Copy)]
pub enum Family {
    Counter,
    Gauge,
    Histogram,
}

/// Labels of a sample.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// Samples in Prometheus' text format.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    /// OpenMetrics, which calls a family of counters by its name without `_total`, and says where it ends.
    is_open: bool,
}

impl Text {
    pub fn new(is_open: bool) -> Text {
        Text { text: String::new(), is_open }
    }

    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, family: Family, help: &str) {
        let family = match family {
            Family::Counter => "counter",
            Family::Gauge => "gauge",
            Family::Histogram => "histogram",
        };
        let name = if self.is_open { name.strip_suffix("_total").unwrap_or(name) } else { name };
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {family}\n");
    }

    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{label}=\"{escaped}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A family of one sample.
    pub fn one(&mut self, name: &str, family: Family, help: &str, value: f64) {
        self.family(name, family, help);
        self.sample(name, &[], value);
    }

    pub fn histogram(&mut self, name: &str, labels: Labels<'_>, snapshot: &Snapshot) {
        let bucket = format!("{name}_bucket");
        for (bound, count) in &snapshot.buckets {
            self.sample(&bucket, &[labels, &[("le", &bound.to_string())]].concat(), *count as f64);
        }
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), snapshot.count as f64);
        self.sample(&format!("{name}_sum"), labels, snapshot.sum_seconds);
        self.sample(&format!("{name}_count"), labels, snapshot.count as f64);
    }

    pub fn finish(mut self) -> String {
        if self.is_open {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}
