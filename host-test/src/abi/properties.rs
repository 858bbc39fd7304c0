//! Properties: what Envoy knows about the plugin, the connection and the request, and what guests leave for others.
//!
//! Numbers are 8 bytes, little-endian; truth values 1 byte; times nanoseconds. Names and meanings are Envoy's attributes
//! (Envoy documentation, "Attributes").

use std::net::SocketAddr;

use super::{Answer, Call};
use crate::headers::HeaderMap;
use crate::state::{StreamContext, VmState};
use crate::status::Status;

/// `envoy.config.core.v3.TrafficDirection.UNSPECIFIED`.
const DIRECTION_UNSPECIFIED: i64 = 0;

pub(super) fn get(
    call: &mut Call<'_>,
    path: u32,
    path_len: u32,
    value: u32,
    value_len: u32,
) -> Answer {
    let path = call.read(path, path_len)?;
    if path.is_empty() {
        // No name at all stands for everything there is, and that has no bytes.
        return Err(Status::SerializationFailure.into());
    }
    let segments: Vec<&[u8]> = path.split(|byte| *byte == 0).collect();
    let bytes = lookup(call.state(), &segments).ok_or(Status::NotFound)?;
    call.hand_over(&bytes, value, value_len)
}

/// Envoy stores the value as filter state under `wasm.` and the whole path, so nothing of Envoy's own is ever changed.
pub(super) fn set(
    call: &mut Call<'_>,
    path: u32,
    path_len: u32,
    value: u32,
    value_len: u32,
) -> Answer {
    let path = call.read(path, path_len)?;
    let value = call.read(value, value_len)?;
    let stream = call.state_mut().stream_mut().ok_or(Status::NotFound)?;
    stream.filter_state.lock().insert(path, value);
    Ok(())
}

fn lookup(state: &VmState, path: &[&[u8]]) -> Option<Vec<u8>> {
    let (first, rest) = path.split_first()?;
    let plugin = state.plugin();
    match (str::from_utf8(first).ok()?, rest) {
        ("plugin_name", []) => return Some(plugin?.name.clone().into_bytes()),
        ("plugin_root_id", []) => return Some(plugin?.root_id.clone().into_bytes()),
        ("plugin_vm_id", []) => return Some(state.identity.vm_id.clone().into_bytes()),
        ("listener_direction", []) => return Some(DIRECTION_UNSPECIFIED.to_le_bytes().to_vec()),
        _ => {}
    }
    let stream = state.stream()?;
    match (str::from_utf8(first).ok()?, rest) {
        ("request", [name, key @ ..]) => request(stream, name, key),
        ("response", [name, key @ ..]) => response(stream, name, key),
        ("source", [name]) => address(stream.source, name),
        ("destination", [name]) => address(LISTENER, name),
        ("connection", [b"mtls"]) => Some(vec![0]),
        ("connection", [b"id"]) => Some(number(1)),
        // What a guest has set has one segment: Envoy looks for the first segment of a path and finds no map behind it.
        (_, []) => stream.filter_state.lock().get(*first).cloned(),
        _ => None,
    }
}

/// Where this host listens, as far as guests are told.
const LISTENER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 10_000);

fn request(stream: &StreamContext, name: &[u8], key: &[&[u8]]) -> Option<Vec<u8>> {
    match (name, key) {
        (b"time", []) => return Some(stream.started.to_le_bytes().to_vec()),
        (b"protocol", []) => return Some(stream.protocol.into()),
        (b"size", []) => return Some(number(stream.request.body.len())),
        _ => {}
    }
    if !stream.request.headers_visible && !stream.logging {
        return None;
    }
    let headers = &stream.request.headers;
    let path = headers.get(":path").unwrap_or_default();
    let question_mark = path.iter().position(|byte| *byte == b'?');
    match (name, key) {
        (b"path", []) => headers.get(":path").map(<[u8]>::to_vec),
        (b"url_path", []) => Some(path[..question_mark.unwrap_or(path.len())].to_vec()),
        (b"query", []) => Some(question_mark.map_or(Vec::new(), |at| path[at + 1..].to_vec())),
        (b"host", []) => headers.get(":authority").map(<[u8]>::to_vec),
        (b"scheme", []) => headers.get(":scheme").map(<[u8]>::to_vec),
        (b"method", []) => headers.get(":method").map(<[u8]>::to_vec),
        (b"referer", []) => headers.get("referer").map(<[u8]>::to_vec),
        (b"useragent", []) => headers.get("user-agent").map(<[u8]>::to_vec),
        (b"id", []) => headers.get("x-request-id").map(<[u8]>::to_vec),
        (b"headers", [key]) => joined(headers, key),
        _ => None,
    }
}

fn response(stream: &StreamContext, name: &[u8], key: &[&[u8]]) -> Option<Vec<u8>> {
    let headers = &stream.response.headers;
    match (name, key) {
        (b"code", []) => Some(number(headers.text(":status")?.parse().ok()?)),
        (b"code_details", []) if !stream.details.is_empty() => {
            Some(stream.details.clone().into_bytes())
        }
        (b"size", []) if !headers.is_empty() => Some(number(stream.response.body.len())),
        (b"headers", [key]) if stream.response.headers_visible || stream.logging => {
            joined(headers, key)
        }
        _ => None,
    }
}

fn address(address: SocketAddr, name: &[u8]) -> Option<Vec<u8>> {
    match name {
        b"address" => Some(address.to_string().into_bytes()),
        b"port" => Some(number(usize::from(address.port()))),
        _ => None,
    }
}

fn joined(headers: &HeaderMap, name: &[u8]) -> Option<Vec<u8>> {
    let values = headers.all(name);
    if values.is_empty() {
        None
    } else {
        Some(values.join(&b","[..]))
    }
}

fn number(value: usize) -> Vec<u8> {
    i64::try_from(value)
        .unwrap_or(i64::MAX)
        .to_le_bytes()
        .to_vec()
}
