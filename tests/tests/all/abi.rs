//! What the built filter can call and be called by: the lists in `plugin/abi`, and nothing else.

use std::collections::BTreeSet;

use postern_tests::{Result, abi, artefacts};
use wasmparser::{Parser, Payload};

struct Interface {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

fn interface(wasm: &[u8]) -> wasmparser::Result<Interface> {
    let mut interface = Interface {
        imports: BTreeSet::new(),
        exports: BTreeSet::new(),
    };
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    interface
                        .imports
                        .insert(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    interface.exports.insert(export?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(interface)
}

#[test]
fn the_filter_imports_and_exports_what_the_lists_name_and_nothing_else() -> Result<()> {
    let wasm = std::fs::read(artefacts::wasm()?)?;
    let interface = interface(&wasm).expect("the filter is a module");
    let [imports, exports] = abi::lists().map(|names| {
        names
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    });

    assert_eq!(interface.imports, imports);
    assert_eq!(interface.exports, exports);
    assert!(imports.len() > 10 && exports.len() > 10);
    Ok(())
}
