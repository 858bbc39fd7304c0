//! gRPC calls. This host has no gRPC peers, so every call is one to an unknown cluster; the answers are Envoy's for that.

use super::{Answer, Call};
use crate::status::Status;

/// The lowest bits of an id are the kind of call (proxy-wasm-cpp-host `wasm.h`).
const KIND_MASK: u32 = 3;
const UNARY: u32 = 1;
const STREAM: u32 = 2;

/// The service is neither a known cluster nor a serialized `GrpcService`: the latter is what Envoy reports.
pub(super) fn open(call: &mut Call<'_>, service: (u32, u32)) -> Answer {
    call.read(service.0, service.1)?;
    Err(Status::ParseFailure.into())
}

/// Messages can be sent on streams only, and there is none.
pub(super) fn send(id: u32) -> Answer {
    Err(if id & KIND_MASK == STREAM {
        Status::NotFound
    } else {
        Status::BadArgument
    }
    .into())
}

pub(super) fn cancel_or_close(id: u32) -> Answer {
    Err(if matches!(id & KIND_MASK, UNARY | STREAM) {
        Status::NotFound
    } else {
        Status::BadArgument
    }
    .into())
}
