//! Calls to clusters and services.

use crate::codec::Carrier;
use crate::diagnostics::{Code, Recorder};
use crate::functions::{Export, Function};
use crate::pairs;
use crate::state::VmState;

use super::made::Made;
use super::{BAD_ARGUMENT, INTERNAL_FAILURE, OK, PARSE_FAILURE};

impl Recorder {
    pub(super) fn http_call(&mut self, state: &VmState, made: &Made<'_>) {
        let function = Some(made.function);
        self.encoded_map(state, made, 2);
        self.encoded_map(state, made, 6);
        match made.code {
            OK => {
                self.sendable_map(state, made, 2, Carrier::Request);
                self.sendable_map(state, made, 6, Carrier::Trailers);
                self.sendable_call(state, made);
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

    pub(super) fn grpc_call(&mut self, state: &VmState, made: &Made<'_>) {
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
}
