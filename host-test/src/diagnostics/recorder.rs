//! What is remembered of one VM in order to judge it.

use super::memory::{Allocations, Growth};
use super::report::merge;
use super::{Code, Diagnostic, Surface};
use crate::functions::{Export, Function};
use crate::state::VmState;

/// More arguments has no callback.
const MAX_ARGS: usize = 5;
/// Statuses that the Rust SDK's `Status` enum lacks; `INVALID_MEMORY_ACCESS` has a code of its own.
const UNKNOWN_TO_SDK: &[u32] = &[5, 9, 11, 12];

/// What is remembered of one VM.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(super) surface: Surface,
    pub(super) findings: Vec<Diagnostic>,
    /// The running callback and its arguments.
    pub(super) callback: Option<Export>,
    pub(super) args: [u32; MAX_ARGS],
    /// The contexts for which the running callback dispatched a call, sent a local response or continued a stream.
    pub(super) dispatched: Vec<u32>,
    pub(super) answered: Vec<u32>,
    pub(super) continued: Vec<u32>,
    /// Calls on their way: number and context.
    pub(super) calls: Vec<(u32, u32)>,
    /// One bit for each callback that was called.
    reached: u64,
    /// One bit for each host function whose portability was spoken of.
    pub(super) told: u128,
    /// The stream whose callback ran last.
    pub(super) last_stream: u32,
    /// The bytes of linear memory after the last callback.
    pub(super) memory: usize,
    pub(super) allocations: Allocations,
    pub(super) growth: Growth,
}

/// What is remembered of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamNotes {
    pub(super) response_continued: bool,
    pub(super) answered: bool,
}

impl Recorder {
    pub(crate) fn new(surface: Surface) -> Box<Self> {
        Box::new(Self {
            surface,
            findings: Vec::new(),
            callback: None,
            args: [0; MAX_ARGS],
            dispatched: Vec::new(),
            answered: Vec::new(),
            continued: Vec::new(),
            calls: Vec::new(),
            reached: 0,
            told: 0,
            last_stream: 0,
            memory: 0,
            allocations: Allocations::default(),
            growth: Growth::default(),
        })
    }

    /// Takes the findings since the last time.
    pub(super) fn take(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.findings)
    }

    pub(super) fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    /// One bit for each callback that was called in this VM.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    pub(super) fn begin(&mut self, export: Export, args: &[u32]) {
        self.reached |= bit(export);
        self.callback = Some(export);
        self.args = [0; MAX_ARGS];
        for (kept, arg) in self.args.iter_mut().zip(args) {
            *kept = *arg;
        }
        self.dispatched.clear();
        self.answered.clear();
        self.continued.clear();
    }

    /// A call answered this status.
    pub(super) fn status(&mut self, state: &VmState, function: Function, code: u32) {
        if UNKNOWN_TO_SDK.contains(&code) && function.name().starts_with("proxy_") {
            self.find(
                state,
                Code::StatusUnknownToSdk,
                Some(function),
                format!("status {code}"),
            );
        }
    }

    pub(super) fn find(
        &mut self,
        state: &VmState,
        code: Code,
        call: Option<Function>,
        detail: String,
    ) {
        let finding = Diagnostic {
            code,
            callback: state.callback.map(Export::name),
            call: call.map(Function::name),
            context: state.effective,
            stream: state.stream().map(|stream| stream.id),
            worker: state.place.thread,
            detail,
            count: 1,
        };
        merge(&mut self.findings, finding);
    }
}

/// The bit that stands for a callback.
pub(super) fn bit(export: Export) -> u64 {
    // There are far fewer than 64 callbacks; a test counts them.
    1 << (export as u64 & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_bits_for_all_callbacks_and_functions() {
        assert!(Export::ALL.len() <= 64);
        assert!(Function::ALL.len() <= 128);
    }
}
