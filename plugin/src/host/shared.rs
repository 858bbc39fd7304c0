//! What the VMs of one `vm_id` share.

use super::{Status, check, owned};

const NOT_FOUND: Status = Status(1);
const CAS_MISMATCH: Status = Status(8);

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        cas: u32,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

/// A value that the VMs share, and what it was written as; `None` if there is none.
pub(crate) fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, Status> {
    let mut cas = 0;
    // SAFETY: the host reads `key` and writes `cas` during the call; `owned` passes pointers that are valid for writing.
    let value = owned(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    });
    match value {
        Ok(value) => Ok(Some((value, cas))),
        Err(NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

/// Sets such a value; with a `cas` other than 0, only if it is still what it was read as. Returns whether it did.
pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<bool, Status> {
    // SAFETY: the host reads both during the call.
    let set = check(unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    });
    match set {
        Ok(()) => Ok(true),
        Err(CAS_MISMATCH) => Ok(false),
        Err(status) => Err(status),
    }
}

/// A property of the host's, by a path of one part; `None` if there is none.
pub(crate) fn property(name: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `name` during the call; `owned` passes pointers that are valid for writing.
    owned(|data, size| unsafe { proxy_get_property(name.as_ptr(), name.len(), data, size) }).ok()
}
