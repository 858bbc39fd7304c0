//! What guests logged and what crossed the boundary, in order, for all VMs of a host.

use crate::diagnostics::Report;
use crate::exchange::LogLine;
use crate::state::VmState;

/// Receives log lines as they come.
pub(crate) type LogSink = Box<dyn FnMut(&LogLine) + Send>;
/// Receives trace lines as they come.
pub(crate) type TraceSink = Box<dyn FnMut(&str) + Send>;

/// The journal of one host.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) log: Vec<LogLine>,
    pub(crate) trace: Vec<String>,
    pub(crate) report: Report,
    /// Takes the lines instead of the journal: a host that runs for days must not keep them all.
    pub(crate) sink: Option<LogSink>,
    pub(crate) trace_sink: Option<TraceSink>,
}

impl Journal {
    /// Moves what a VM has written into the journal, and returns the log lines among it.
    pub(crate) fn collect(&mut self, state: &mut VmState) -> Vec<LogLine> {
        let lines = std::mem::take(&mut state.journal);
        self.append(lines.clone());
        self.report.collect(state);
        let trace = state.trace.drain(..);
        match &mut self.trace_sink {
            Some(sink) => trace.for_each(|line| sink(&line)),
            None => self.trace.extend(trace),
        }
        lines
    }

    /// Takes log lines in that came another way.
    pub(crate) fn append(&mut self, lines: Vec<LogLine>) {
        match &mut self.sink {
            Some(sink) => lines.iter().for_each(sink),
            None => self.log.extend(lines),
        }
    }
}
