//! Where `cargo xtask test` says that it has put what the tests need.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The Envoy binary.
///
/// # Errors
///
/// [`Error::NotUnderXtask`] when `POSTERN_ENVOY` is not set: a missing Envoy is a failure, never a skipped test.
pub fn envoy() -> Result<PathBuf> {
    path("POSTERN_ENVOY")
}

/// The filter as it ships.
///
/// # Errors
///
/// [`Error::NotUnderXtask`] when `POSTERN_WASM` is not set.
pub fn wasm() -> Result<PathBuf> {
    path("POSTERN_WASM")
}

/// The filter that reads its policy from a feed.
///
/// # Errors
///
/// [`Error::NotUnderXtask`] when `POSTERN_SYNC_WASM` is not set.
pub fn sync_wasm() -> Result<PathBuf> {
    path("POSTERN_SYNC_WASM")
}

/// The same with the feature `test-trap`.
///
/// # Errors
///
/// [`Error::NotUnderXtask`] when `POSTERN_SYNC_TEST_TRAP_WASM` is not set.
pub fn sync_test_trap_wasm() -> Result<PathBuf> {
    path("POSTERN_SYNC_TEST_TRAP_WASM")
}

/// The filter with the feature `test-trap`, which no release has.
///
/// # Errors
///
/// [`Error::NotUnderXtask`] when `POSTERN_TEST_TRAP_WASM` is not set.
pub fn test_trap_wasm() -> Result<PathBuf> {
    path("POSTERN_TEST_TRAP_WASM")
}

/// Whether this file is [`test_trap_wasm`].
pub fn is_test_trap(file: &Path) -> bool {
    test_trap_wasm().is_ok_and(|trap| trap == file)
}

fn path(variable: &'static str) -> Result<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .ok_or(Error::NotUnderXtask(variable))
}
