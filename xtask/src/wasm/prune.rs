//! Takes from a module what its host need not see.
//!
//! A host calls every callback that a module exports, used or not, at about a microsecond each, and refuses a module
//! that imports a function it does not have. The SDK exports all callbacks, and its tables keep all imports alive after
//! the linker's and any other garbage collection. So exports are cut to a list, and imports that are not on a list
//! become functions that trap: a call to one is a fault in the list, and the tests run on the pruned module. What only
//! leads to them goes too ([`stubs`]), and the names that are left are made short ([`names`]).

use std::collections::BTreeSet;

use walrus::{FunctionId, ImportKind, Module};

use super::abi::{Abi, Import};
use super::{names, stubs};

/// Why a module does not fit its lists.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PruneError {
    /// The compiler's output cannot be read, or a stub cannot be made.
    #[error("cannot rewrite the module: {0}")]
    Rewrite(String),
    /// A listed export is not there.
    #[error("plugin/abi/exports.txt lists what the module does not export: {0}")]
    MissingExports(String),
    /// A listed import is not there.
    #[error("plugin/abi/imports.txt lists what the module does not import: {0}")]
    MissingImports(String),
    /// A listed import is there, but no export leads to it.
    #[error("plugin/abi/imports.txt lists what no kept export reaches: {0}")]
    UnreachedImports(String),
    /// An import that is no function has no stub.
    #[error("the module imports `{0}`, which is not a function and so cannot be replaced")]
    NotAFunction(String),
}

/// The module with exactly the listed exports and imports; the same bytes for the same input.
pub(crate) fn prune(raw: &[u8], abi: &Abi) -> Result<Vec<u8>, PruneError> {
    let mut module =
        Module::from_buffer(raw).map_err(|error| PruneError::Rewrite(format!("{error:#}")))?;
    take_own(&mut module, &abi.exports);
    cut_exports(&mut module, &abi.exports)?;
    let mut stubbed = stub_imports(&mut module, &abi.imports)?;
    stubbed.extend(stubs::unused_wrappers(&module));
    stubs::spread(&mut module, &stubbed);
    walrus::passes::gc::run(&mut module);
    names::shorten(&mut module);

    let left = imports(&module);
    match list(abi.imports.difference(&left)) {
        Some(names) => Err(PruneError::UnreachedImports(names)),
        None => Ok(module.emit_wasm()),
    }
}

/// Lets a callback of the filter's own take the place of the SDK's: `postern_on_…` that of `proxy_on_…`. Two functions of
/// one name cannot be linked, and the SDK's cannot be left out.
fn take_own(module: &mut Module, kept: &BTreeSet<String>) {
    for name in kept {
        let Some(own) = name.strip_prefix("proxy_") else {
            continue;
        };
        let own = format!("postern_{own}");
        let item = module.exports.iter().find(|export| export.name == own);
        let Some(item) = item.map(|export| export.item) else {
            continue;
        };
        for export in module.exports.iter_mut() {
            if export.name == *name {
                export.item = item;
            }
        }
    }
}

fn cut_exports(module: &mut Module, kept: &BTreeSet<String>) -> Result<(), PruneError> {
    let found: BTreeSet<_> = module
        .exports
        .iter()
        .map(|export| export.name.clone())
        .collect();
    if let Some(names) = list(kept.difference(&found)) {
        return Err(PruneError::MissingExports(names));
    }
    let cut: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !kept.contains(&export.name))
        .map(|export| export.id())
        .collect();
    for export in cut {
        module.exports.delete(export);
    }
    Ok(())
}

