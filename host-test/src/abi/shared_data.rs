//! Shared data.

use super::{Answer, Call, Stop, answer};
use crate::status::Status;

pub(super) fn get(
    call: &mut Call<'_>,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
    cas: u32,
) -> Answer {
    let key = call.read(key, key_len)?;
    let state = call.state();
    let (bytes, number) = state
        .shared
        .get_data(&state.identity.vm_id, &key)
        .ok_or(Status::NotFound)?;
    call.hand_over(&bytes, value, value_len)?;
    call.write_u32(cas, number)
}

pub(super) fn set(
    call: &mut Call<'_>,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
    cas: u32,
) -> Answer {
    let key = call.read(key, key_len)?;
    let value = call.read(value, value_len)?;
    let state = call.state();
    let vm_id = &state.identity.vm_id;
    let set = state.shared.compare_and_set(vm_id, &key, &value, cas);
    answer(set.map_err(|full| Stop::Trap(full.into()))?)
}
