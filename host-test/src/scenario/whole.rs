//! What came of the start and all steps of a scenario together.

use std::collections::BTreeMap;

use super::grpc::GrpcSeen;
use super::observed::Observed;
use crate::callout::Callout;
use crate::diagnostics::Diagnostic;
use crate::exchange::{Callback, LogLine};

/// What came of the start and the steps so far.
#[derive(Default)]
pub(super) struct Whole {
    callouts: Vec<Callout>,
    grpc: Vec<GrpcSeen>,
    log: Vec<LogLine>,
    callbacks: Vec<Callback>,
    diagnostics: Vec<Diagnostic>,
    died: Option<String>,
    refused: Option<String>,
}

impl Whole {
    /// Adds what came of one more step.
    pub(super) fn add(&mut self, mut next: Observed) {
        self.callouts.append(&mut next.callouts);
        self.grpc.append(&mut next.grpc);
        self.log.append(&mut next.log);
        self.callbacks.append(&mut next.callbacks);
        self.diagnostics.append(&mut next.diagnostics);
        self.died = next.died.or(self.died.take());
        self.refused = next.refused.or(self.refused.take());
    }

    /// All of it, with everything else as it stands at last.
    pub(super) fn observed(mut self, mut last: Observed) -> Observed {
        self.diagnostics.append(&mut last.diagnostics);
        let Self {
            callouts,
            grpc,
            log,
            callbacks,
            diagnostics,
            died,
            refused,
        } = self;
        Observed {
            callouts,
            grpc,
            log,
            callbacks,
            diagnostics,
            died,
            refused,
            // A scenario's host begins without metrics.
            metrics_before: Some(BTreeMap::new()),
            ..last
        }
    }
}
