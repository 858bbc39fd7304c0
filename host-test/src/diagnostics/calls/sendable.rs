//! Headers that are no HTTP.

use crate::codec::{self, Carrier};
use crate::diagnostics::{Code, Recorder};
use crate::functions::Function;
use crate::headers::{HeaderMap, Joining};
use crate::pairs;
use crate::state::VmState;

use super::made::Made;

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;

impl Recorder {
    /// A header of a message was written.
    pub(super) fn sendable_header(&mut self, state: &VmState, made: &Made<'_>) {
        let carrier = match made.word(0) {
            REQUEST_HEADERS => Carrier::Request,
            RESPONSE_HEADERS => Carrier::Response,
            _ => Carrier::Trailers,
        };
        match made.function {
            Function::proxy_remove_header_map_value => {}
            Function::proxy_set_header_map_pairs => self.sendable_map(state, made, 1, carrier),
            _ => {
                let fault = codec::header_fault(carrier, made.bytes(1), made.bytes(3));
                self.not_sendable(state, made, fault);
            }
        }
    }

    /// A whole map was written.
    pub(super) fn sendable_map(
        &mut self,
        state: &VmState,
        made: &Made<'_>,
        index: usize,
        carrier: Carrier,
    ) {
        for (name, value) in pairs::decode(made.bytes(index)) {
            let fault = codec::header_fault(carrier, name, value);
            self.not_sendable(state, made, fault);
        }
    }

    /// A call was dispatched.
    pub(super) fn sendable_call(&mut self, state: &VmState, made: &Made<'_>) {
        let mut headers = HeaderMap::with_joining(Joining::Request);
        for (name, value) in pairs::decode(made.bytes(2)) {
            headers.append(name, value);
        }
        let has_body = !made.bytes(4).is_empty();
        let length = headers.text("content-length");
        // Envoy writes the length of a body itself.
        let fault = if !has_body && length.is_some_and(|length| length != "0") {
            Some("`content-length` promises a body, and there is none")
        } else {
            headers.remove("content-length");
            codec::request_fault(&headers)
        };
        self.not_sendable(state, made, fault.map(str::to_owned));
    }

    fn not_sendable(&mut self, state: &VmState, made: &Made<'_>, fault: Option<String>) {
        if let Some(fault) = fault {
            self.find(state, Code::HeaderNotSendable, Some(made.function), fault);
        }
    }
}
