//! Scenario files: what happens to a filter and what is to come of it, in TOML.
//!
//! ```
//! use postern_host::scenario::{self, Options};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("guest.wat"), r#"(module
//!     (memory (export "memory") 1)
//!     (func (export "proxy_abi_version_0_2_1"))
//!     (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#)?;
//! let file = folder.path().join("first.scenario.toml");
//! std::fs::write(&file, r#"
//!     host.module = "guest.wat"
//!
//!     [[step]]
//!     request.path = "/orders"
//!     expect.status = 200
//!     expect.upstream.headers.":path" = "/orders"
//! "#)?;
//!
//! let report = scenario::run_files(&[file], &Options::default())?;
//! assert!(report.passed(), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`mod@format`] has the types of a file, [`load`] reads one, [`run`] runs one scenario, and [`run_files`] runs files and folders in
//! parallel. `docs/host/scenarios.md` is the reference.

mod bless;
mod build;
mod check;
pub mod compare;
mod files;
pub mod format;
mod grpc;
mod load;
mod observed;
mod places;
mod play;
mod reference;
mod report;
mod run;
mod saved;
mod sense;
mod title;
mod unseeded;
mod upstream;
mod whole;

pub use load::{LoadError, Place, Scenario, find, load};
pub use reference::reference;
pub use report::{Failure, Format, Outcome, Report, report_schema};
pub use run::{Options, RunError, run, run_files};

/// The JSON Schema of scenario files (draft 2020-12), made from the types of [`mod@format`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(format::File).to_value()
}
