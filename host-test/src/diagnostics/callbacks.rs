//! Judging a callback by what it returned and what it left behind.

use super::{Code, Recorder};
use crate::functions::Export;
use crate::state::VmState;

/// The lowest bits of an id are the kind of call (proxy-wasm-cpp-host `wasm.h`).
const GRPC_KIND: u32 = 3;
const GRPC_CALL: u32 = 1;
const CONTINUE: u32 = 0;
/// Actions of header callbacks go up to this number, those of other callbacks not as far.
const LAST_ACTION: u32 = 4;
/// "Continue, and end the stream": no pause either.
const CONTINUE_AND_END: u32 = 2;

impl Recorder {
    pub(super) fn entered(&mut self, state: &VmState, export: Export, args: &[u32]) {
        self.begin(export, args);
        if state.streams.len() == 1 && self.args[0] != self.last_stream && state.stream().is_some()
        {
            self.last_stream = self.args[0];
            self.begins_alone(state);
        }
        if self.calls.is_empty() {
            return;
        }
        let number = self.args[1];
        let over = match export {
            Export::HttpCallResponse | Export::GrpcClose => true,
            // A call has one reply; a stream may have more.
            Export::GrpcReceive => number & GRPC_KIND == GRPC_CALL,
            _ => false,
        };
        if over {
            self.calls.retain(|(call, _)| *call != number);
        }
    }

    pub(super) fn died(&mut self, state: &VmState, reason: &str) {
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        self.find(state, Code::Died, None, reason);
    }

    pub(super) fn returned(&mut self, state: &mut VmState, value: Option<u32>, memory: usize) {
        let Some(export) = self.callback.take() else {
            return;
        };
        // What is said of the callback is said of its own context, whichever the guest acted for last.
        if let Some(context) = self.own_context(export) {
            state.effective = context;
        }
        match value {
            Some(action) if has_action(export) => self.action(state, export, action),
            Some(0) if export == Export::Done && state.stream().is_some() => {
                self.find(state, Code::DoneIgnored, None, String::new());
            }
            _ => {}
        }
        self.memory = memory;
    }

    fn own_context(&self, export: Export) -> Option<u32> {
        let is_own = !matches!(
            export,
            Export::Initialize | Export::Start | Export::Main | Export::MainVoid
        );
        is_own.then_some(self.args[0])
    }

    fn action(&mut self, state: &VmState, export: Export, action: u32) {
        if action > LAST_ACTION {
            self.find(state, Code::UnknownAction, None, action.to_string());
        }
        let context = self.args[0];
        if self.answered.contains(&context) {
            return;
        }
        let continues = action == CONTINUE
            || (action == CONTINUE_AND_END
                && matches!(export, Export::RequestHeaders | Export::ResponseHeaders));
        if continues {
            if self.dispatched.contains(&context) {
                self.find(state, Code::CallThenContinue, None, String::new());
            }
        } else if !self.may_wake(state, export, context) {
            let detail = if self.comes_more(export) {
                "body callbacks do not follow without `allow_on_headers_stop_iteration`"
            } else {
                ""
            };
            self.find(state, Code::PauseWithoutWakeup, None, detail.to_owned());
        }
    }

    /// Whether anything may let the paused stream go on.
    fn may_wake(&self, state: &VmState, export: Export, context: u32) -> bool {
        let is_headers = matches!(export, Export::RequestHeaders | Export::ResponseHeaders);
        self.continued.contains(&context)
            || !self.calls.is_empty()
            || state.consumes_queue
            || state.roots.values().any(|root| root.tick_period > 0)
            || (self.comes_more(export) && (!is_headers || self.surface.headers_can_stop))
    }

    /// Whether more of the message is to come. Behind trailers there is nothing.
    fn comes_more(&self, export: Export) -> bool {
        !matches!(export, Export::RequestTrailers | Export::ResponseTrailers) && self.args[2] == 0
    }
}

fn has_action(export: Export) -> bool {
    matches!(
        export,
        Export::RequestHeaders
            | Export::RequestBody
            | Export::RequestTrailers
            | Export::ResponseHeaders
            | Export::ResponseBody
            | Export::ResponseTrailers
    )
}
