//! Shared queues.

use super::{Answer, Call, Stop, answer};
use crate::shared::Consumer;
use crate::status::Status;

/// Makes the queue if there is none. The root context is told of its items, and whoever was told before is not.
pub(super) fn register(call: &mut Call<'_>, name: u32, name_len: u32, id: u32) -> Answer {
    let name = call.read(name, name_len)?;
    let state = call.state_mut();
    state.consumes_queue = true;
    let consumer = Consumer {
        host: state.place.host,
        vm: state.place.vm,
        root: state.root_id(),
    };
    let vm_id = &state.identity.vm_id;
    let queue = state.shared.register_queue(vm_id, &name, consumer);
    call.write_u32(id, queue)
}

/// The number of a queue that a VM, this or another, has registered.
pub(super) fn resolve(
    call: &mut Call<'_>,
    vm: u32,
    vm_len: u32,
    name: u32,
    name_len: u32,
    id: u32,
) -> Answer {
    let vm_id = call.read_text(vm, vm_len)?;
    let name = call.read(name, name_len)?;
    let state = call.state();
    // No `vm_id` stands for the guest's own (proxy-wasm-cpp-host `ContextBase::lookupSharedQueue`).
    let vm_id = if vm_id.is_empty() {
        &state.identity.vm_id
    } else {
        &vm_id
    };
    let queue = state
        .shared
        .resolve_queue(vm_id, &name)
        .ok_or(Status::NotFound)?;
    call.write_u32(id, queue)
}

pub(super) fn enqueue(call: &mut Call<'_>, id: u32, item: u32, item_len: u32) -> Answer {
    let item = call.read(item, item_len)?;
    let enqueued = call.state().shared.enqueue(id, &item);
    answer(enqueued.map_err(|full| Stop::Trap(full.into()))?)
}

pub(super) fn dequeue(call: &mut Call<'_>, id: u32, item: u32, item_len: u32) -> Answer {
    let bytes = call.state().shared.dequeue(id)?;
    call.hand_over(&bytes, item, item_len)
}
