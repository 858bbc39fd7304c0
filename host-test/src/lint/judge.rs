//! Judging what was read of a module.

use std::cmp::Reverse;

use wasmparser::ExternalKind;

use super::facts::{Export as Exported, Facts, Import, RawExport};
use super::getters::readers;
use super::hosts::{Support, WASI_OF_THE_SPECIFICATION, support_by_name};
use super::signatures::{arguments, fits, fits_callback, words};
use super::{Finding, Lint, Report, sdk};
use crate::functions::{Export, Function};
use crate::module::ALLOCATORS;
use crate::profile::Profile;
use crate::version::AbiVersion;

const ABI_MARKER: &str = "proxy_abi_version_";
const KNOWN_ABIS: &[&str] = &["0.1.0", "0.2.0", "0.2.1"];
/// Callbacks that Envoy or another host calls, and this host does not.
const OTHER_CALLBACKS: &[&str] = &[
    "proxy_on_foreign_function",
    "proxy_on_request_metadata",
    "proxy_on_response_metadata",
    "proxy_validate_configuration",
];
/// What a host asks of a module beside callbacks.
const OTHER_EXPORTS: &[&str] = &["memory", "__indirect_function_table"];
/// Envoy's limit for one VM.
const MAX_MEMORY: u64 = 1024 * 1024 * 1024;
/// The limit of Service Extensions.
const LARGE: usize = 5 * 1024 * 1024;
/// Features that every engine of these hosts has on.
const USUAL_FEATURES: &[&str] = &[
    "mutable-global",
    "saturating-float-to-int",
    "sign-extension",
    "reference-types",
    "multi-value",
    "bulk-memory",
];

pub(super) fn report(wasm: &[u8], facts: Facts) -> Report {
    let mut findings = Findings::default();
    about_exports(&facts, &mut findings);
    about_callbacks(&facts, &mut findings);
    about_imports(&facts, &mut findings);
    about_memory(&facts, &mut findings);
    about_size(wasm, &facts, &mut findings);
    let text_readers = readers(&facts);
    for reader in &text_readers {
        findings.add(Lint::TextGetters, reader);
    }
    let sdk = sdk::find(&facts);
    if let Some(sdk) = sdk.as_ref().filter(|sdk| sdk.is_defective()) {
        findings.add(Lint::OldSdk, format!("{} {}", sdk.name, sdk.version));
    }
    findings
        .0
        .sort_by_key(|finding| (Reverse(finding.severity), finding.lint));
    Report {
        size: wasm.len(),
        abi_versions: abi_versions(&facts),
        sdk: sdk.map(|sdk| format!("{} {}", sdk.name, sdk.version)),
        allocator: allocator(&facts).map(str::to_owned),
        starts_with: starts_with(&facts),
        memory: facts.memory,
        imports: facts.imports.iter().map(import).collect(),
        exports: facts.exports.iter().filter_map(exported).collect(),
        producers: facts.producers,
        sections: facts.sections,
        features: facts.features,
        text_readers,
        findings: findings.0,
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, lint: Lint, detail: impl Into<String>) {
        self.0.push(Finding {
            lint,
            severity: lint.severity(),
            detail: detail.into(),
        });
    }
}

impl Facts {
    fn exports_function(&self, name: &str) -> bool {
        self.exports
            .iter()
            .any(|export| export.name == name && export.kind == ExternalKind::Func)
    }

    fn has_custom_section(&self, prefix: &str) -> bool {
        self.sections
            .iter()
            .any(|section| section.name.starts_with(prefix))
    }
}

fn abi_versions(facts: &Facts) -> Vec<String> {
    let markers = facts
        .exports
        .iter()
        .filter_map(|export| export.name.strip_prefix(ABI_MARKER));
    markers.map(|version| version.replace('_', ".")).collect()
}

fn allocator(facts: &Facts) -> Option<&'static str> {
    ALLOCATORS
        .iter()
        .copied()
        .find(|name| facts.exports_function(name))
}

/// In Envoy's order.
fn starts_with(facts: &Facts) -> Vec<String> {
    let mut starts = Vec::new();
    if facts.has_start_section {
        starts.push("start section".to_owned());
    }
    let wanted: &[&str] = if facts.exports_function("_initialize") {
        &["_initialize", "main", "__main_void"]
    } else {
        &["_start"]
    };
    let there = wanted.iter().filter(|name| facts.exports_function(name));
    starts.extend(there.map(|name| (*name).to_owned()));
    starts
}

fn about_exports(facts: &Facts, findings: &mut Findings) {
    let versions = abi_versions(facts);
    if versions.is_empty() {
        findings.add(Lint::NoAbiVersion, "");
    }
    if versions.len() > 1 {
        findings.add(Lint::SeveralAbiVersions, versions.join(", "));
    }
    for version in versions
        .iter()
        .filter(|version| !KNOWN_ABIS.contains(&version.as_str()))
    {
        findings.add(Lint::UnknownAbiVersion, version);
    }
    if allocator(facts).is_none() {
        findings.add(Lint::NoAllocator, "");
    }
    if facts.has_start_section {
        findings.add(Lint::StartSection, "");
    }
    if facts.exports_function("_start") && !facts.exports_function("_initialize") {
        findings.add(Lint::Command, "");
    }
    for export in &facts.exports {
        let is_wanted = OTHER_EXPORTS.contains(&export.name.as_str())
            || ALLOCATORS.contains(&export.name.as_str())
            || export.name.starts_with("proxy_")
            || export.name.starts_with("envoy_on_")
            || export.name == "free"
            || Export::ALL.iter().any(|known| known.name() == export.name);
        if !is_wanted && export.kind == ExternalKind::Func {
            findings.add(Lint::UnneededExport, &export.name);
        }
    }
}

