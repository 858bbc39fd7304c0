//! Judging a call of a host function by its arguments, its answer and the state of the stream.

use super::portability::{foreign_property, is_envoys_own};
use super::{Code, Recorder};
use crate::abi::readable;
use crate::functions::{Export, Function};
use crate::lint::differences;
use crate::pairs;
use crate::state::{Message, VmState};
use crate::status::Status;

const OK: u32 = Status::Ok as u32;
const NOT_FOUND: u32 = Status::NotFound as u32;
const BAD_ARGUMENT: u32 = Status::BadArgument as u32;
const INTERNAL_FAILURE: u32 = Status::InternalFailure as u32;
const PARSE_FAILURE: u32 = Status::ParseFailure as u32;
const INVALID_MEMORY_ACCESS: u32 = Status::InvalidMemoryAccess as u32;

const REQUEST_TRAILERS: u32 = 1;
const LAST_MAP: u32 = 7;
const MAPS: &[&str] = &[
    "request headers",
    "request trailers",
    "response headers",
    "response trailers",
    "gRPC initial metadata",
    "gRPC trailing metadata",
    "call response headers",
    "call response trailers",
];
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const FOREIGN_FUNCTION_ARGUMENTS: u32 = 8;
const BUFFERS: &[&str] = &[
    "request body",
    "response body",
    "downstream data",
    "upstream data",
    "call response body",
    "gRPC message",
    "VM configuration",
    "plugin configuration",
    "foreign function arguments",
];
const HTTP_RESPONSE: u32 = 1;

/// A call that has answered.
struct Made<'a> {
    function: Function,
    args: &'a [u64],
    memory: &'a [u8],
    code: u32,
}

impl Made<'_> {
    fn word(&self, index: usize) -> u32 {
        self.args
            .get(index)
            .map_or(0, |word| u32::try_from(*word).unwrap_or(u32::MAX))
    }

    /// The bytes whose address is this argument, and whose length is the next.
    fn bytes(&self, index: usize) -> &[u8] {
        let start = usize::try_from(self.word(index)).unwrap_or(usize::MAX);
        let length = usize::try_from(self.word(index + 1)).unwrap_or(usize::MAX);
        let end = start.saturating_add(length);
        self.memory.get(start..end).unwrap_or_default()
    }

    fn text(&self, index: usize) -> String {
        const SHOWN: usize = 100;
        let bytes = self.bytes(index);
        String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned()
    }

    /// The word that the call left at the address in this argument.
    fn result(&self, index: usize) -> u32 {
        let start = usize::try_from(self.word(index)).unwrap_or(usize::MAX);
        self.memory
            .get(start..)
            .and_then(<[u8]>::first_chunk::<4>)
            .map_or(0, |word| u32::from_le_bytes(*word))
    }
}

