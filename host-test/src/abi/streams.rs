//! Contexts and the course of a stream.

use super::{Answer, Call, Stop};
use crate::state::Deferred;
use crate::status::Status;

pub(super) const HTTP_REQUEST: u32 = 0;
pub(super) const HTTP_RESPONSE: u32 = 1;
const DOWNSTREAM: u32 = 2;
const UPSTREAM: u32 = 3;

/// Right after this call the request can no longer be seen, whichever side was told to go on.
pub(super) fn continue_stream(call: &mut Call<'_>, stream_type: u32) -> Answer {
    let action = match stream_type {
        HTTP_REQUEST => Deferred::ContinueRequest,
        HTTP_RESPONSE => Deferred::ContinueResponse,
        DOWNSTREAM => Deferred::ContinueDownstream,
        UPSTREAM => return Err(Status::Unimplemented.into()),
        _ => return Err(Status::BadArgument.into()),
    };
    let state = call.state_mut();
    if state.profile.never_resumes() {
        return Ok(());
    }
    let context = state.effective;
    let about_connection = stream_type == DOWNSTREAM;
    if let Some(stream) = state.stream_mut() {
        if stream.tcp.is_some() != about_connection {
            return Ok(());
        }
        if about_connection {
            state.deferred.push((context, action));
            return Ok(());
        }
        let answered = stream.common.lock().code.is_some();
        if stream_type == HTTP_RESPONSE && !answered {
            return Err(Stop::Trap(wasmtime::format_err!(
                "there is no response yet that could go on: Envoy ends with a segmentation fault here"
            )));
        }
        stream.request.hide();
        state.deferred.push((context, action));
    }
    Ok(())
}

pub(super) fn close_stream(call: &mut Call<'_>, stream_type: u32) -> Answer {
    if stream_type > UPSTREAM {
        return Err(Status::BadArgument.into());
    }
    let state = call.state_mut();
    let context = state.effective;
    let is_connection = state.stream().map(|stream| stream.tcp.is_some());
    match is_connection {
        Some(false) if stream_type <= HTTP_RESPONSE => {
            state.deferred.push((context, Deferred::Close));
        }
        Some(true) if stream_type > HTTP_RESPONSE => {
            state.deferred.push((context, Deferred::CloseConnection));
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn set_effective_context(call: &mut Call<'_>, context: u32) -> Answer {
    let state = call.state_mut();
    if !state.roots.contains_key(&context) && !state.streams.contains_key(&context) {
        return Err(Status::BadArgument.into());
    }
    state.effective = context;
    Ok(())
}

/// Only a root context whose `proxy_on_done` said "not yet" can be done; streams are deleted whatever they said.
pub(super) fn done(call: &mut Call<'_>) -> Answer {
    let state = call.state_mut();
    let id = state.root_id();
    let root = state.roots.get_mut(&id).ok_or(Status::NotFound)?;
    if !std::mem::take(&mut root.pending_done) {
        return Err(Status::NotFound.into());
    }
    state.done.push(id);
    Ok(())
}
