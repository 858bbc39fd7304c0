//! What a guest gets away with: findings with stable codes, beside what Envoy answers.
//!
//! The host behaves as Envoy does whether or not anybody looks at these. They say where the guest relies on luck: a status
//! that it does not expect, a call that Envoy ignores, a stream that will hang.

mod allow;
mod callbacks;
mod calls;
mod codes;
mod hostile;
mod memory;
mod module;
mod portability;
mod recorder;
mod report;
mod run;
mod signatures;

use std::fmt;

use wasmtime::{AsContextMut, Caller};

pub use allow::{Allowance, UnknownAllowance};
pub use codes::{Code, Severity, UnknownCode};
pub(crate) use module::Surface;
pub(crate) use recorder::{Recorder, StreamNotes};
pub(crate) use report::Report;

use crate::exchange::StreamId;
use crate::functions::{Export, Function};
use crate::state::VmState;

/// Something that a guest did and should not have relied on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What it is.
    pub code: Code,
    /// The callback in which it happened, by its exported name; `None`: it is about the module.
    pub callback: Option<&'static str>,
    /// The host function that was called, by its imported name.
    pub call: Option<&'static str>,
    /// The context in whose name it happened the first time; 0 for none.
    pub context: u32,
    /// That context's stream, if it is one.
    pub stream: Option<StreamId>,
    /// The worker whose VM it was the first time.
    pub worker: usize,
    /// What exactly: the map, the cluster, the address.
    pub detail: String,
    /// How often it happened, in the same callback and call with the same detail.
    pub count: u64,
}

impl Diagnostic {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.code == other.code
            && self.callback == other.callback
            && self.call == other.call
            && self.detail == other.detail
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code;
        write!(f, "{code} {} {}", code.severity(), code.name())?;
        if let Some(callback) = self.callback {
            write!(f, " in {callback}")?;
        }
        if let Some(call) = self.call {
            write!(f, ", {call}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if self.count > 1 {
            write!(f, " ({} times)", self.count)?;
        }
        write!(f, ". {} {}", code.summary(), code.advice())
    }
}

/// A host function was called and has answered. Calls that a fault struck say nothing about the guest, except that their
/// status may be one that it cannot name.
pub(crate) fn called(
    caller: &mut Caller<'_, VmState>,
    function: Function,
    args: &[u64],
    code: u32,
    struck: bool,
) {
    let Some(mut recorder) = caller.data_mut().recorder.take() else {
        return;
    };
    let memory = caller.data().memory;
    let (bytes, state) = match &memory {
        Some(memory) => memory.data_and_store_mut(caller.as_context_mut()),
        None => (&mut [][..], caller.data_mut()),
    };
    if struck {
        recorder.status(state, function, code);
    } else {
        recorder.called(state, bytes, function, args, code);
    }
    state.recorder = Some(recorder);
}

/// A host function was called while the module initialized; the VM dies for it.
pub(crate) fn forbidden(state: &mut VmState, function: Function) {
    with(state, |recorder, state| {
        recorder.find(state, Code::ForbiddenAtStart, Some(function), String::new());
    });
}

/// The guest's allocator has given the host a block.
pub(crate) fn allocated(state: &mut VmState, address: u32, length: u32, memory: usize) {
    with(state, |recorder, state| {
        recorder.allocated(state, address, length, memory);
    });
}

/// A callback begins.
pub(crate) fn entered(state: &mut VmState, export: Export, args: &[u32]) {
    with(state, |recorder, state| {
        recorder.entered(state, export, args);
    });
}

/// A callback has returned; not called for one that trapped.
pub(crate) fn returned(state: &mut VmState, value: Option<u32>, memory: usize) {
    with(state, |recorder, state| {
        recorder.returned(state, value, memory);
    });
}

/// The VM has died.
pub(crate) fn died(state: &mut VmState, reason: &str) {
    with(state, |recorder, state| recorder.died(state, reason));
}

fn with(state: &mut VmState, action: impl FnOnce(&mut Recorder, &mut VmState)) {
    if let Some(mut recorder) = state.recorder.take() {
        action(&mut recorder, state);
        state.recorder = Some(recorder);
    }
}