impl Recorder {
    pub(super) fn called(
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

    fn map_read(&mut self, state: &VmState, made: &Made<'_>) {
        let map = made.word(0);
        match made.code {
            BAD_ARGUMENT => self.unavailable_map(state, made),
            NOT_FOUND if readable(state, map).is_none() => self.unavailable_map(state, made),
            OK if made.function == Function::proxy_get_header_map_pairs
                && readable(state, map).is_none() =>
            {
                let code = if self.has_continued(state, map <= REQUEST_TRAILERS) {
                    Code::AccessAfterContinue
                } else {
                    Code::UnavailableMapIsEmpty
                };
                self.find(state, code, Some(made.function), named(MAPS, map));
            }
            OK if made.function == Function::proxy_get_header_map_value => {
                let several =
                    readable(state, map).is_some_and(|map| map.has_several(made.bytes(1)));
                if several {
                    let detail = format!("`{}` of the {}", made.text(1), named(MAPS, map));
                    self.find(state, Code::SeveralValues, Some(made.function), detail);
                }
            }
            _ => {}
        }
    }

    fn map_changed(&mut self, state: &VmState, made: &Made<'_>) {
        if made.code == BAD_ARGUMENT {
            self.unavailable_map(state, made);
        } else {
            self.changed(state, made, named(MAPS, made.word(0)));
        }
        if made.function == Function::proxy_set_header_map_pairs {
            self.encoded_map(state, made, 1);
        }
    }

    fn unavailable_map(&mut self, state: &VmState, made: &Made<'_>) {
        let map = made.word(0);
        if map > LAST_MAP {
            return self.unknown_number(state, made);
        }
        let code = if self.has_continued(state, map <= REQUEST_TRAILERS) {
            Code::AccessAfterContinue
        } else {
            Code::UnavailableMap
        };
        self.find(state, code, Some(made.function), named(MAPS, map));
    }

    fn buffer_read(&mut self, state: &VmState, made: &Made<'_>) {
        let buffer = made.word(0);
        let missing = match buffer {
            FOREIGN_FUNCTION_ARGUMENTS => {
                let expected = "proxy_on_foreign_function";
                if state
                    .callback
                    .is_none_or(|export| export.name() != expected)
                {
                    let function = Some(made.function);
                    self.find(state, Code::StaleBuffer, function, String::new());
                }
                return;
            }
            _ if made.code == NOT_FOUND => true,
            _ if made.code == BAD_ARGUMENT => return self.unknown_number(state, made),
            _ => body(state, buffer).is_some_and(|message| !message.body_visible),
        };
        if missing {
            self.unavailable_buffer(state, made);
        }
    }

    fn buffer_changed(&mut self, state: &VmState, made: &Made<'_>) {
        let buffer = made.word(0);
        let function = Some(made.function);
        match made.code {
            OK => self.changed(state, made, named(BUFFERS, buffer)),
            BAD_ARGUMENT if body(state, buffer).is_some_and(|message| message.body_visible) => {
                let detail = format!("{} at {}", named(BUFFERS, buffer), made.word(1));
                self.find(state, Code::BufferMiddle, function, detail);
            }
            BAD_ARGUMENT if buffer > FOREIGN_FUNCTION_ARGUMENTS => self.unknown_number(state, made),
            BAD_ARGUMENT | NOT_FOUND => self.unavailable_buffer(state, made),
            _ => {}
        }
    }

    fn unavailable_buffer(&mut self, state: &VmState, made: &Made<'_>) {
        let buffer = made.word(0);
        let code = if self.has_continued(state, buffer == REQUEST_BODY) {
            Code::AccessAfterContinue
        } else {
            Code::UnavailableBuffer
        };
        self.find(state, code, Some(made.function), named(BUFFERS, buffer));
    }

    /// Something was changed; too late if a local response was sent before.
    fn changed(&mut self, state: &VmState, made: &Made<'_>, what: String) {
        if self.answered.contains(&state.effective) {
            let function = Some(made.function);
            self.find(state, Code::ChangeAfterLocalResponse, function, what);
        }
    }

    fn responded(&mut self, state: &mut VmState, made: &Made<'_>) {
        if made.code != OK {
            return;
        }
        self.encoded_map(state, made, 5);
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

    fn http_call(&mut self, state: &VmState, made: &Made<'_>) {
        let function = Some(made.function);
        self.encoded_map(state, made, 2);
        self.encoded_map(state, made, 6);
        match made.code {
            OK => {
                self.dispatched(state, made.result(9));
                if !self.surface.has(Export::HttpCallResponse) {
                    let detail = Export::HttpCallResponse.name().to_owned();
                    self.find(state, Code::MissingCallback, function, detail);
                }
            }
            BAD_ARGUMENT => {
                let headers = pairs::decode(made.bytes(2));
                let has = |name: &str| headers.iter().any(|(key, _)| *key == name.as_bytes());
                let missing: Vec<&str> = [":method", ":path", ":authority"]
                    .into_iter()
                    .filter(|name| !has(name))
                    .collect();
                if missing.is_empty() {
                    self.unknown_cluster(state, made);
                } else {
                    let detail = format!("without {}", missing.join(", "));
                    self.find(state, Code::IncompleteCall, function, detail);
                }
            }
            _ => {}
        }
    }

    fn grpc_call(&mut self, state: &VmState, made: &Made<'_>) {
        match made.code {
            OK => {
                let id = if made.function == Function::proxy_grpc_call {
                    made.result(11)
                } else {
                    made.result(8)
                };
                self.dispatched(state, id);
            }
            PARSE_FAILURE | INTERNAL_FAILURE => self.unknown_cluster(state, made),
            _ => {}
        }
        self.encoded_map(state, made, 6);
    }

    fn dispatched(&mut self, state: &VmState, number: u32) {
        self.dispatched.push(state.effective);
        self.calls.push((number, state.effective));
    }

    fn unknown_cluster(&mut self, state: &VmState, made: &Made<'_>) {
        let function = Some(made.function);
        let cluster = made.text(0);
        if cluster.contains([':', '/']) {
            let detail = format!("`{cluster}` is an address, and not the name of a cluster");
            self.find(state, Code::ForeignHabit, function, detail);
        }
        self.find(
            state,
            Code::UnknownCluster,
            function,
            format!("`{cluster}`"),
        );
    }

    fn encoded_map(&mut self, state: &VmState, made: &Made<'_>, index: usize) {
        let bytes = made.bytes(index);
        if pairs::is_refused(bytes) {
            let detail = format!("argument {}: {} bytes", index + 1, bytes.len());
            self.find(state, Code::MapRefused, Some(made.function), detail);
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

    /// Whether the running callback has taken the request away from itself.
    fn has_continued(&self, state: &VmState, is_request: bool) -> bool {
        is_request && self.continued.contains(&state.effective)
    }
}

fn body(state: &VmState, buffer: u32) -> Option<&Message> {
    let stream = state.stream()?;
    match buffer {
        REQUEST_BODY => Some(&stream.request),
        RESPONSE_BODY => Some(&stream.response),
        _ => None,
    }
}

fn named(names: &[&str], number: u32) -> String {
    usize::try_from(number)
        .ok()
        .and_then(|index| names.get(index))
        .map_or_else(|| number.to_string(), |name| (*name).to_owned())
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
        )
}
