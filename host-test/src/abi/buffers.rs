//! Buffers: bodies and configurations.

use super::{Answer, Call, Stop};
use crate::functions::Export;
use crate::state::{Message, Passing, StreamContext, VmState};
use crate::status::Status;

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const DOWNSTREAM_DATA: u32 = 2;
const UPSTREAM_DATA: u32 = 3;
const HTTP_CALL_RESPONSE_BODY: u32 = 4;
const GRPC_MESSAGE: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const FOREIGN_FUNCTION_ARGUMENTS: u32 = 8;

/// More than there is gives what there is; a start behind the end gives nothing. Neither is an error.
pub(super) fn get(
    call: &mut Call<'_>,
    buffer: u32,
    start: u32,
    max: u32,
    data: u32,
    size: u32,
) -> Answer {
    if start.checked_add(max).is_none() && max != u32::MAX {
        return Err(Status::BadArgument.into());
    }
    let bytes = contents(call.state(), buffer)?;
    let stale = if matches!(buffer, VM_CONFIGURATION | PLUGIN_CONFIGURATION) {
        Some(bytes.to_vec())
    } else {
        None
    };
    let start = usize::try_from(start)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    let end = start
        .saturating_add(usize::try_from(max).unwrap_or(usize::MAX))
        .min(bytes.len());
    let part = bytes[start..end].to_vec();
    if let Some(stale) = stale {
        call.state_mut().stale_buffer = stale;
    }
    call.hand_over(&part, data, size)
}

/// The plugin's configuration while it is configured, and the VM's at any other time (ABI 0.1.0).
pub(super) fn get_configuration(call: &mut Call<'_>, data: u32, size: u32) -> Answer {
    let state = call.state();
    let buffer = if state.callback == Some(Export::Configure) {
        PLUGIN_CONFIGURATION
    } else {
        VM_CONFIGURATION
    };
    let bytes = contents(state, buffer)?.to_vec();
    call.hand_over(&bytes, data, size)
}

pub(super) fn get_status(call: &mut Call<'_>, buffer: u32, size: u32, unused: u32) -> Answer {
    let length = contents(call.state(), buffer)?.len();
    call.write_u32(size, u32::try_from(length).unwrap_or(u32::MAX))?;
    call.write_u32(unused, 0)
}

/// Envoy can put bytes in front, replace bytes from the start on, and put bytes behind the end; not in the middle.
pub(super) fn set(
    call: &mut Call<'_>,
    buffer: u32,
    start: u32,
    size: u32,
    data: u32,
    data_len: u32,
) -> Answer {
    let bytes = call.read(data, data_len)?;
    let is_stream = call.state().stream().is_some();
    let stream = is_stream.then(|| call.state_mut().stream_mut()).flatten();
    let (shown, body) = match (buffer, stream) {
        (REQUEST_BODY, Some(stream)) => body_of(&mut stream.request),
        (RESPONSE_BODY, Some(stream)) => body_of(&mut stream.response),
        (DOWNSTREAM_DATA, Some(StreamContext { tcp: Some(tcp), .. })) => {
            bytes_of(&mut tcp.downstream)
        }
        (UPSTREAM_DATA, Some(StreamContext { tcp: Some(tcp), .. })) => bytes_of(&mut tcp.upstream),
        _ => {
            // What is missing is not found; what is there is not to be changed.
            contents(call.state(), buffer)?;
            return Err(Status::BadArgument.into());
        }
    };
    if !shown {
        return Err(Status::BadArgument.into());
    }
    splice(body, start, size, bytes)
}

fn body_of(message: &mut Message) -> (bool, &mut Vec<u8>) {
    (message.body_visible, &mut message.body)
}

fn bytes_of(passing: &mut Passing) -> (bool, &mut Vec<u8>) {
    (passing.visible, &mut passing.bytes)
}

fn splice(body: &mut Vec<u8>, start: u32, size: u32, bytes: Vec<u8>) -> Answer {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if start == 0 {
        body.splice(..size.min(body.len()), bytes);
        Ok(())
    } else if start >= body.len() {
        body.extend(bytes);
        Ok(())
    } else {
        Err(Status::BadArgument.into())
    }
}

/// A buffer that exists but holds nothing now is empty; only some are missing altogether.
fn contents(state: &VmState, buffer: u32) -> Result<&[u8], Stop> {
    let visible =
        |message: Option<&'_ Message>| message.is_some_and(|message| message.body_visible);
    let stream = state.stream();
    let bytes: Option<&[u8]> = match buffer {
        REQUEST_BODY if visible(stream.map(|stream| &stream.request)) => {
            stream.map(|stream| &*stream.request.body)
        }
        RESPONSE_BODY if visible(stream.map(|stream| &stream.response)) => {
            stream.map(|stream| &*stream.response.body)
        }
        // A filter that is done with them finds both empty, like a filter of requests.
        DOWNSTREAM_DATA | UPSTREAM_DATA => {
            let tcp = stream.and_then(|stream| stream.tcp.as_ref());
            let passing = tcp.map(|tcp| match buffer {
                DOWNSTREAM_DATA => &tcp.downstream,
                _ => &tcp.upstream,
            });
            let shown = passing.filter(|passing| passing.visible);
            Some(shown.map_or(&[], |passing| &*passing.bytes))
        }
        HTTP_CALL_RESPONSE_BODY => state.reply.as_ref().map(|reply| &*reply.body),
        GRPC_MESSAGE => Some(state.grpc_message.as_deref().unwrap_or_default()),
        VM_CONFIGURATION => Some(&state.identity.vm_configuration),
        PLUGIN_CONFIGURATION if state.callback == Some(Export::Configure) => {
            state.plugin().map(|plugin| &*plugin.configuration)
        }
        PLUGIN_CONFIGURATION => None,
        // Envoy shows what happened to be in its buffer last.
        FOREIGN_FUNCTION_ARGUMENTS => Some(&state.stale_buffer),
        0..FOREIGN_FUNCTION_ARGUMENTS => Some(&[]),
        _ => return Err(Status::BadArgument.into()),
    };
    bytes.ok_or_else(|| Status::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(start: u32, size: u32) -> Option<Vec<u8>> {
        let mut body = b"abcd".to_vec();
        splice(&mut body, start, size, b"xy".to_vec())
            .is_ok()
            .then_some(body)
    }

    #[test]
    fn bytes_go_in_front_or_behind_or_replace_the_start_but_not_the_middle() {
        assert_eq!(spliced(0, 0), Some(b"xyabcd".to_vec()));
        assert_eq!(spliced(0, 2), Some(b"xycd".to_vec()));
        assert_eq!(spliced(0, 4), Some(b"xy".to_vec()));
        assert_eq!(spliced(0, 99), Some(b"xy".to_vec()));
        assert_eq!(spliced(4, 0), Some(b"abcdxy".to_vec()));
        assert_eq!(spliced(99, 0), Some(b"abcdxy".to_vec()));
        assert_eq!(spliced(1, 1), None);
    }
}
