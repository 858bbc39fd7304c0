//! What a module's sections say.

use std::collections::BTreeMap;

use serde::Serialize;
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, KnownCustom, Name, Operator, Parser, Payload,
    TypeRef, Validator, WasmFeatures,
};

use super::hosts::Support;

/// An import.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Import {
    /// The module that it is imported from.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Its type in words, such as `(i32, i32) -> i32`.
    #[serde(rename = "type")]
    pub ty: String,
    /// What each host does about it, by the name of its [`Profile`](crate::Profile).
    pub hosts: BTreeMap<String, Support>,
}

/// An export.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its type in words; what it is, if it is no function.
    #[serde(rename = "type")]
    pub ty: String,
}

/// The exported memory, or the first one if none is exported.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Memory {
    /// Bytes at the start.
    pub initial: u64,
    /// Bytes at most, if that is said.
    pub maximum: Option<u64>,
    /// Whether it is exported under the name `memory`.
    pub exported: bool,
    /// Whether its addresses have 64 bits.
    pub is_64: bool,
    /// Whether it is shared between threads.
    pub shared: bool,
}

/// A section.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Section {
    /// Its name: of a custom section what it calls itself, of another one what the specification does.
    pub name: String,
    /// Its bytes without the heading.
    pub size: usize,
}

/// An entry of the `producers` section.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Producer {
    /// `language`, `sdk` or `processed-by`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version; empty if it does not say.
    pub version: String,
}

/// What was read of a module.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) sections: Vec<Section>,
    pub(super) imports: Vec<RawImport>,
    pub(super) exports: Vec<RawExport>,
    pub(super) memory: Option<Memory>,
    pub(super) has_start_section: bool,
    pub(super) producers: Vec<Producer>,
    pub(super) features: Vec<String>,
    /// Names of functions, by index.
    pub(super) names: BTreeMap<u32, String>,
    /// Which function calls which, directly: caller and callee.
    pub(super) calls: Vec<(u32, u32)>,
    /// The bytes of all data segments.
    pub(super) data: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct RawImport {
    pub(super) module: String,
    pub(super) name: String,
    /// Nothing if it is no function.
    pub(super) ty: Option<FuncType>,
}

#[derive(Debug)]
pub(super) struct RawExport {
    pub(super) name: String,
    /// Nothing if it is no function.
    pub(super) ty: Option<FuncType>,
    pub(super) kind: ExternalKind,
}

/// Features of the first version of WebAssembly, or that are no more than an encoding.
const COMMON: WasmFeatures = WasmFeatures::FLOATS.union(WasmFeatures::GC_TYPES);
/// The usual unit of memories.
const PAGE: u64 = 65_536;

pub(super) fn read(wasm: &[u8]) -> wasmparser::Result<Facts> {
    let features = used_features(wasm)?;
    let mut facts = Facts {
        features: features
            .iter_names()
            .map(|(name, _)| name.to_ascii_lowercase().replace('_', "-"))
            .collect(),
        ..Facts::default()
    };
    let mut reader = Reader::default();
    for payload in Parser::new(0).parse_all(wasm) {
        reader.payload(payload?, &mut facts)?;
    }
    reader.finish(&mut facts);
    Ok(facts)
}

/// The features without which the module is not valid: each is left out in turn.
fn used_features(wasm: &[u8]) -> wasmparser::Result<WasmFeatures> {
    let is_valid = |features| {
        Validator::new_with_features(features)
            .validate_all(wasm)
            .map(|_types| ())
    };
    let all = WasmFeatures::all() - WasmFeatures::COMPONENT_MODEL;
    is_valid(all)?;
    let mut used = WasmFeatures::empty();
    for (_, feature) in all.iter_names() {
        if !COMMON.contains(feature) && is_valid(all - feature).is_err() {
            used |= feature;
        }
    }
    Ok(used)
}

#[derive(Default)]
struct Reader {
    types: Vec<Option<FuncType>>,
    /// The types of all functions, imported ones first.
    functions: Vec<Option<FuncType>>,
    imported_functions: u32,
    bodies: u32,
    memories: Vec<Memory>,
    exported_memory: Option<usize>,
}

