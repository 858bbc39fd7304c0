//! What came of a step.

use std::collections::BTreeMap;

use super::grpc::GrpcSeen;
use crate::callout::Callout;
use crate::connection::Connection;
use crate::diagnostics::Diagnostic;
use crate::exchange::{Callback, Exchange, LogLine};
use crate::host::StreamState;
use crate::shared::{Metric, SharedState};

/// What came of a step.
pub(super) struct Observed {
    /// The stream that the step is about, as it stands after it.
    pub(super) stream: Option<StreamSeen>,
    /// The connection of the same name.
    pub(super) connection: Option<Connection>,
    /// How many root contexts the VM of the step's plugin has on the first worker.
    pub(super) root_contexts: usize,
    pub(super) callouts: Vec<Callout>,
    pub(super) grpc: Vec<GrpcSeen>,
    pub(super) log: Vec<LogLine>,
    /// All callbacks of the step: those of root contexts, then those of streams.
    pub(super) callbacks: Vec<Callback>,
    pub(super) metrics_before: Option<BTreeMap<String, i64>>,
    pub(super) metrics: BTreeMap<String, i64>,
    pub(super) shared: SharedState,
    pub(super) vm_id: String,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What a VM died of.
    pub(super) died: Option<String>,
    /// Why the configuration was refused.
    pub(super) refused: Option<String>,
}

/// A stream as it stands.
pub(super) struct StreamSeen {
    pub(super) exchange: Exchange,
    pub(super) state: StreamState,
}

/// Metrics as numbers; a histogram is two of them.
pub(super) fn numbers(metrics: &BTreeMap<String, Metric>) -> BTreeMap<String, i64> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    metrics
        .iter()
        .flat_map(|(name, metric)| match *metric {
            Metric::Counter(value) | Metric::Gauge(value) => {
                vec![(name.clone(), number(value))]
            }
            Metric::Histogram { count, sum } => vec![
                (format!("{name}.count"), number(count)),
                (format!("{name}.sum"), number(sum)),
            ],
        })
        .collect()
}
