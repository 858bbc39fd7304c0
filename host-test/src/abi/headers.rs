//! Header maps and trailers.

use super::{Answer, Call, Stop};
use crate::headers::HeaderMap;
use crate::pairs;
use crate::state::VmState;
use crate::status::Status;
use crate::version::AbiVersion;

const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const RESPONSE_TRAILERS: u32 = 3;
const GRPC_INITIAL_METADATA: u32 = 4;
const GRPC_TRAILING_METADATA: u32 = 5;
const HTTP_CALL_RESPONSE_HEADERS: u32 = 6;
const HTTP_CALL_RESPONSE_TRAILERS: u32 = 7;

pub(super) fn get_size(call: &mut Call<'_>, map: u32, size: u32) -> Answer {
    look_through(call, map)?;
    let bytes = writable(call.state_mut(), map)?.byte_size();
    call.write_u32(size, u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// A map that is not there now has no pairs, and that is no error: the guest cannot tell it from an empty one.
pub(super) fn get_pairs(call: &mut Call<'_>, map: u32, data: u32, size: u32) -> Answer {
    check(map)?;
    look_through(call, map)?;
    let bytes = readable(call.state(), map)
        .filter(|map| !map.is_empty())
        .map(pairs::encode)
        .unwrap_or_default();
    call.hand_over(&bytes, data, size)
}

pub(super) fn set_pairs(call: &mut Call<'_>, map: u32, data: u32, size: u32) -> Answer {
    look_through(call, map)?;
    let bytes = call.read(data, size)?;
    let target = writable(call.state_mut(), map)?;
    target.clear();
    for (name, value) in pairs::decode(&bytes) {
        target.append(name, value);
    }
    Ok(())
}

/// The first value alone, whatever comes behind it.
pub(super) fn get_value(
    call: &mut Call<'_>,
    map: u32,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> Answer {
    check(map)?;
    look_through(call, map)?;
    let key = call.read(key, key_len)?;
    let state = call.state();
    // The first version of the ABI had no way to say that there is none.
    let empty_if_missing = state.abi == AbiVersion::V0_1_0 || state.profile.has_every_header();
    let Some(found) = readable(state, map) else {
        let logging = state.stream().is_some_and(|stream| stream.logging);
        if logging && empty_if_missing {
            return call.hand_over(&[], value, value_len);
        }
        return Err(if logging {
            Status::NotFound
        } else {
            Status::BadArgument
        }
        .into());
    };
    let bytes = match found.get(key) {
        Some(bytes) => bytes.to_vec(),
        None if empty_if_missing => Vec::new(),
        None => return Err(Status::NotFound.into()),
    };
    call.hand_over(&bytes, value, value_len)
}

pub(super) fn add(
    call: &mut Call<'_>,
    map: u32,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> Answer {
    look_through(call, map)?;
    let (key, value) = (call.read(key, key_len)?, call.read(value, value_len)?);
    writable(call.state_mut(), map)?.append(key, value);
    Ok(())
}

pub(super) fn replace(
    call: &mut Call<'_>,
    map: u32,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> Answer {
    look_through(call, map)?;
    let (key, value) = (call.read(key, key_len)?, call.read(value, value_len)?);
    writable(call.state_mut(), map)?.replace(key, value);
    Ok(())
}

pub(super) fn remove(call: &mut Call<'_>, map: u32, key: u32, key_len: u32) -> Answer {
    look_through(call, map)?;
    let key = call.read(key, key_len)?;
    writable(call.state_mut(), map)?.remove(key);
    Ok(())
}

/// A guest can fill a map and then look for names in it as often as its fuel allows, which costs it little and the host much.
fn look_through(call: &mut Call<'_>, map: u32) -> Answer {
    let weight = readable(call.state(), map).map_or(0, HeaderMap::weight);
    call.works(weight)
}

fn check(map: u32) -> Result<(), Stop> {
    if map <= HTTP_CALL_RESPONSE_TRAILERS {
        Ok(())
    } else {
        Err(Status::BadArgument.into())
    }
}

/// The map as it may be read now. When the stream is being logged, what was sent and received may be read again, request
/// trailers excepted.
pub(crate) fn readable(state: &VmState, map: u32) -> Option<&HeaderMap> {
    if let HTTP_CALL_RESPONSE_HEADERS | HTTP_CALL_RESPONSE_TRAILERS = map {
        let reply = state.reply.as_ref()?;
        return Some(if map == HTTP_CALL_RESPONSE_HEADERS {
            &reply.headers
        } else {
            &reply.trailers
        });
    }
    match map {
        GRPC_INITIAL_METADATA => return state.grpc_metadata.initial.as_ref(),
        GRPC_TRAILING_METADATA => return state.grpc_metadata.trailing.as_ref(),
        _ => {}
    }
    let stream = state.stream()?;
    let (map, visible) = match map {
        REQUEST_HEADERS => (
            &stream.request.headers,
            stream.request.headers_visible || stream.logging,
        ),
        REQUEST_TRAILERS => (
            &stream.request.trailers,
            stream.request.trailers_visible && !stream.logging,
        ),
        RESPONSE_HEADERS => {
            let logged = stream.logging && !stream.response.headers.is_empty();
            (
                &stream.response.headers,
                stream.response.headers_visible || logged,
            )
        }
        RESPONSE_TRAILERS => {
            let logged = stream.logging && !stream.response.trailers.is_empty();
            (
                &stream.response.trailers,
                stream.response.trailers_visible || logged,
            )
        }
        _ => return None,
    };
    visible.then_some(map)
}

/// The map as it may be changed now. Envoy asks the same question before it tells a size. What a stream held back to its end
/// can be changed even when it is logged.
fn writable(state: &mut VmState, map: u32) -> Result<&mut HeaderMap, Stop> {
    let stream = state.stream_mut().ok_or(Status::BadArgument)?;
    let ending = match map {
        REQUEST_TRAILERS => Some(&mut stream.request),
        RESPONSE_TRAILERS => Some(&mut stream.response),
        _ => None,
    };
    if let Some(message) = ending {
        // Envoy's `addDecodedTrailers` and `addEncodedTrailers`.
        message.trailers_visible |= message.may_add_trailers;
    }
    let (map, visible) = match map {
        REQUEST_HEADERS => (&mut stream.request.headers, stream.request.headers_visible),
        REQUEST_TRAILERS => (
            &mut stream.request.trailers,
            stream.request.trailers_visible,
        ),
        RESPONSE_HEADERS => (
            &mut stream.response.headers,
            stream.response.headers_visible,
        ),
        RESPONSE_TRAILERS => (
            &mut stream.response.trailers,
            stream.response.trailers_visible,
        ),
        _ => return Err(Status::BadArgument.into()),
    };
    if visible {
        Ok(map)
    } else {
        Err(Status::BadArgument.into())
    }
}
