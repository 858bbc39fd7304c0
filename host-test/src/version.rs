//! The versions of the ABI.

use std::fmt;

/// A version of the Proxy-Wasm ABI, as a module says it with an export.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum AbiVersion {
    /// 0.1.0: header callbacks without `end_of_stream`, a missing header is an empty one, `proxy_get_configuration`.
    V0_1_0,
    /// 0.2.0.
    V0_2_0,
    /// 0.2.1: 0.2.0 with `proxy_get_log_level`.
    V0_2_1,
}

/// The markers, in no order: of several, the one that the module exports first counts in Envoy.
const MARKERS: &[(&str, AbiVersion)] = &[
    ("proxy_abi_version_0_1_0", AbiVersion::V0_1_0),
    ("proxy_abi_version_0_2_0", AbiVersion::V0_2_0),
    ("proxy_abi_version_0_2_1", AbiVersion::V0_2_1),
];
/// What every marker begins with.
pub(crate) const MARKER: &str = "proxy_abi_version_";
/// A later version of the specification, or somebody's extension of 0.2 (0.2.100 is Higress's).
const EXTENDED: &str = "proxy_abi_version_0_2_";

impl AbiVersion {
    /// The version that a marker stands for, if Envoy knows it.
    pub(crate) fn of_marker(name: &str) -> Option<Self> {
        MARKERS
            .iter()
            .find(|(marker, _)| *marker == name)
            .map(|(_, version)| *version)
    }

    /// The version that an unknown marker may be taken for: that which it extends.
    pub(crate) fn extended_by(name: &str) -> Option<Self> {
        name.starts_with(EXTENDED).then_some(Self::V0_2_1)
    }
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_2_1 => "0.2.1",
        })
    }
}