fn stub_imports(
    module: &mut Module,
    kept: &BTreeSet<Import>,
) -> Result<Vec<FunctionId>, PruneError> {
    if let Some(names) = list(kept.difference(&imports(module))) {
        return Err(PruneError::MissingImports(names));
    }
    let mut stubbed = Vec::new();
    for entry in module.imports.iter() {
        let import = named(entry);
        match entry.kind {
            _ if kept.contains(&import) => {}
            ImportKind::Function(function) => stubbed.push(function),
            _ => return Err(PruneError::NotAFunction(import.to_string())),
        }
    }
    for &function in &stubbed {
        module
            .replace_imported_func(function, |(body, _)| {
                body.unreachable();
            })
            .map_err(|error| PruneError::Rewrite(format!("{error:#}")))?;
    }
    Ok(stubbed)
}

fn imports(module: &Module) -> BTreeSet<Import> {
    module.imports.iter().map(named).collect()
}

fn named(import: &walrus::Import) -> Import {
    Import {
        module: import.module.clone(),
        name: import.name.clone(),
    }
}

/// The names in one line; nothing if there are none.
fn list<T: ToString>(names: impl Iterator<Item = T>) -> Option<String> {
    let names: Vec<_> = names.map(|name| name.to_string()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"
        (module $sample
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_done" (func $done (result i32)))
            (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
            (table 2 2 funcref)
            (elem (i32.const 0) $done $get)
            (type $callback (func (result i32)))
            (memory (export "memory") 1)
            (func $configure (export "proxy_on_configure") (result i32)
                (drop (call $log (i32.const 2) (i32.const 0) (i32.const 0)))
                (call_indirect (type $callback) (i32.const 0)))
            (func $tick (export "proxy_on_tick") (result i32) (call $helper))
            (func $helper (result i32) (i32.const 7)))
    "#;

    #[test]
    fn a_callback_of_the_filters_own_takes_the_place_of_the_sdks() {
        let module = r#"
            (module
                (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (func $sdk (export "proxy_on_tick") (unreachable))
                (func $own (export "postern_on_tick")
                    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 0)))))
        "#;
        let raw = wat::parse_str(module).expect("it is a module");
        let pruned = prune(&raw, &abi(&["memory", "proxy_on_tick"], &["proxy_log"]));
        let pruned = Module::from_buffer(&pruned.expect("pruned")).expect("a module");
        let names: Vec<_> = pruned.exports.iter().map(|export| &export.name).collect();
        assert_eq!(names, ["memory", "proxy_on_tick"]);
        assert_eq!(pruned.imports.iter().count(), 1);
    }

    fn abi(exports: &[&str], imports: &[&str]) -> Abi {
        Abi {
            exports: exports.iter().map(ToString::to_string).collect(),
            imports: imports
                .iter()
                .map(|name| Import {
                    module: "env".to_owned(),
                    name: name.to_string(),
                })
                .collect(),
        }
    }

    fn pruned(wat: &str, abi: &Abi) -> Result<Module, PruneError> {
        let bytes = prune(&wat::parse_str(wat).expect("valid text"), abi)?;
        Ok(Module::from_buffer(&bytes).expect("a valid module"))
    }

    fn function_names(module: &Module) -> BTreeSet<String> {
        module
            .funcs
            .iter()
            .filter_map(|function| function.name.clone())
            .collect()
    }

    #[test]
    fn only_listed_exports_are_left() {
        let module = pruned(
            MODULE,
            &abi(&["memory", "proxy_on_configure"], &["proxy_log"]),
        )
        .expect("fits");
        let exports: BTreeSet<_> = module
            .exports
            .iter()
            .map(|export| export.name.as_str())
            .collect();
        assert_eq!(exports, BTreeSet::from(["memory", "proxy_on_configure"]));
    }

    #[test]
    fn only_listed_imports_are_left_though_a_table_holds_the_others() {
        let module = pruned(
            MODULE,
            &abi(&["memory", "proxy_on_configure"], &["proxy_log"]),
        )
        .expect("fits");
        let imports: Vec<_> = imports(&module).iter().map(ToString::to_string).collect();
        assert_eq!(imports, ["env.proxy_log"]);
    }

    #[test]
    fn an_import_that_is_not_listed_becomes_a_function_that_traps() {
        let module = pruned(
            MODULE,
            &abi(&["memory", "proxy_on_configure"], &["proxy_log"]),
        )
        .expect("fits");
        let stub = module
            .funcs
            .by_name("done")
            .expect("kept by the table, with its name");
        let walrus::FunctionKind::Local(function) = &module.funcs.get(stub).kind else {
            panic!("`done` is still an import");
        };
        let body = &function.block(function.entry_block()).instrs;
        assert!(matches!(
            body.as_slice(),
            [(walrus::ir::Instr::Unreachable(_), _)]
        ));
        assert_eq!(module.types.results(function.ty()), [walrus::ValType::I32]);
    }

    #[test]
    fn functions_that_only_a_removed_export_used_are_gone() {
        let module = pruned(
            MODULE,
            &abi(&["memory", "proxy_on_configure"], &["proxy_log"]),
        )
        .expect("fits");
        let names = function_names(&module);
        assert!(
            !names.contains("tick") && !names.contains("helper"),
            "{names:?}"
        );
    }

    #[test]
    fn functions_keep_their_names() {
        let module = pruned(
            MODULE,
            &abi(
                &["memory", "proxy_on_configure", "proxy_on_tick"],
                &["proxy_log"],
            ),
        )
        .expect("fits");
        let names = function_names(&module);
        for name in ["configure", "tick", "helper", "log"] {
            assert!(names.contains(name), "{name} is not in {names:?}");
        }
    }

    #[test]
    fn a_name_that_the_compiler_mangled_becomes_short() {
        let wat =
            r#"(module (func $_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE (export "f")))"#;
        let module = pruned(wat, &abi(&["f"], &[])).expect("fits");
        assert_eq!(
            function_names(&module),
            BTreeSet::from(["Formatter::write_str".to_owned()])
        );
    }

    #[test]
    fn the_same_module_gives_the_same_bytes() {
        let raw = wat::parse_str(MODULE).expect("valid text");
        let abi = abi(&["memory", "proxy_on_configure"], &["proxy_log"]);
        let first = prune(&raw, &abi).expect("fits");
        assert!((0..8).all(|_| prune(&raw, &abi).expect("fits") == first));
    }

    #[test]
    fn a_listed_export_that_the_module_lacks_is_an_error_with_its_name() {
        let text = pruned(MODULE, &abi(&["memory", "malloc", "_initialize"], &[]))
            .expect_err("missing")
            .to_string();
        assert!(
            text.contains("does not export: _initialize, malloc"),
            "{text}"
        );
    }

    #[test]
    fn a_listed_import_that_the_module_lacks_is_an_error_with_its_name() {
        let text = pruned(MODULE, &abi(&["memory"], &["proxy_log", "proxy_http_call"]))
            .expect_err("missing")
            .to_string();
        assert!(
            text.contains("does not import: env.proxy_http_call"),
            "{text}"
        );
    }

    #[test]
    fn a_listed_import_that_no_kept_export_reaches_is_an_error_with_its_name() {
        let text = pruned(MODULE, &abi(&["memory"], &["proxy_log"]))
            .expect_err("not reached")
            .to_string();
        assert!(
            text.contains("no kept export reaches: env.proxy_log"),
            "{text}"
        );
    }

    #[test]
    fn an_import_that_is_not_a_function_is_an_error_with_its_name() {
        let wat = r#"(module (import "env" "memory" (memory 1)) (export "memory" (memory 0)))"#;
        let text = pruned(wat, &abi(&["memory"], &[]))
            .expect_err("no stub")
            .to_string();
        assert!(text.contains("`env.memory`"), "{text}");
    }

    #[test]
    fn what_is_not_a_module_is_an_error() {
        assert!(matches!(
            prune(b"ELF", &Abi::default()),
            Err(PruneError::Rewrite(_))
        ));
    }
}