impl Reader {
    fn payload(&mut self, payload: Payload<'_>, facts: &mut Facts) -> wasmparser::Result<()> {
        if let Some((id, range)) = payload.as_section() {
            let name = match &payload {
                Payload::CustomSection(section) => section.name().to_owned(),
                _ => section_name(id).to_owned(),
            };
            let size = range.len();
            facts.sections.push(Section { name, size });
        }
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(&import?, facts);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    let ty = self.ty(ty?);
                    self.functions.push(ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(described(&memory?));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let index = usize::try_from(export.index).unwrap_or(usize::MAX);
                    let is_function = export.kind == ExternalKind::Func;
                    if export.kind == ExternalKind::Memory && export.name == "memory" {
                        self.exported_memory = Some(index);
                    }
                    facts.exports.push(RawExport {
                        name: export.name.to_owned(),
                        ty: self
                            .functions
                            .get(index)
                            .filter(|_| is_function)
                            .cloned()
                            .flatten(),
                        kind: export.kind,
                    });
                }
            }
            Payload::StartSection { .. } => facts.has_start_section = true,
            Payload::DataSection(section) => {
                for segment in section {
                    facts.data.extend_from_slice(segment?.data);
                    // What two segments spell together is no text.
                    facts.data.push(0);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let caller = self.imported_functions + self.bodies;
                self.bodies += 1;
                let mut operators = body.get_operators_reader()?;
                while !operators.eof() {
                    if let Operator::Call { function_index } = operators.read()? {
                        facts.calls.push((caller, function_index));
                    }
                }
            }
            Payload::CustomSection(section) => custom(&section, facts),
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: &wasmparser::Import<'_>, facts: &mut Facts) {
        let ty = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                let ty = self.ty(index);
                self.functions.push(ty.clone());
                self.imported_functions += 1;
                ty
            }
            TypeRef::Memory(memory) => {
                self.memories.push(described(&memory));
                None
            }
            _ => None,
        };
        facts.imports.push(RawImport {
            module: import.module.to_owned(),
            name: import.name.to_owned(),
            ty,
        });
    }

    fn ty(&self, index: u32) -> Option<FuncType> {
        let index = usize::try_from(index).ok()?;
        self.types.get(index).cloned().flatten()
    }

    fn finish(self, facts: &mut Facts) {
        let index = self.exported_memory.unwrap_or(0);
        facts.memory = self.memories.get(index).map(|memory| Memory {
            exported: self.exported_memory.is_some(),
            ..*memory
        });
    }
}

fn described(memory: &wasmparser::MemoryType) -> Memory {
    let page = memory
        .page_size_log2
        .map_or(PAGE, |log| 1_u64.checked_shl(log).unwrap_or(PAGE));
    Memory {
        initial: memory.initial.saturating_mul(page),
        maximum: memory.maximum.map(|pages| pages.saturating_mul(page)),
        exported: false,
        is_64: memory.memory64,
        shared: memory.shared,
    }
}

/// A broken custom section is no fault of the module: nothing but tools reads it.
fn custom(section: &wasmparser::CustomSectionReader<'_>, facts: &mut Facts) {
    match section.as_known() {
        KnownCustom::Name(names) => {
            for subsection in names.into_iter().map_while(Result::ok) {
                if let Name::Function(names) = subsection {
                    for naming in names.into_iter().map_while(Result::ok) {
                        let name = format!("{:#}", rustc_demangle::demangle(naming.name));
                        facts.names.insert(naming.index, name);
                    }
                }
            }
        }
        KnownCustom::Producers(fields) => {
            for field in fields.into_iter().map_while(Result::ok) {
                for value in field.values.into_iter().map_while(Result::ok) {
                    facts.producers.push(Producer {
                        field: field.name.to_owned(),
                        name: value.name.to_owned(),
                        version: value.version.to_owned(),
                    });
                }
            }
        }
        _ => {}
    }
}

/// The names of the WebAssembly specification, by the number of the section.
fn section_name(id: u8) -> &'static str {
    const NAMES: &[&str] = &[
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    NAMES.get(usize::from(id)).copied().unwrap_or("unknown")
}
