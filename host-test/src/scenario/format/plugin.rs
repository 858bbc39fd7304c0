//! Plugins of a filter chain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::Bytes;
use super::offered::Capability;
use super::setup::FailurePolicyName;
use super::time::Span;

/// A plugin of the chain. Two plugins live in one VM, as two root contexts, if they have the same module, `vm_id`,
/// `vm_configuration`, `environment` and `capabilities`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Plugin")]
#[non_exhaustive]
pub struct PluginSpec {
    /// The plugin's name, unlike that of any other. Steps name plugins by it.
    pub name: String,
    /// The module, relative to the scenario's folder; that of `host` without this.
    pub module: Option<PathBuf>,
    /// The plugin configuration; that of `host` without this.
    pub configuration: Option<Bytes>,
    /// The VM configuration; that of `host` without this.
    pub vm_configuration: Option<Bytes>,
    /// The environment variables that the guest sees, beside those of `host`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The host functions that the guest may call and the callbacks that it gets, by name; those of `host` without this.
    pub capabilities: Option<Vec<Capability>>,
    /// The `vm_id`; that of `host` without this.
    pub vm_id: Option<String>,
    /// The `root_id`; that of `host` without this.
    pub root_id: Option<String>,
    /// What becomes of requests when its VM has died; as for `host` without this.
    pub failure_policy: Option<FailurePolicyName>,
    /// How long after a start of a VM `fail-reload` does not start another one; as for `host` without this.
    pub reload_backoff: Option<Span>,
    /// Envoy's plugin option of this name; as for `host` without this.
    pub allow_on_headers_stop_iteration: Option<bool>,
}
