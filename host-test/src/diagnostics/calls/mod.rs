//! Judging a call of a host function by its arguments, its answer and the state of the stream.

mod made;
mod messages;
mod peers;
mod sendable;

use self::made::Made;
use crate::codec::Carrier;

use super::portability::{foreign_property, is_envoys_own};
use super::{Code, Recorder};
use crate::functions::{Export, Function};
use crate::lint::differences;
use crate::state::VmState;
use crate::status::Status;

const OK: u32 = Status::Ok as u32;
const NOT_FOUND: u32 = Status::NotFound as u32;
const BAD_ARGUMENT: u32 = Status::BadArgument as u32;
const INTERNAL_FAILURE: u32 = Status::InternalFailure as u32;
const PARSE_FAILURE: u32 = Status::ParseFailure as u32;
const INVALID_MEMORY_ACCESS: u32 = Status::InvalidMemoryAccess as u32;

const HTTP_RESPONSE: u32 = 1;

impl Recorder {
    pub(in crate::diagnostics) fn called(
        &mut self,
        state: &mut VmState,
        memory: &[u8],
        function: Function,
        args: &[u64],
        code: u32,
    ) {
        let made = Made {
            function,
            args,
            memory,
            code,
        };
        self.addresses(state, function, args);
        if code != OK {
            self.failed(state, &made);
        }
        self.portable(state, function);
        self.judge(state, &made);
    }

    /// What a status says whichever function answered it.
    fn failed(&mut self, state: &VmState, made: &Made<'_>) {
        self.status(state, made.function, made.code);
        let is_abi = made.function.name().starts_with("proxy_");
        if is_abi && made.code == INVALID_MEMORY_ACCESS {
            self.find(
                state,
                Code::InvalidMemory,
                Some(made.function),
                String::new(),
            );
        }
    }

    fn portable(&mut self, state: &VmState, function: Function) {
        let bit = 1_u128 << (function as u32 & 127);
        if self.told & bit == 0 {
            self.told |= bit;
            if let Some(difference) = differences(function) {
                self.find(state, Code::NotPortable, Some(function), difference);
            }
        }
    }

    fn judge(&mut self, state: &mut VmState, made: &Made<'_>) {
        use Function as F;
        match made.function {
            F::proxy_get_header_map_value
            | F::proxy_get_header_map_pairs
            | F::proxy_get_header_map_size => self.map_read(state, made),
            F::proxy_add_header_map_value
            | F::proxy_replace_header_map_value
            | F::proxy_remove_header_map_value
            | F::proxy_set_header_map_pairs => self.map_changed(state, made),
            F::proxy_get_buffer_bytes | F::proxy_get_buffer_status => self.buffer_read(state, made),
            F::proxy_set_buffer_bytes => self.buffer_changed(state, made),
            F::proxy_send_local_response => self.responded(state, made),
            F::proxy_continue_stream if made.code == OK => self.went_on(state, made),
            F::proxy_http_call => self.http_call(state, made),
            F::proxy_grpc_call | F::proxy_grpc_stream => self.grpc_call(state, made),
            F::proxy_set_effective_context if made.code == BAD_ARGUMENT => {
                let detail = format!("context {}", made.word(0));
                self.find(state, Code::DeadContext, Some(made.function), detail);
            }
            F::proxy_set_tick_period_milliseconds
                if made.word(0) > 0 && !self.surface.has(Export::Tick) =>
            {
                let detail = Export::Tick.name().to_owned();
                self.find(state, Code::MissingCallback, Some(made.function), detail);
            }
            F::proxy_get_property | F::proxy_set_property => self.property(state, made),
            F::proxy_log
            | F::proxy_continue_stream
            | F::proxy_close_stream
            | F::proxy_define_metric
                if made.code == BAD_ARGUMENT =>
            {
                self.unknown_number(state, made);
            }
            F::proxy_increment_metric
            | F::proxy_record_metric
            | F::proxy_get_metric
            | F::proxy_enqueue_shared_queue
            | F::proxy_dequeue_shared_queue
            | F::proxy_grpc_send
            | F::proxy_grpc_cancel
            | F::proxy_grpc_close => self.id(state, made),
            function if is_without_effect(function) => {
                self.find(
                    state,
                    Code::WasiWithoutEffect,
                    Some(function),
                    String::new(),
                );
            }
            _ => {}
        }
    }

    fn responded(&mut self, state: &mut VmState, made: &Made<'_>) {
        if made.code != OK {
            return;
        }
        self.encoded_map(state, made, 5);
        self.sendable_map(state, made, 5, Carrier::LocalResponse);
        let context = state.effective;
        let function = Some(made.function);
        let detail = format!("status {}", made.word(0));
        let code = match state.stream_mut() {
            None => Some(Code::LocalResponseToNobody),
            Some(stream) if stream.logging => Some(Code::LocalResponseToNobody),
            Some(stream) => {
                let response = &stream.response;
                let left = !response.headers.is_empty()
                    && (stream.notes.response_continued || !response.headers_visible);
                if std::mem::replace(&mut stream.notes.answered, true) {
                    Some(Code::SecondLocalResponse)
                } else {
                    left.then_some(Code::LateLocalResponse)
                }
            }
        };
        if let Some(code) = code {
            self.find(state, code, function, detail);
        }
        self.answered.push(context);
    }

    fn went_on(&mut self, state: &mut VmState, made: &Made<'_>) {
        self.continued.push(state.effective);
        if made.word(0) == HTTP_RESPONSE
            && let Some(stream) = state.stream_mut()
        {
            stream.notes.response_continued = true;
        }
    }

    fn property(&mut self, state: &VmState, made: &Made<'_>) {
        let path = made.bytes(0);
        let shown = || made.text(0).replace('\0', ".");
        if let Some(owner) = foreign_property(path) {
            let detail = format!("property `{}`, {owner}", shown());
            self.find(state, Code::ForeignHabit, Some(made.function), detail);
        } else if made.function == Function::proxy_set_property
            && made.code == OK
            && is_envoys_own(path)
        {
            let function = Some(made.function);
            self.find(state, Code::PropertyWithoutEffect, function, shown());
        }
    }

    fn id(&mut self, state: &VmState, made: &Made<'_>) {
        use Function as F;
        let is_metric = matches!(
            made.function,
            F::proxy_increment_metric | F::proxy_record_metric | F::proxy_get_metric
        );
        let code = match made.code {
            BAD_ARGUMENT if is_metric => Code::MetricRefused,
            BAD_ARGUMENT | NOT_FOUND => Code::UnknownId,
            OK if matches!(made.function, F::proxy_grpc_cancel | F::proxy_grpc_close) => {
                self.calls.retain(|(call, _)| *call != made.word(0));
                return;
            }
            _ => return,
        };
        let detail = format!("id {}", made.word(0));
        self.find(state, code, Some(made.function), detail);
    }

    fn unknown_number(&mut self, state: &VmState, made: &Made<'_>) {
        let detail = made.word(0).to_string();
        self.find(state, Code::UnknownNumber, Some(made.function), detail);
    }
}

/// The functions of WASI that do nothing, and that no guest calls for nothing.
fn is_without_effect(function: Function) -> bool {
    use Function as F;
    !function.name().starts_with("proxy_")
        && !matches!(
            function,
            F::fd_write
                | F::fd_fdstat_get
                | F::clock_time_get
                | F::clock_res_get
                | F::random_get
                | F::environ_sizes_get
                | F::environ_get
                | F::args_sizes_get
                | F::args_get
                | F::sched_yield
                | F::pthread_equal
                | F::emscripten_notify_memory_growth
        )
}
