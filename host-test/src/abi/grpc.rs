//! gRPC calls and streams.

use std::time::Duration;

use super::{Answer, Call, Stop};
use crate::grpc::{Command, GrpcCall, Service, read_service};
use crate::pairs;
use crate::status::Status;

/// What `proxy_grpc_call` and `proxy_grpc_stream` have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments {
    pub(super) service: (u32, u32),
    pub(super) name: (u32, u32),
    pub(super) method: (u32, u32),
    pub(super) metadata: (u32, u32),
    /// Only of a call.
    pub(super) message: Option<(u32, u32)>,
    pub(super) timeout: u32,
    pub(super) id: u32,
}

/// A name that is no known cluster is a parse failure: Envoy takes it for a broken message. A message that names an unknown
/// cluster is an internal failure, after which `proxy_on_grpc_close` comes all the same.
pub(super) fn open(call: &mut Call<'_>, arguments: Arguments) -> Answer {
    let target = call.read(arguments.service.0, arguments.service.1)?;
    let name = call.read_text(arguments.name.0, arguments.name.1)?;
    let method = call.read_text(arguments.method.0, arguments.method.1)?;
    let metadata = call.read(arguments.metadata.0, arguments.metadata.1)?;
    let message = match arguments.message {
        Some((start, length)) => Some(call.read(start, length)?),
        None => None,
    };
    let state = call.state_mut();
    let (cluster, is_message) = match read_service(&target) {
        Service::Name(name) => (name, false),
        Service::Message(cluster) => (cluster, true),
        // Envoy itself does not survive this one ("panic: unset oneof" in `async_client_manager_impl.cc`).
        Service::Nothing => {
            return Err(Stop::Trap(wasmtime::format_err!(
                "the service of a gRPC call is empty, or a GrpcService without a target: Envoy aborts the whole process here"
            )));
        }
    };
    let known = state.identity.clusters.contains(&cluster);
    if !known && !is_message {
        return Err(Status::ParseFailure.into());
    }
    let is_stream = message.is_none();
    let (id, root) = (state.grpc.new_id(is_stream), state.root_id());
    if !known {
        state.grpc.commands.push(Command::NoCluster { id, root });
        return Err(Status::InternalFailure.into());
    }
    let grpc_call = GrpcCall {
        cluster,
        service: name,
        method,
        initial_metadata: pairs::decode(&metadata).into_iter().collect(),
        timeout: Duration::from_millis(u64::from(arguments.timeout)),
        is_stream,
    };
    state.grpc.open(id, root, grpc_call, message);
    call.write_u32(arguments.id, id)
}

pub(super) fn send(call: &mut Call<'_>, id: u32, message: (u32, u32), end: u32) -> Answer {
    let message = call.read(message.0, message.1)?;
    Ok(call.state_mut().grpc.send(id, message, end != 0)?)
}

pub(super) fn cancel(call: &mut Call<'_>, id: u32) -> Answer {
    Ok(call.state_mut().grpc.cancel(id)?)
}

pub(super) fn close(call: &mut Call<'_>, id: u32) -> Answer {
    Ok(call.state_mut().grpc.close(id)?)
}
