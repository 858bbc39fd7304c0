//! HTTP calls to clusters.

use std::time::Duration;

use super::{Answer, Call, Stop};
use crate::callout::{Callout, NewCallout};
use crate::foreign;
use crate::headers::{HeaderMap, Joining};
use crate::pairs;
use crate::status::Status;

/// The step between two tokens; the lowest bits are the kind of call, 0 for HTTP (proxy-wasm-cpp-host `wasm.h`).
const TOKEN_STEP: u32 = 4;

/// So many calls of one VM may be under way: the requests that a cluster of Envoy has room for by default.
pub(super) const MAX_CALLS: usize = 1_024;

/// The arguments of `proxy_http_call`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments {
    pub(super) cluster: (u32, u32),
    pub(super) headers: (u32, u32),
    pub(super) body: (u32, u32),
    pub(super) trailers: (u32, u32),
    pub(super) timeout: u32,
    pub(super) token: u32,
}

/// The cluster must exist, and the headers must say where the call goes.
pub(super) fn http_call(call: &mut Call<'_>, arguments: Arguments) -> Answer {
    let cluster = call.read_text(arguments.cluster.0, arguments.cluster.1)?;
    let headers = call.read(arguments.headers.0, arguments.headers.1)?;
    let body = call.read(arguments.body.0, arguments.body.1)?;
    let trailers = call.read(arguments.trailers.0, arguments.trailers.1)?;
    let pairs = pairs::decode(&headers);
    let mut headers = HeaderMap::with_joining(Joining::Request);
    // Envoy drops a header without a name here, and here alone.
    for (name, value) in pairs.into_iter().filter(|(name, _)| !name.is_empty()) {
        headers.append(name, value);
    }
    if !body.is_empty() {
        // Whatever length the guest gave (Envoy `Context::httpCall`).
        headers.replace("content-length", body.len().to_string());
    }
    let profile = call.state().profile;
    let timeout = match arguments.timeout {
        _ if profile.ignores_timeouts() => 0,
        timeout => u64::from(timeout),
    };
    let callout = Callout {
        cluster: profile.peer(cluster, headers.get(":authority")),
        headers,
        body,
        trailers: pairs::decode(&trailers).into_iter().collect(),
        timeout: Duration::from_millis(timeout),
    };
    let complete = [":method", ":path", ":authority"]
        .iter()
        .all(|name| callout.headers.contains(name));
    let state = call.state_mut();
    let known = profile.calls_anyone() || state.identity.clusters.contains(&callout.cluster);
    if !complete || !known {
        // Envoy writes the token in any case.
        call.write_u32(arguments.token, 0)?;
        return Err(Status::BadArgument.into());
    }
    // A guest that makes two calls for each reply would fill the host without an end.
    if state.calls_in_flight >= MAX_CALLS {
        return Err(Status::InternalFailure.into());
    }
    state.calls_in_flight += 1;
    state.next_callout += TOKEN_STEP;
    let (token, root) = (state.next_callout, state.root_id());
    state.callouts.push(NewCallout {
        token,
        root,
        callout,
    });
    call.write_u32(arguments.token, token)
}

/// The status of the last call that came back, and what it says. It belongs to the root context; a stream has none.
pub(super) fn get_status(call: &mut Call<'_>, code: u32, message: u32, message_len: u32) -> Answer {
    let state = call.state();
    let (number, text) = state
        .roots
        .get(&state.effective)
        .map(|root| root.status.clone())
        .unwrap_or_default();
    call.write_u32(code, number)?;
    call.hand_over(text.as_bytes(), message, message_len)
}

/// A foreign function, of Envoy or of the test.
pub(super) fn call_foreign_function(
    call: &mut Call<'_>,
    name: (u32, u32),
    arguments: (u32, u32),
    result: (u32, u32),
) -> Answer {
    let name = call.read(name.0, name.1)?;
    let arguments = call.read(arguments.0, arguments.1)?;
    let outcome = foreign::call(call.state_mut(), &name, &arguments).ok_or(Status::NotFound)?;
    let (status, bytes) = match outcome {
        Ok(bytes) => (Ok(()), call.replacement.take().or(bytes)),
        Err(status) => (Err(Stop::Code(status)), None),
    };
    let length = match &bytes {
        Some(bytes) => u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?,
        None => 0,
    };
    // Guests pass null for what they do not want. A result of no bytes is allocated all the same.
    if result.0 != 0 {
        let address = match &bytes {
            Some(bytes) => call.allocate_and_write(bytes)?,
            None => 0,
        };
        call.write_u32(result.0, address)?;
    }
    if result.1 != 0 {
        call.write_u32(result.1, length)?;
    }
    status
}
