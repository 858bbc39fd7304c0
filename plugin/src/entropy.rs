//! Randomness: the host's, through `getrandom`, so that every crate in the module draws from the same source.
#![expect(unsafe_code, reason = "getrandom finds a custom backend by its symbol")]

use postern_core::random::{Random, RandomFailed};

use crate::host;

/// The host's CSPRNG.
pub(crate) struct HostRandom;

impl Random for HostRandom {
    fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
        getrandom::fill(dest).map_err(|_| RandomFailed)
    }
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
    host::random(dest).map_err(|_| getrandom::Error::UNSUPPORTED)
}
