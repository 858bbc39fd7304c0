//! Envoy's stats sinks, as far as guests can be one (`envoy_on_stats_update`).

use std::collections::BTreeMap;

use crate::functions::Export;
use crate::host::Host;
use crate::plugins::PluginId;
use crate::shared::Metric;

/// How blocks of counters and of gauges are marked.
const COUNTERS: u32 = 1;
const GAUGES: u32 = 2;
/// The size, the kind and the number of metrics of a block.
const BLOCK_HEADER: usize = 12;

impl Host {
    /// Gives the counters and gauges of all guests to a plugin that is a stats sink, as Envoy does whenever it flushes them:
    /// its `envoy_on_stats_update` is called on the main thread, or on the first worker if the host does without one. Counters
    /// come with what they grew by since the last time. False if there is no VM to call.
    pub fn flush_stats(&mut self, plugin: PluginId) -> bool {
        let thread = self.worker_count % self.threads;
        let Some((index, root)) = self.root_for_stream(plugin, thread) else {
            return false;
        };
        let metrics = self.metrics();
        let snapshot = encode(&metrics, &self.flushed);
        self.flushed = metrics
            .into_iter()
            .filter_map(|(name, metric)| match metric {
                Metric::Counter(value) => Some((name, value)),
                _ => None,
            })
            .collect();
        let Some(vm) = &mut self.vms[index].vm else {
            return false;
        };
        let size = u32::try_from(snapshot.len()).unwrap_or(u32::MAX);
        vm.state_mut().stale_buffer = snapshot;
        self.root_callback(index, root, Export::StatsUpdate, &[root, size]);
        self.settle();
        true
    }
}

/// What the guest reads (Envoy `Context::onStatsUpdate`): a block of counters and one of gauges.
fn encode(metrics: &BTreeMap<String, Metric>, before: &BTreeMap<String, u64>) -> Vec<u8> {
    let mut counters = Vec::new();
    let mut gauges = Vec::new();
    for (name, metric) in metrics {
        let full_name = format!("wasmcustom.{name}");
        match metric {
            Metric::Counter(value) => {
                let grown = value - before.get(name).copied().unwrap_or(0).min(*value);
                counters.push((full_name, vec![*value, grown]));
            }
            Metric::Gauge(value) => gauges.push((full_name, vec![*value])),
            Metric::Histogram { .. } => {}
        }
    }
    let mut bytes = Vec::new();
    // A counter that nobody has moved is counted, and is not there.
    let count = counters.len();
    counters.retain(|(_, values)| values[0] > 0);
    add_block(&mut bytes, COUNTERS, count, &counters);
    let start = bytes.len();
    add_block(&mut bytes, GAUGES, gauges.len(), &gauges);
    // Envoy adds up for gauges what it has added up already: the block claims to be longer than it is, and the rest is zero.
    let mut claimed = BLOCK_HEADER;
    for (name, _) in &gauges {
        claimed += 4 + name.len();
        claimed += (claimed + 8).next_multiple_of(8);
    }
    bytes.resize(bytes.len().max(start + claimed), 0);
    bytes[start..start + 4].copy_from_slice(&word(claimed));
    bytes
}

/// Adds a block: its size, its kind, how many metrics are in it; and for each the length of its name, the name, and values
/// that begin at a multiple of 8.
fn add_block(bytes: &mut Vec<u8>, kind: u32, count: usize, metrics: &[(String, Vec<u64>)]) {
    let start = bytes.len();
    bytes.extend([[0; 4], kind.to_le_bytes(), word(count)].concat());
    for (name, values) in metrics {
        bytes.extend(word(name.len()));
        bytes.extend(name.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        for value in values {
            bytes.extend(value.to_le_bytes());
        }
    }
    let size = word(bytes.len() - start);
    bytes[start..start + 4].copy_from_slice(&size);
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_envoys_encoding() {
        let metrics = [
            ("c".to_owned(), Metric::Counter(6)),
            ("g".to_owned(), Metric::Gauge(5)),
            ("h".to_owned(), Metric::Histogram { count: 1, sum: 1 }),
            ("n".to_owned(), Metric::Counter(0)),
        ];
        let before = [("c".to_owned(), 4)];
        let counters = [
            &b"\x30\0\0\0\x01\0\0\0\x02\0\0\0"[..],
            b"\x0c\0\0\0wasmcustom.c\0\0\0\0\x06\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0",
        ];
        let gauges = [
            &b"\x44\0\0\0\x02\0\0\0\x01\0\0\0"[..],
            b"\x0c\0\0\0wasmcustom.g\0\0\0\0\x05\0\0\0\0\0\0\0",
            &[0; 28],
        ];
        let expected = [counters.concat(), gauges.concat()].concat();
        assert_eq!(encode(&metrics.into(), &before.into()), expected);
    }
}
