//! Attributes: what Envoy knows about a plugin, a connection, a request and its response, and what guests leave for others.
//!
//! Names, availability and encodings are Envoy 1.40's; each was read there in every phase of a request (Envoy documentation,
//! "Attributes"; `source/extensions/filters/common/expr/context.cc`).

mod elsewhere;
mod metadata;
mod settings;
mod stream;
mod value;

pub(crate) use metadata::decode_struct;
pub use value::PropertyValue;

pub(crate) use settings::{Setting, Settings};
pub(crate) use stream::Group;

use crate::state::{StreamContext, VmState};
use crate::status::Status;
use elsewhere::Reading;

/// What stands under a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    Value(PropertyValue),
    /// A map that Envoy computes entry by entry and cannot list.
    Group(Group),
}

impl From<PropertyValue> for Found {
    fn from(value: PropertyValue) -> Self {
        Self::Value(value)
    }
}

/// The bytes that `proxy_get_property` hands over.
pub(crate) fn get(state: &VmState, path: &[u8]) -> Result<Vec<u8>, Status> {
    if path.is_empty() {
        // No name at all stands for nothing, and that has no bytes.
        return Err(Status::SerializationFailure);
    }
    let profile = state.profile;
    if profile.only_property().is_some_and(|only| only != path) {
        return Err(Status::NotFound);
    }
    let found = match elsewhere::read(profile, &segments(path)) {
        Reading::Envoys => find(state, state.effective, &segments(path)),
        Reading::Kept => kept(state, path),
        Reading::Nothing => told(state, state.effective, &segments(path)).flatten(),
        Reading::Attribute(attribute) => {
            let attribute: Vec<&[u8]> = attribute.iter().map(Vec::as_slice).collect();
            told(state, state.effective, &segments(path))
                .unwrap_or_else(|| find(state, state.effective, &attribute))
                .map(|found| without_port(found, &attribute))
        }
    };
    match found.ok_or(Status::NotFound)? {
        Found::Value(value) if profile.has_text_properties() => Ok(value.text()),
        Found::Value(value) => value.encode().ok_or(Status::SerializationFailure),
        Found::Group(_) => Err(Status::SerializationFailure),
    }
}

/// What a guest has left under this very path, in its raw form.
fn kept(state: &VmState, path: &[u8]) -> Option<Found> {
    let stream = state.streams.get(&state.effective)?;
    let facts = stream.common.lock();
    let stored = facts.filter_state.get(&[b"wasm.", path].concat())?;
    Some(stored.expression(true).into())
}

/// Addresses of nginx have no port.
fn without_port(found: Found, path: &[&[u8]]) -> Found {
    match found {
        Found::Value(PropertyValue::String(text))
            if path.last() == Some(&b"address".as_slice()) =>
        {
            let host = text
                .rsplit_once(':')
                .map_or(text.as_str(), |(host, _)| host);
            PropertyValue::from(host).into()
        }
        found => found,
    }
}

/// What the host was told to say: something, nothing, or to find out by itself.
fn told(state: &VmState, context: u32, path: &[&[u8]]) -> Option<Option<Found>> {
    let stream = state.streams.get(&context).map(|stream| &**stream);
    if !is_due(stream, path) {
        return None;
    }
    let of_the_request = stream.map(|stream| &stream.properties);
    let settings = of_the_request
        .into_iter()
        .chain([&state.identity.offered.properties])
        .find_map(|settings| settings.find(path))?;
    Some(match settings {
        Setting::Value(value) => Some(value.into()),
        Setting::Absent => None,
    })
}

/// What stands under a path for this context. What the host was told wins over what it would compute.
pub(crate) fn find(state: &VmState, context: u32, path: &[&[u8]]) -> Option<Found> {
    if let Some(told) = told(state, context, path) {
        return told;
    }
    let (first, rest) = path.split_first()?;
    let mut found = top_level(state, context, str::from_utf8(first).ok()?, rest.is_empty())?;
    let mut among_headers = false;
    for segment in rest {
        found = match found {
            Found::Value(value) if among_headers => {
                value.entry(&segment.to_ascii_lowercase())?.into()
            }
            Found::Value(value) => value.entry(segment)?.into(),
            Found::Group(group) => {
                group.attribute(state, context, str::from_utf8(segment).ok()?)?
            }
        };
        among_headers = matches!(*segment, b"headers" | b"trailers");
    }
    Some(found)
}

/// The names of what a group may hold for this context, those included that were set.
pub(crate) fn names(state: &VmState, context: u32, group: Group, name: &str) -> Vec<String> {
    let mut names: Vec<String> = group.names().iter().map(|&name| name.to_owned()).collect();
    let stream = state.streams.get(&context).map(|stream| &**stream);
    if group == Group::FilterState
        && let Some(stream) = stream
    {
        let facts = stream.common.lock();
        let set = facts.filter_state.all().into_keys();
        names.extend(set.map(|name| String::from_utf8_lossy(&name).into_owned()));
    }
    names.extend(state.identity.offered.properties.names_under(name));
    names.extend(
        stream
            .iter()
            .flat_map(|stream| stream.properties.names_under(name)),
    );
    names
}

/// Whether a set property is there yet: a root context knows the plugin and the node alone, and nobody knows the upstream
/// before it has answered.
fn is_due(stream: Option<&StreamContext>, path: &[&[u8]]) -> bool {
    match (stream, path) {
        (None, [b"plugin_name" | b"plugin_root_id" | b"plugin_vm_id", ..]) => true,
        (None, [b"xds", b"node", ..]) => true,
        (None, _) => false,
        (
            Some(stream),
            [b"upstream", ..]
            | [
                b"xds",
                b"upstream_host_metadata" | b"upstream_host_locality_metadata",
                ..,
            ],
        ) => stream::reached_upstream(stream),
        (Some(_), _) => true,
    }
}

fn top_level(state: &VmState, context: u32, name: &str, last: bool) -> Option<Found> {
    let root = state
        .streams
        .get(&context)
        .map_or(context, |stream| stream.root);
    let plugin = state.roots.get(&root).map(|root| &*root.plugin);
    let text = |text: &str| Some(PropertyValue::from(text).into());
    match name {
        "plugin_name" => return text(&plugin?.name),
        "plugin_root_id" => return text(&plugin?.root_id),
        "plugin_vm_id" => return text(&state.identity.vm_id),
        // A root context knows the node and nothing else.
        "xds" => return Some(Found::Group(Group::Xds)),
        _ => {}
    }
    let stream = state.streams.get(&context)?;
    if let Some(group) = Group::named(name) {
        return group.exists(stream).then_some(Found::Group(group));
    }
    match name {
        "connection_id" => Some(stream::connection_id(stream).into()),
        "metadata" => Some(metadata::empty_message().into()),
        // What a guest has set has one segment: Envoy looks for the first segment of a path, and finds a map behind it
        // only if that was declared.
        _ => stream
            .common
            .lock()
            .filter_state
            .get(format!("wasm.{name}").as_bytes())
            .map(|state| state.expression(last).into()),
    }
}

/// A zero byte separates segments; one at the end separates nothing.
fn segments(path: &[u8]) -> Vec<&[u8]> {
    path.strip_suffix(b"\0")
        .unwrap_or(path)
        .split(|byte| *byte == 0)
        .collect()
}
