//! gRPC in the course of a host's events.

use super::Incoming;
use crate::callout::{Arrival, PendingReply};
use crate::clock::nanoseconds;
use crate::events::SHORTEST_DELAY;
use crate::functions::Export;
use crate::host::Host;
use crate::state::GrpcMetadata;

impl Host {
    /// Lets gRPC peers hear what guests asked for, and notes when what they answer is due.
    pub(crate) fn run_grpc(&mut self) {
        let now = self.clock.monotonic();
        for slot in &mut self.vms {
            let Some(vm) = &mut slot.vm else { continue };
            for command in std::mem::take(&mut vm.state_mut().grpc.commands) {
                let outcome = slot.grpc.run(command, &mut self.grpc_peers);
                if let Some(id) = outcome.cancelled {
                    slot.replies.retain(|reply| {
                        reply.token != id || !matches!(reply.reply, Arrival::Grpc(_))
                    });
                }
                let arrivals = outcome.arrivals.into_iter();
                slot.replies
                    .extend(arrivals.map(|(delay, token, root, incoming)| PendingReply {
                        due: now.saturating_add(nanoseconds(delay).max(SHORTEST_DELAY)),
                        token,
                        root,
                        reply: Arrival::Grpc(incoming),
                    }));
            }
        }
    }

    pub(crate) fn deliver_grpc(&mut self, slot: usize, root: u32, id: u32, incoming: Incoming) {
        let Some(vm) = &mut self.vms[slot].vm else {
            return;
        };
        let state = vm.state_mut();
        if !state.grpc.is_open(id) && !matches!(incoming, Incoming::Close(..)) {
            return;
        }
        let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let ends = matches!(incoming, Incoming::Close(..));
        let (export, argument) = match incoming {
            Incoming::InitialMetadata(metadata) => {
                let count = word(metadata.len());
                state.grpc_metadata.initial = Some(metadata);
                (Export::GrpcReceiveInitialMetadata, count)
            }
            Incoming::Message(message) => {
                let size = word(message.len());
                state.grpc_message = Some(message);
                (Export::GrpcReceive, size)
            }
            Incoming::TrailingMetadata(metadata) => {
                let count = word(metadata.len());
                state.grpc_metadata.trailing = Some(metadata);
                (Export::GrpcReceiveTrailingMetadata, count)
            }
            Incoming::Close(status, message) => {
                state.grpc.remote_closed(id);
                state.set_status(root, status, message);
                (Export::GrpcClose, status)
            }
        };
        self.root_callback(slot, root, export, &[root, id, argument]);
        if let Some(vm) = &mut self.vms[slot].vm {
            let state = vm.state_mut();
            state.grpc_metadata = GrpcMetadata::default();
            state.grpc_message = None;
            if ends {
                state.clear_status_message(root);
            }
            if ends || export == Export::GrpcReceive {
                state.grpc.told(id, ends);
            }
        }
    }
}