fn about_callbacks(facts: &Facts, findings: &mut Findings) {
    let abi = abi_version(facts);
    for export in &facts.exports {
        let name = export.name.as_str();
        let known = Export::ALL.iter().find(|known| known.name() == name);
        if let Some(known) = known {
            match &export.ty {
                Some(ty) if fits_callback(ty, *known, abi) => {}
                Some(ty) => findings.add(Lint::WrongCallbackType, format!("{name}{}", words(ty))),
                None => findings.add(Lint::WrongCallbackType, format!("{name} is no function")),
            }
        } else if let Some(ty) = export.ty.as_ref().filter(|_| ALLOCATORS.contains(&name)) {
            if !fits(ty, "i", true) {
                findings.add(Lint::WrongCallbackType, format!("{name}{}", words(ty)));
            }
        } else if name.starts_with("proxy_")
            && !name.starts_with(ABI_MARKER)
            && !ALLOCATORS.contains(&name)
            && !OTHER_CALLBACKS.contains(&name)
        {
            findings.add(Lint::UnknownCallback, name);
        }
    }
    if facts.exports_function(Export::ContextCreate.name())
        && !facts.exports_function(Export::Delete.name())
    {
        findings.add(Lint::NeverDeleted, "");
    }
}

/// The version that counts in Envoy: the first that it knows. Callbacks of an unknown one are judged by the newest.
fn abi_version(facts: &Facts) -> AbiVersion {
    let mut names = facts.exports.iter().map(|export| export.name.as_str());
    names
        .find_map(AbiVersion::of_marker)
        .unwrap_or(AbiVersion::V0_2_1)
}

fn about_imports(facts: &Facts, findings: &mut Findings) {
    for import in &facts.imports {
        let name = format!("{}.{}", import.module, import.name);
        let envoy = support_by_name(Profile::Envoy, &import.module, &import.name);
        let Some(ty) = import.ty.as_ref().filter(|_| envoy == Support::Works) else {
            findings.add(Lint::UnknownImport, name);
            continue;
        };
        let Some(function) = Function::named(&import.name) else {
            continue;
        };
        if arguments(function).is_some_and(|letters| !fits(ty, letters, true)) {
            findings.add(Lint::WrongImportType, format!("{name}{}", words(ty)));
        }
        let is_wasi = import.module != "env";
        if is_wasi && !WASI_OF_THE_SPECIFICATION.contains(&import.name.as_str()) {
            findings.add(Lint::ImportOutsideSpecification, name);
        } else if super::differences(function).is_some() {
            findings.add(Lint::NotPortable, name);
        }
        let callback = match function {
            Function::proxy_set_tick_period_milliseconds => Export::Tick,
            Function::proxy_http_call => Export::HttpCallResponse,
            _ => continue,
        };
        if !facts.exports_function(callback.name()) {
            let detail = format!("{} without {}", import.name, callback.name());
            findings.add(Lint::RepliesUnheard, detail);
        }
    }
}

fn about_memory(facts: &Facts, findings: &mut Findings) {
    let usable = |memory: &super::Memory| memory.exported && !memory.is_64 && !memory.shared;
    match &facts.memory {
        Some(memory) if usable(memory) => {
            if memory.initial > MAX_MEMORY {
                findings.add(Lint::MemoryTooLarge, format!("{} bytes", memory.initial));
            }
            if memory.maximum.is_none() {
                findings.add(Lint::MemoryUnbounded, "");
            }
        }
        Some(memory) => findings.add(
            Lint::NoMemory,
            match memory {
                memory if !memory.exported => "it is not exported",
                memory if memory.is_64 => "it has 64-bit addresses",
                _ => "it is shared",
            },
        ),
        None => findings.add(Lint::NoMemory, ""),
    }
}

fn about_size(wasm: &[u8], facts: &Facts, findings: &mut Findings) {
    if wasm.len() > LARGE {
        findings.add(Lint::LargeModule, format!("{} bytes", wasm.len()));
    }
    let debug: usize = facts
        .sections
        .iter()
        .filter(|section| section.name.starts_with(".debug_"))
        .map(|section| section.size)
        .sum();
    if debug > 0 {
        findings.add(Lint::DebugSections, format!("{debug} bytes"));
    }
    if !facts.has_custom_section("name") {
        findings.add(Lint::NoNames, "");
    }
    for feature in &facts.features {
        if !USUAL_FEATURES.contains(&feature.as_str()) {
            findings.add(Lint::UncommonFeature, feature);
        }
    }
}

fn import(raw: &super::facts::RawImport) -> Import {
    let hosts = Profile::ALL.iter().map(|host| {
        let support = if raw.ty.is_some() {
            support_by_name(*host, &raw.module, &raw.name)
        } else {
            Support::NotLinked
        };
        (host.name().to_owned(), support)
    });
    Import {
        module: raw.module.clone(),
        name: raw.name.clone(),
        ty: raw
            .ty
            .as_ref()
            .map_or_else(|| "no function".to_owned(), words),
        hosts: hosts.collect(),
    }
}

fn exported(raw: &RawExport) -> Option<Exported> {
    let ty = match (&raw.ty, raw.kind) {
        (Some(ty), _) => words(ty),
        (None, ExternalKind::Global) => "global".to_owned(),
        _ => return None,
    };
    let name = raw.name.clone();
    Some(Exported { name, ty })
}
