//! `postern.wasm`: a thin Proxy-Wasm adapter around `postern-core`.
//!
//! The SDK keeps the life cycle: it links streams to root contexts and drops both. Everything that reads or writes goes
//! through `host`, which reports a status where the SDK would panic.
// On any other target the host's functions do not exist; the rules are tested in core, the built module in tests/.
#![cfg(target_arch = "wasm32")]
#![expect(
    missing_docs,
    reason = "the SDK's macro writes the one public item, `_initialize`, without any"
)]

mod entropy;
mod held;
mod host;
mod metrics;
mod root;
mod stream;
#[cfg(feature = "sync")]
mod sync;
#[cfg(not(feature = "sync"))]
#[path = "without_sync.rs"]
mod sync;

// The SDK's macro writes `#[no_mangle]`, which `deny(unsafe_code)` passes in code of another crate's macro.
proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Warn);
    proxy_wasm::set_root_context(|context| Box::new(root::Root::new(context)));
}}
