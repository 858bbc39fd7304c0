//! Answers that a guest gives itself.

use super::{Answer, Call};
use crate::exchange::LocalResponse;
use crate::headers::HeaderMap;
use crate::pairs;
use crate::state::Deferred;

/// The eight arguments of `proxy_send_local_response`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments {
    pub(super) status: u32,
    pub(super) details: (u32, u32),
    pub(super) body: (u32, u32),
    pub(super) headers: (u32, u32),
    pub(super) grpc_status: u32,
}

/// The response leaves only when the callback has returned; until then the guest may go on as it likes.
pub(super) fn send(call: &mut Call<'_>, arguments: Arguments) -> Answer {
    let details = call.read_text(arguments.details.0, arguments.details.1)?;
    let body = call.read(arguments.body.0, arguments.body.1)?;
    let headers = call.read(arguments.headers.0, arguments.headers.1)?;
    let mut headers: HeaderMap = pairs::decode(&headers).into_iter().collect();
    let profile = call.state().profile;
    if profile.drops_local_headers() {
        headers = HeaderMap::new();
    }
    if let Some(kind) = profile.local_content_type()
        && !body.is_empty()
        && !headers.contains("content-type")
    {
        headers.append("content-type", kind);
    }
    let response = LocalResponse {
        status: arguments.status,
        // White space would break the columns of an access log, so Envoy replaces it.
        details: details.replace(|character: char| character.is_ascii_whitespace(), "_"),
        body,
        headers,
        grpc_status: arguments.grpc_status.cast_signed(),
    };
    let state = call.state_mut();
    state.stop_iteration = true;
    let context = state.effective;
    // A root context has no stream to answer; Envoy says OK nevertheless.
    if state.stream().is_some_and(|stream| !stream.logging) {
        state
            .deferred
            .push((context, Deferred::LocalResponse(response)));
    }
    Ok(())
}
