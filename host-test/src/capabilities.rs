//! What a plugin may do (Envoy's `capability_restriction_config`).

use std::collections::BTreeSet;

use crate::functions::{Export, Function};

/// The functions and callbacks that are denied, as bits of their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Capabilities {
    denied_functions: u128,
    denied_exports: u64,
}

impl Capabilities {
    /// Everything that is not named is denied, unless nothing is named at all.
    pub(crate) fn only(allowed: &BTreeSet<String>) -> Self {
        let mut capabilities = Self::default();
        if allowed.is_empty() {
            return capabilities;
        }
        for function in Function::ALL {
            if function.is_a_capability() && !allowed.contains(function.name()) {
                capabilities.denied_functions |= 1 << (*function as u32);
            }
        }
        for export in Export::ALL {
            if export.is_a_capability() && !allowed.contains(export.name()) {
                capabilities.denied_exports |= 1 << (*export as u32);
            }
        }
        capabilities
    }

    pub(crate) fn denies(self, function: Function) -> bool {
        self.denied_functions & 1 << (function as u32) != 0
    }

    pub(crate) fn denies_callback(self, export: Export) -> bool {
        self.denied_exports & 1 << (export as u32) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_bit_for_every_function_and_callback() {
        assert!(Function::ALL.len() <= 128);
        assert!(Export::ALL.len() <= 64);
    }

    #[test]
    fn nothing_named_denies_nothing_and_some_named_deny_the_rest() {
        let all = Capabilities::only(&BTreeSet::new());
        assert!(!all.denies(Function::proxy_log) && !all.denies_callback(Export::Tick));
        let names = ["proxy_log", "proxy_on_tick"].map(str::to_owned);
        let some = Capabilities::only(&names.into());
        assert!(!some.denies(Function::proxy_log) && !some.denies_callback(Export::Tick));
        assert!(some.denies(Function::random_get) && some.denies_callback(Export::Log));
        assert!(!some.denies(Function::envoy_resolve_dns));
        assert!(
            !some.denies_callback(Export::Initialize) && !some.denies_callback(Export::ResolveDns)
        );
    }
}
