//! Counters of the guest and of the front, in the two forms of Envoy's admin interface.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::Metric;

/// The label that Envoy puts on the statistics of a front.
const FRONT: &str = "envoy_http_conn_manager_prefix=\"serve\"";

/// What the front counts.
#[derive(Debug, Default)]
pub(super) struct Stats {
    connections: AtomicU64,
    open_connections: AtomicU64,
    pub(super) requests: AtomicU64,
    open_requests: AtomicU64,
    /// Responses by the first digit of their status, 1 to 5.
    classes: [AtomicU64; 5],
    /// Streams that ended without a whole response.
    resets: AtomicU64,
}

/// Something that is open, and counted as such until this is dropped.
#[derive(Debug)]
pub(super) struct Open {
    stats: Arc<Stats>,
    which: fn(&Stats) -> &AtomicU64,
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.which)(&self.stats).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stats {
    /// Counts a request as open.
    pub(super) fn open_request(self: &Arc<Self>) -> Open {
        self.open(|stats| &stats.open_requests)
    }

    /// Counts a connection, and as open.
    pub(super) fn open_connection(self: &Arc<Self>) -> Open {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.open(|stats| &stats.open_connections)
    }

    fn open(self: &Arc<Self>, which: fn(&Self) -> &AtomicU64) -> Open {
        which(self).fetch_add(1, Ordering::Relaxed);
        let stats = Arc::clone(self);
        Open { stats, which }
    }

    /// Counts a response.
    pub(super) fn count(&self, status: u16) {
        let class = usize::from(status / 100).checked_sub(1);
        let class = class.and_then(|class| self.classes.get(class));
        class
            .unwrap_or(&self.resets)
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Name, whether it only grows, and value; names are Envoy's without the prefix of the front.
    fn all(&self) -> Vec<(String, bool, u64)> {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut all = vec![
            (
                "downstream_cx_active".to_owned(),
                false,
                value(&self.open_connections),
            ),
            (
                "downstream_cx_total".to_owned(),
                true,
                value(&self.connections),
            ),
            (
                "downstream_rq_active".to_owned(),
                false,
                value(&self.open_requests),
            ),
            (
                "downstream_rq_rx_reset".to_owned(),
                true,
                value(&self.resets),
            ),
            (
                "downstream_rq_total".to_owned(),
                true,
                value(&self.requests),
            ),
        ];
        let classes = self.classes.iter().enumerate();
        all.extend(
            classes.map(|(index, count)| {
                (format!("downstream_rq_{}xx", index + 1), true, value(count))
            }),
        );
        all
    }
}

/// The lines of `/stats`.
pub(super) fn text(metrics: &BTreeMap<String, Metric>, stats: &Stats) -> String {
    let guest = metrics.iter().map(|(name, metric)| match metric {
        Metric::Counter(value) | Metric::Gauge(value) => format!("wasmcustom.{name}: {value}\n"),
        Metric::Histogram { count, sum } => {
            format!("wasmcustom.{name}: count {count}, sum {sum}\n")
        }
    });
    let front = stats.all().into_iter();
    let front = front.map(|(name, _, value)| format!("http.serve.{name}: {value}\n"));
    front.chain(guest).collect()
}

/// The lines of `/stats/prometheus`. What a guest defines has no prefix there; of histograms only count and sum are known.
pub(super) fn prometheus(metrics: &BTreeMap<String, Metric>, stats: &Stats) -> String {
    let mut text = String::new();
    let mut classes = String::new();
    // Writing to a string does not fail.
    let kind = |grows: bool| if grows { "counter" } else { "gauge" };
    for (name, grows, value) in stats.all() {
        if let Some(class) = name
            .strip_prefix("downstream_rq_")
            .and_then(|name| name.strip_suffix("xx"))
        {
            let _written = writeln!(
                classes,
                "envoy_http_downstream_rq_xx{{envoy_response_code_class=\"{class}\",{FRONT}}} {value}"
            );
        } else {
            let _written = write!(
                text,
                "# TYPE envoy_http_{name} {}\nenvoy_http_{name}{{{FRONT}}} {value}\n\n",
                kind(grows)
            );
        }
    }
    let _written = write!(
        text,
        "# TYPE envoy_http_downstream_rq_xx counter\n{classes}\n"
    );
    for (name, metric) in metrics {
        let name = sanitized(name);
        let _written = match metric {
            Metric::Counter(value) => {
                write!(text, "# TYPE {name} counter\n{name}{{}} {value}\n\n")
            }
            Metric::Gauge(value) => write!(text, "# TYPE {name} gauge\n{name}{{}} {value}\n\n"),
            Metric::Histogram { count, sum } => write!(
                text,
                "# TYPE {name} histogram\n{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum{{}} {sum}\n{name}_count{{}} {count}\n\n"
            ),
        };
    }
    text
}

/// A name as Envoy writes it for Prometheus (`PrometheusStats::sanitizeName`).
fn sanitized(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    match clean.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("_{clean}"),
        _ => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_names_that_they_have_in_envoy() {
        let stats = Stats::default();
        stats.count(204);
        stats.count(0);
        let metrics = BTreeMap::from([
            ("a.b-c".to_owned(), Metric::Counter(5)),
            ("g".to_owned(), Metric::Gauge(1)),
            ("h".to_owned(), Metric::Histogram { count: 2, sum: 9 }),
        ]);
        let plain = text(&metrics, &stats);
        for line in [
            "wasmcustom.a.b-c: 5",
            "http.serve.downstream_rq_2xx: 1",
            "http.serve.downstream_rq_rx_reset: 1",
        ] {
            assert!(
                plain.lines().any(|other| other == line),
                "{line} is not in {plain}"
            );
        }
        let scraped = prometheus(&metrics, &stats);
        for line in [
            "# TYPE a_b_c counter",
            "a_b_c{} 5",
            "g{} 1",
            "h_bucket{le=\"+Inf\"} 2",
            "h_sum{} 9",
            "envoy_http_downstream_rq_xx{envoy_response_code_class=\"2\",envoy_http_conn_manager_prefix=\"serve\"} 1",
        ] {
            assert!(
                scraped.lines().any(|other| other == line),
                "{line} is not in {scraped}"
            );
        }
        assert_eq!(
            scraped
                .matches("# TYPE envoy_http_downstream_rq_xx ")
                .count(),
            1
        );
    }
}
