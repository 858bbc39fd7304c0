//! What no single crate can show: the filter in a real Envoy and in the test host, side by side, before a real upstream.
//!
//! The library is the harness; the tests are in `tests/all`, the demo in [`demo`]. Run both through `cargo xtask`, which
//! builds what they need and says where it is.

pub mod abi;
pub mod admin;
pub mod artefacts;
pub mod bench;
pub mod cases;
pub mod client;
pub mod demo;
pub mod envoy;
pub mod error;
pub mod fixture;
pub mod gateway;
pub mod message;
pub mod python;
pub mod upstream;
pub mod wait;

pub use error::{Error, Result};
