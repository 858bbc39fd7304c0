//! What a host has seen: lines, traces, callbacks, metrics.

use std::collections::BTreeMap;

use crate::exchange::{Callback, LogLine};
use crate::shared::Metric;
use crate::status::LogLevel;

use super::Host;

impl Host {
    /// The level below which the guests' log lines are dropped.
    pub fn log_level(&self) -> LogLevel {
        self.log_level.get()
    }

    /// All log lines since the start, or since they were last taken.
    pub fn logs(&self) -> &[LogLine] {
        &self.journal.log
    }

    /// Takes the log lines.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.journal.log)
    }

    /// All trace lines since the start, or since they were last taken. Empty unless the host was built to trace.
    pub fn trace(&self) -> &[String] {
        &self.journal.trace
    }

    /// Takes the trace lines.
    pub fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.journal.trace)
    }

    /// Takes the callbacks that ran for root contexts: starts, configurations, ticks, replies.
    pub fn take_callbacks(&mut self) -> Vec<Callback> {
        std::mem::take(&mut self.callbacks)
    }

    /// All metrics under the names that the guest gave.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.shared.metrics()
    }

    /// The value of a counter.
    pub fn counter(&self, name: &str) -> Option<u64> {
        match self.shared.metric(name) {
            Some(Metric::Counter(value)) => Some(value),
            _ => None,
        }
    }

    /// Counters and gauges under the names that they have in Envoy's statistics.
    pub fn stats(&self) -> BTreeMap<String, u64> {
        let single = |(name, metric)| match metric {
            Metric::Counter(value) | Metric::Gauge(value) => {
                Some((format!("wasmcustom.{name}"), value))
            }
            Metric::Histogram { .. } => None,
        };
        self.metrics().into_iter().filter_map(single).collect()
    }

    /// How many VMs were started for workers.
    pub fn vm_starts(&self) -> u64 {
        self.vm_starts
    }

    /// How many VMs of workers died.
    pub fn traps(&self) -> u64 {
        self.traps
    }
}
