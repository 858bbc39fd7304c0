//! `declare_property` and `set_envoy_filter_state` (Envoy `declare_property.proto`, `set_envoy_filter_state.proto`).

use std::net::{IpAddr, SocketAddr};

use crate::filter_state::{Declaration, FilterState, Kind, LifeSpan};
use crate::protobuf::{fields, last_bytes, last_varint};
use crate::state::VmState;
use crate::status::Status;

/// `WasmType` of Envoy; whatever else stands there is bytes.
const STRING: u64 = 1;
const FLATBUFFERS: u64 = 2;
const PROTOBUF: u64 = 3;

/// Whether a text can be made into an object.
type Check = fn(&str) -> bool;

/// What Envoy takes for the objects that it makes from text, and how each is read. Each was tried in an Envoy with its default
/// extensions.
const OBJECTS: &[(&str, Check, Kind)] = &[
    (
        "envoy.filters.listener.original_dst.local_ip",
        is_address,
        Kind::Address,
    ),
    (
        "envoy.filters.listener.original_dst.remote_ip",
        is_address,
        Kind::Address,
    ),
    ("envoy.hashable_string", anything, Kind::Envoy),
    (
        "envoy.network.application_protocols",
        anything,
        Kind::Hidden,
    ),
    ("envoy.network.ip", is_ip, Kind::Envoy),
    ("envoy.network.network_namespace", anything, Kind::Envoy),
    (
        "envoy.network.transport_socket.original_dst_address",
        is_address,
        Kind::Address,
    ),
    ("envoy.network.upstream_server_name", anything, Kind::Envoy),
    (
        "envoy.network.upstream_subject_alt_names",
        anything,
        Kind::Envoy,
    ),
    ("envoy.ratelimit.hits_addend", is_number, Kind::Envoy),
    ("envoy.string", anything, Kind::Envoy),
    ("envoy.tcp_proxy.cluster", anything, Kind::Envoy),
    ("envoy.tcp_proxy.disable_tunneling", anything, Kind::Envoy),
    (
        "envoy.tcp_proxy.per_connection_idle_timeout_ms",
        is_number,
        Kind::Envoy,
    ),
    ("envoy.upstream.dynamic_host", anything, Kind::Envoy),
    ("envoy.upstream.dynamic_port", is_number, Kind::Envoy),
];

/// Declares how a property is to be kept. It belongs to the context whose callback runs, and only what a root context
/// declared is ever looked at: a declaration in a stream's callback is taken and has no effect.
pub(super) fn declare_property(state: &mut VmState, arguments: &[u8]) -> Result<(), Status> {
    let arguments = fields(arguments).ok_or(Status::BadArgument)?;
    let name = last_bytes(&arguments, 1).to_vec();
    let schema = last_bytes(&arguments, 4);
    let declaration = Declaration {
        readonly: last_varint(&arguments, 2) != 0,
        kind: match last_varint(&arguments, 3) {
            STRING => Kind::String,
            FLATBUFFERS => Kind::Opaque,
            PROTOBUF if schema.ends_with(b"google.protobuf.Struct") => Kind::Struct,
            PROTOBUF => Kind::Opaque,
            _ => Kind::Bytes,
        },
        span: LifeSpan::numbered(last_varint(&arguments, 5)),
    };
    let current = state.current;
    let declared = match state.roots.get_mut(&current) {
        Some(root) => &mut root.declared,
        None => {
            &mut state
                .streams
                .get_mut(&current)
                .ok_or(Status::NotFound)?
                .declared
        }
    };
    if declared.contains_key(&name) {
        return Err(Status::BadArgument);
    }
    declared.insert(name, declaration);
    Ok(())
}

/// Makes one of Envoy's own objects, for other filters to find.
pub(super) fn set_envoy_filter_state(state: &mut VmState, arguments: &[u8]) -> Result<(), Status> {
    let arguments = fields(arguments).ok_or(Status::BadArgument)?;
    let path = last_bytes(&arguments, 1);
    let value = last_bytes(&arguments, 2);
    let (_, fits, kind) = OBJECTS
        .iter()
        .find(|(name, ..)| name.as_bytes() == path)
        .ok_or(Status::NotFound)?;
    let text = str::from_utf8(value).map_err(|_| Status::BadArgument)?;
    if !fits(text) {
        return Err(Status::BadArgument);
    }
    let stream = state.stream().ok_or(Status::NotFound)?;
    let span = LifeSpan::numbered(last_varint(&arguments, 3));
    // An address without a port is one with the port 0.
    let value = match text.parse::<IpAddr>() {
        Ok(ip) if path == b"envoy.network.ip" => SocketAddr::new(ip, 0).to_string().into_bytes(),
        _ => value.to_vec(),
    };
    let object = FilterState::of_envoy(value, *kind, span);
    let mut facts = stream.common.lock();
    facts.filter_state.insert(path.to_vec(), object);
    Ok(())
}

fn anything(_: &str) -> bool {
    true
}

fn is_address(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
}

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}
