//! What can be said of a module without running it.

mod codes;
mod facts;
mod getters;
mod hosts;
mod judge;
mod sdk;
mod signatures;
mod text;

use serde::Serialize;

pub use codes::{Lint, UnknownLint};
pub use facts::{Export, Import, Memory, Producer, Section};
pub use hosts::Support;

pub(crate) use hosts::{WASI_OF_THE_SPECIFICATION, differences};

use crate::code;
use crate::diagnostics::Severity;

/// Everything that is said of a module.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Its size in bytes.
    pub size: usize,
    /// The ABI versions that it exports, such as `0.2.1`.
    pub abi_versions: Vec<String>,
    /// The SDK that it was made with, and its version, where that can be told.
    pub sdk: Option<String>,
    /// What its `producers` section says.
    pub producers: Vec<Producer>,
    /// The allocator that Envoy will use.
    pub allocator: Option<String>,
    /// What runs at the start, in this order: `start section`, `_initialize`, `main`, `_start`.
    pub starts_with: Vec<String>,
    /// Its memory, if it has one.
    pub memory: Option<Memory>,
    /// Its sections.
    pub sections: Vec<Section>,
    /// The WebAssembly features beyond the first version that it uses.
    pub features: Vec<String>,
    /// What it imports, with what each host does about it.
    pub imports: Vec<Import>,
    /// The functions and globals that it exports.
    pub exports: Vec<Export>,
    /// Functions of the module that read headers as text, by name, where names are there to tell.
    pub text_readers: Vec<String>,
    /// What is worth a word, the worst first.
    pub findings: Vec<Finding>,
}

/// One thing that is worth a word.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub lint: Lint,
    /// How bad it is.
    pub severity: Severity,
    /// What exactly.
    pub detail: String,
}

/// Bytes that are no module.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a WebAssembly module: {0}")]
pub struct NotAModule(pub String);

/// Looks at a module, in its binary form or in the text format.
///
/// ```
/// use postern_host::lint::{self, Lint};
///
/// let report = lint::lint(r#"(module
///     (memory (export "memory") 1)
///     (func (export "proxy_abi_version_0_2_1"))
///     (func (export "proxy_on_request_header") (param i32 i32 i32) (result i32) (i32.const 0)))"#)?;
/// assert_eq!(report.abi_versions, ["0.2.1"]);
/// let lints: Vec<Lint> = report.findings.iter().map(|finding| finding.lint).collect();
/// assert!(lints.contains(&Lint::NoAllocator));
/// assert!(lints.contains(&Lint::UnknownCallback), "it is `proxy_on_request_headers`");
/// # Ok::<(), lint::NotAModule>(())
/// ```
///
/// # Errors
///
/// If the bytes are no valid WebAssembly module.
pub fn lint(wasm: impl AsRef<[u8]>) -> Result<Report, NotAModule> {
    let wasm = code::binary(wasm.as_ref()).map_err(|error| NotAModule(error.to_string()))?;
    let facts = facts::read(&wasm).map_err(|error| NotAModule(error.to_string()))?;
    Ok(judge::report(&wasm, facts))
}

impl Report {
    /// The worst severity among the findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// The report as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("texts and numbers are JSON");
        text.push('\n');
        text
    }
}
