//! What can be said of a module from its imports and exports.

use super::{Code, Report};
use crate::functions::{Export, Function};
use crate::lint::WASI_OF_THE_SPECIFICATION;
use crate::module::ALLOCATORS;

/// The outside of a module, as far as findings depend on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surface {
    exports: Vec<Export>,
    pub(super) headers_can_stop: bool,
}

impl Surface {
    /// `headers_can_stop`: whether bodies follow a pause at headers (Envoy's `allow_on_headers_stop_iteration`).
    pub(crate) fn new(module: &wasmtime::Module, headers_can_stop: bool) -> Self {
        let exports = Export::ALL
            .iter()
            .copied()
            .filter(|export| module.get_export(export.name()).is_some())
            .collect();
        Self {
            exports,
            headers_can_stop,
        }
    }

    pub(super) fn has(&self, export: Export) -> bool {
        self.exports.contains(&export)
    }
}

/// Judges a module before it runs.
pub(super) fn inspect(module: &wasmtime::Module, report: &mut Report) {
    let exports = |name: &str| module.get_export(name).is_some();
    if exports(Export::ContextCreate.name()) && !exports(Export::Delete.name()) {
        report.about_module(Code::NeverDeleted, String::new());
    }
    let newest = exports("proxy_abi_version_0_2_1");
    for import in module.imports() {
        let outside = match Function::named(import.name()) {
            Some(Function::proxy_get_log_level) => !newest,
            _ if import.module() == "env" => false,
            _ => !WASI_OF_THE_SPECIFICATION.contains(&import.name()),
        };
        if outside {
            let detail = format!("{}.{}", import.module(), import.name());
            report.about_module(Code::ImportOutsideProfile, detail);
        }
    }
}

/// The callbacks that a module exports and `reached` says were not called.
pub(super) fn unreached(
    module: &wasmtime::Module,
    reached: impl Fn(Export) -> bool,
) -> Vec<String> {
    let was_reached = |name: &str| {
        Export::ALL
            .iter()
            .any(|export| export.name() == name && reached(*export))
    };
    module
        .exports()
        .map(|export| export.name())
        .filter(|name| name.starts_with("proxy_on_") && !ALLOCATORS.contains(name))
        .filter(|name| !was_reached(name))
        .map(str::to_owned)
        .collect()
}
