//! Properties: reading attributes, and leaving filter state.

use super::{Answer, Call};
use crate::attributes;
use crate::status::Status;

pub(super) fn get(
    call: &mut Call<'_>,
    path: u32,
    path_len: u32,
    value: u32,
    value_len: u32,
) -> Answer {
    let path = call.read(path, path_len)?;
    let bytes = match attributes::get(call.state(), &path) {
        Err(Status::NotFound) if call.state().profile.has_every_property() => Vec::new(),
        other => other?,
    };
    call.hand_over(&bytes, value, value_len)
}

/// Envoy stores the value as filter state under `wasm.` and the whole path, so nothing of Envoy's own is ever changed. What
/// the root context declared about the path holds from the first value on.
pub(super) fn set(
    call: &mut Call<'_>,
    path: u32,
    path_len: u32,
    value: u32,
    value_len: u32,
) -> Answer {
    let path = call.read(path, path_len)?;
    let value = call.read(value, value_len)?;
    let state = call.state_mut();
    let root = state.root_id();
    let declared = state
        .roots
        .get(&root)
        .and_then(|root| root.declared.get(&path).cloned())
        .unwrap_or_default();
    let stream = state.stream().ok_or(Status::NotFound)?;
    let name = [b"wasm.", &*path].concat();
    let mut facts = stream.common.lock();
    if facts.filter_state.set(name, &declared, value) {
        Ok(())
    } else {
        Err(Status::BadArgument.into())
    }
}
