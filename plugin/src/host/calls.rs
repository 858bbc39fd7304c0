//! Calls to clusters, and their answers.

use std::ptr;

use super::{Status, check, owned, proxy_get_buffer_bytes};

const CALL_RESPONSE_BODY: u32 = 4;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_http_call(
        cluster: *const u8,
        cluster_len: usize,
        headers: *const u8,
        headers_len: usize,
        body: *const u8,
        body_len: usize,
        trailers: *const u8,
        trailers_len: usize,
        timeout: u32,
        call: *mut u32,
    ) -> u32;
}

/// Sends a request to a cluster. The answer comes by the number that is returned, to the root context at hand.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[u8],
    body: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    let mut call = 0;
    // SAFETY: the host reads the first three and writes `call` during the call; there are no trailers.
    check(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            ptr::null(),
            0,
            timeout_ms,
            &raw mut call,
        )
    })?;
    Ok(call)
}

/// The body of the answer to a call; readable where the answer is handed over only.
pub(crate) fn response_body(length: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: `owned` passes pointers that are valid for writing.
    owned(|data, size| unsafe { proxy_get_buffer_bytes(CALL_RESPONSE_BODY, 0, length, data, size) })
}

/// The answer to a call. The SDK's callback of this name traps on calls that the SDK has not made, and its own way to make
/// them traps on statuses that it does not expect; `cargo xtask wasm` puts this one in its place.
#[unsafe(no_mangle)]
extern "C" fn postern_on_http_call_response(
    root: u32,
    call: u32,
    _headers: usize,
    body_size: usize,
    _trailers: usize,
) {
    crate::sync::answered(root, call, body_size);
}
