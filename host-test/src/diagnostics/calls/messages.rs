//! Calls about headers, trailers and bodies.

use crate::abi::readable;
use crate::diagnostics::{Code, Recorder};
use crate::functions::Function;
use crate::pairs;
use crate::state::{Message, VmState};

use super::made::Made;
use super::{BAD_ARGUMENT, NOT_FOUND, OK};

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

impl Recorder {
    pub(super) fn map_read(&mut self, state: &VmState, made: &Made<'_>) {
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

    pub(super) fn map_changed(&mut self, state: &VmState, made: &Made<'_>) {
        if made.code == BAD_ARGUMENT {
            self.unavailable_map(state, made);
        } else {
            self.changed(state, made, named(MAPS, made.word(0)));
            self.sendable_header(state, made);
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

    pub(super) fn buffer_read(&mut self, state: &VmState, made: &Made<'_>) {
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

    pub(super) fn buffer_changed(&mut self, state: &VmState, made: &Made<'_>) {
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

    pub(super) fn encoded_map(&mut self, state: &VmState, made: &Made<'_>, index: usize) {
        let bytes = made.bytes(index);
        if pairs::is_refused(bytes) {
            let detail = format!("argument {}: {} bytes", index + 1, bytes.len());
            self.find(state, Code::MapRefused, Some(made.function), detail);
        }
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
