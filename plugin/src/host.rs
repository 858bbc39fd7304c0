//! The host calls that the filter makes, as functions that report a status and never panic.
//!
//! The SDK's own wrappers panic on a status that they do not expect and on header bytes that are not UTF-8; a panic traps
//! the VM, and a trapped filter refuses every request until it is restarted.
#![expect(
    unsafe_code,
    reason = "the one module that calls the host: imports are unsafe to call"
)]

#[cfg(feature = "sync")]
mod calls;
#[cfg(feature = "sync")]
mod shared;

use std::ptr;

#[cfg(feature = "sync")]
pub(crate) use calls::{http_call, response_body};
#[cfg(feature = "sync")]
pub(crate) use shared::{property, set_shared_data, shared_data};

/// A status other than OK, as the ABI numbers them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Status(u32);

/// A map of headers.
#[derive(Clone, Copy)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    #[cfg(feature = "sync")]
    CallResponseHeaders = 6,
}

/// A level of the host's log.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

const REQUEST_BODY: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const HTTP_REQUEST: u32 = 0;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const WALL_CLOCK: u32 = 0;
const MONOTONIC_CLOCK: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, length: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_len: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
    fn random_get(dest: *mut u8, length: usize) -> u32;
    fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u32;
    fn environ_get(pointers: *mut *mut u8, buffer: *mut u8) -> u32;
}

/// Writes a line to the host's log.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: the host reads `message` during the call. Its status is dropped: there is nowhere left to report it.
    let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// The plugin's configuration; readable in `on_configure` only.
pub(crate) fn plugin_configuration() -> Result<Vec<u8>, Status> {
    // SAFETY: `owned` passes pointers that are valid for writing.
    owned(|data, size| unsafe {
        proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, usize::MAX, data, size)
    })
}

/// The start of the request's body, as far as it has been gathered.
pub(crate) fn request_body(length: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: `owned` passes pointers that are valid for writing.
    owned(|data, size| unsafe { proxy_get_buffer_bytes(REQUEST_BODY, 0, length, data, size) })
}

/// All pairs of a map, encoded.
pub(crate) fn header_pairs(map: Map) -> Result<Vec<u8>, Status> {
    // SAFETY: `owned` passes pointers that are valid for writing.
    owned(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })
}

/// Sets a header; all that had its name are gone after it.
pub(crate) fn replace_header(map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads both during the call.
    check(unsafe {
        proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Removes all headers with a name; there need not be any.
pub(crate) fn remove_header(map: Map, name: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads `name` during the call.
    check(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Answers the request. `headers` are encoded pairs; without `grpc_status` the host derives none.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[u8],
    body: &str,
    grpc_status: Option<u32>,
) -> Result<(), Status> {
    let grpc_status = grpc_status
        .and_then(|status| i32::try_from(status).ok())
        .unwrap_or(-1);
    // SAFETY: the host reads all four during the call.
    check(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// Resets the request's stream.
pub(crate) fn close_request() -> Result<(), Status> {
    // SAFETY: no memory is passed.
    check(unsafe { proxy_close_stream(HTTP_REQUEST) })
}

/// Leaves a value in the stream's filter state, as `wasm.<path>` in Envoy.
pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads both during the call.
    check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// Defines a counter, or finds the one of that name.
pub(crate) fn define_counter(name: &str) -> Result<u32, Status> {
    define(COUNTER, name)
}

/// Defines a gauge, or finds the one of that name.
pub(crate) fn define_gauge(name: &str) -> Result<u32, Status> {
    define(GAUGE, name)
}

/// Sets a gauge.
pub(crate) fn record(gauge: u32, value: u64) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    check(unsafe { proxy_record_metric(gauge, value) })
}

/// Has `on_tick` called for the root context at hand, every so many milliseconds.
pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    check(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

/// Has the next calls act on another context than the one whose callback is running.
pub(crate) fn set_effective_context(context: u32) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    check(unsafe { proxy_set_effective_context(context) })
}

/// Adds to a counter.
pub(crate) fn add(counter: u32, number: i64) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    check(unsafe { proxy_increment_metric(counter, number) })
}

/// The wall clock, in nanoseconds since the Unix epoch.
pub(crate) fn wall_clock() -> Result<u64, Status> {
    clock(WALL_CLOCK)
}

/// The monotonic clock, in nanoseconds since some instant.
pub(crate) fn monotonic_clock() -> Result<u64, Status> {
    clock(MONOTONIC_CLOCK)
}

/// Random bytes of the host's CSPRNG.
pub(crate) fn random(dest: &mut [u8]) -> Result<(), Status> {
    // SAFETY: the host writes `dest`, all of it, during the call.
    check(unsafe { random_get(dest.as_mut_ptr(), dest.len()) })
}

/// The value of an environment variable that the operator has lent to this VM.
pub(crate) fn environment(name: &str) -> Option<String> {
    let (mut count, mut size) = (0, 0);
    // SAFETY: the host writes both during the call.
    check(unsafe { environ_sizes_get(&raw mut count, &raw mut size) }).ok()?;
    let mut pointers = vec![ptr::null_mut(); count];
    let mut buffer = vec![0; size];
    // SAFETY: the host writes `count` pointers and `size` bytes, as it has just said. The pointers are not followed: the
    // variables stand in `buffer` one after another, each ended by a zero byte.
    check(unsafe { environ_get(pointers.as_mut_ptr(), buffer.as_mut_ptr()) }).ok()?;
    let variables = buffer.split(|&byte| byte == 0);
    let value = variables
        .filter_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .next()?;
    String::from_utf8(value.to_vec()).ok()
}

fn clock(clock: u32) -> Result<u64, Status> {
    let mut nanoseconds = 0;
    // SAFETY: the host writes `nanoseconds` during the call.
    check(unsafe { clock_time_get(clock, 1, &raw mut nanoseconds) })?;
    Ok(nanoseconds)
}

fn define(kind: u32, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the host reads `name` and writes `id` during the call.
    check(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Makes a call that hands over memory, and takes that memory.
fn owned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let mut data = ptr::null_mut();
    let mut size = 0;
    check(call(&raw mut data, &raw mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host has had `size` bytes allocated by the SDK's `malloc`, which is a `Vec` of that capacity, has
    // written all of them, and keeps no reference.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

fn check(status: u32) -> Result<(), Status> {
    if status == 0 {
        Ok(())
    } else {
        Err(Status(status))
    }
}

#[cfg(feature = "test-trap")]
pub(crate) fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// The backend that `getrandom` links to under `getrandom_backend="custom"`.
///
/// # Safety
/// `dest` must be valid for writing `len` bytes; `getrandom` sees to that.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    dest: *mut u8,
    len: usize,
) -> Result<(), getrandom::Error> {
    // SAFETY: as above. The bytes may be uninitialised, so they are set before a reference to them exists.
    let dest = unsafe {
        dest.write_bytes(0, len);
        std::slice::from_raw_parts_mut(dest, len)
    };
    random(dest).map_err(|_| getrandom::Error::UNSUPPORTED)
}
