//! The table of lints. A code is never renumbered or used again for something else.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::diagnostics::Severity;

macro_rules! lints {
    ($($variant:ident $number:literal $name:literal $severity:ident $summary:literal $advice:literal;)*) => {
        /// What a module shows before it runs. Every one has a section in `docs/host/lint.md`.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Lint {
            $(#[doc = $summary] $variant = $number),*
        }

        impl Lint {
            /// All lints, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number behind `PL`.
            pub fn number(self) -> u16 {
                self as u16
            }

            /// A short name in words.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// What it is, in one sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary),* }
            }

            /// What to do about it.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),* }
            }
        }
    };
}

lints! {
    NoAbiVersion 1 "no-abi-version" Error
        "No export `proxy_abi_version_…` says which ABI the module speaks; Envoy refuses it."
        "Build with an SDK, or export an empty function `proxy_abi_version_0_2_1`.";
    UnknownAbiVersion 2 "unknown-abi-version" Error
        "The module speaks an ABI version that Envoy does not know."
        "Envoy knows 0.1.0, 0.2.0 and 0.2.1. Others, such as 0.2.100, are extensions of one vendor's hosts.";
    SeveralAbiVersions 3 "several-abi-versions" Warning
        "The module exports several ABI versions; which one counts depends on the host."
        "Export one.";
    NoAllocator 4 "no-allocator" Error
        "The module exports neither `malloc` nor `proxy_on_memory_allocate`; no host could hand bytes to it."
        "Export one of them: it takes a size and returns an address.";
    NoMemory 5 "no-memory" Error
        "The module exports no memory of 32-bit addresses under the name `memory`."
        "Export it; Proxy-Wasm has no use for 64-bit or shared memories.";
    UnknownImport 6 "unknown-import" Error
        "The module imports something that no Proxy-Wasm host has."
        "Look for what calls it: often a crate that expects a browser or a whole operating system.";
    WrongImportType 7 "wrong-import-type" Error
        "An import has the right name and another type than the ABI says; hosts refuse to link it."
        "Take the declaration from the ABI: all arguments are 32 bits wide, but for values of metrics.";
    ImportOutsideSpecification 8 "import-outside-specification" Warning
        "The module imports a function that Envoy has since 1.39, and the specification of the ABI does not have."
        "Drop the import if you can: older Envoys and other hosts refuse to link the module.";
    NotPortable 9 "not-portable" Info
        "Some hosts do not have an import, or answer it otherwise."
        "Nothing, if Envoy is the only target. Otherwise go on without it where it fails.";
    UnknownCallback 10 "unknown-callback" Warning
        "An export begins as callbacks do, and no host calls it."
        "Correct its name, or drop it.";
    WrongCallbackType 11 "wrong-callback-type" Error
        "A callback has another type than the ABI says; hosts refuse the module or trap when they call it."
        "Take the type from the ABI.";
    NeverDeleted 12 "never-deleted" Warning
        "The module exports `proxy_on_context_create` and not `proxy_on_delete`: whatever it keeps for a stream, it keeps for ever."
        "Export `proxy_on_delete` and free the context's state there.";
    RepliesUnheard 13 "replies-unheard" Warning
        "The module imports a function whose answer comes in a callback that it does not export."
        "Export the callback, or drop the import.";
    StartSection 14 "start-section" Warning
        "The module has a start section: it runs before the host can give the module anything, and any host call in it kills the VM."
        "Export `_initialize` instead.";
    Command 15 "command" Warning
        "The module exports `_start` and no `_initialize`: it was built as a command. Its constructors may run again at every call of an export."
        "Build a reactor: in Rust a `cdylib` with `proxy_wasm::main!`, in C with `-mexec-model=reactor`.";
    MemoryTooLarge 16 "memory-too-large" Error
        "The memory starts with more than the 1 GiB that Envoy gives a VM."
        "Lower the initial size.";
    MemoryUnbounded 17 "memory-unbounded" Info
        "The memory has no maximum: Envoy lets it grow to 1 GiB for each worker."
        "Declare a maximum where the filter needs little: with `wasm-ld`, `--max-memory=`.";
    LargeModule 18 "large-module" Info
        "The module is bigger than 5 MiB, which is what Service Extensions take, and takes seconds to compile for each Envoy."
        "Build with optimisation for size and link-time optimisation; strip debug information.";
    DebugSections 19 "debug-sections" Warning
        "The module carries debug information, which no host uses."
        "Strip it, and keep the names: `strip = \"debuginfo\"` in Cargo, `--strip-debug` in `wasm-ld`.";
    NoNames 20 "no-names" Info
        "The module has no names of functions: Envoy's backtraces will show numbers."
        "Keep the name section.";
    UncommonFeature 21 "uncommon-feature" Warning
        "The module uses a WebAssembly feature that not all hosts switch on."
        "Build without it unless you know your host.";
    TextGetters 22 "text-getters" Warning
        "Functions of the module call the Rust SDK's getters of headers as `String`, which panic on a value that is not UTF-8: one such request kills the VM."
        "Call the getters that end in `_bytes`.";
    OldSdk 23 "old-sdk" Warning
        "The module was made with a version of its SDK that has a known defect."
        "The Rust SDK 0.2.3 leaks every map that it reads, and before 0.2.5 it does not link with Rust 1.96: take 0.2.5 or later.";
    UnneededExport 24 "unneeded-export" Info
        "Exports that no host uses keep code in the module that could go."
        "Drop them: linkers keep everything that an export can reach.";
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PL{:03}", self.number())
    }
}

impl Serialize for Lint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A word that is no lint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no lint: use PL001 to PL{last:03}, or a name such as `no-allocator`", last = Lint::ALL.len())]
pub struct UnknownLint(pub String);

impl FromStr for Lint {
    type Err = UnknownLint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .iter()
            .find(|lint| lint.name() == text || lint.to_string() == text);
        found.copied().ok_or_else(|| UnknownLint(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_are_numbered_without_gaps_and_found_by_number_and_name() {
        for (index, lint) in Lint::ALL.iter().enumerate() {
            assert_eq!(usize::from(lint.number()), index + 1);
            assert_eq!(lint.to_string().parse(), Ok(*lint));
            assert_eq!(lint.name().parse(), Ok(*lint));
        }
        assert_eq!("PL000".parse::<Lint>(), Err(UnknownLint("PL000".into())));
    }
}
