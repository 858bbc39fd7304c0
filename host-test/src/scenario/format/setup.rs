//! What a scenario runs in: the module, its configuration, and the host around it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::Bytes;
use super::log::LogLevelName;
use super::offered::{Capability, DnsSpec, ForeignFunction, ProfileName, Property};
use super::time::{Instant, Span};
use crate::builder::FailurePolicy;
use crate::diagnostics::{Allowance, UnknownAllowance};

/// What a scenario runs in. What is left out is as in Envoy, or so that runs repeat.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Setup {
    /// The module (.wasm, or .wat in text), relative to the scenario's folder. `--module` of the command goes before it.
    pub module: Option<PathBuf>,
    /// Which host this one behaves as; Envoy without this.
    pub profile: Option<ProfileName>,
    /// Whether a module of a newer version of the ABI is taken for one of the newest that is known; not without this.
    pub abi_lenient: Option<bool>,
    /// The plugin configuration; empty without this.
    pub configuration: Option<Bytes>,
    /// The VM configuration; empty without this.
    pub vm_configuration: Option<Bytes>,
    /// The environment variables that the guest sees; none without this.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The `vm_id`, under which VMs share data; empty without this.
    pub vm_id: Option<String>,
    /// The plugin's `root_id`; empty without this.
    pub root_id: Option<String>,
    /// The plugin's name; `plugin` without this.
    pub plugin_name: Option<String>,
    /// How many workers there are, each with a VM of its own; 1 without this.
    #[schemars(range(min = 1, max = 64))]
    pub workers: Option<Workers>,
    /// Whether there is a VM on the main thread too, as in Envoy: it serves no streams, but has its ticks and the replies to its
    /// calls. It is there without this.
    pub main_thread_vm: Option<bool>,
    /// How long a replaced configuration lives on; 600 s without this, as in Envoy.
    pub drain_time: Option<Span>,
    /// What becomes of requests when a VM has died: a 503 (`fail-closed`, which is also what holds without this), past the
    /// filter (`fail-open`), or a new VM (`fail-reload`).
    pub failure_policy: Option<FailurePolicyName>,
    /// How long after a start of a VM `fail-reload` does not start another one; 1 s without this, as in Envoy.
    pub reload_backoff: Option<Span>,
    /// Envoy's plugin option of this name; off without this.
    pub allow_on_headers_stop_iteration: Option<bool>,
    /// Whether trailers of HTTP/1.1 arrive (Envoy's `enable_trailers`); they do not without this.
    pub trailers: Option<bool>,
    /// The upgrades that are let in (Envoy's `upgrade_configs`); `websocket` without this.
    pub upgrade_types: Option<Vec<String>>,
    /// Whether the headers are there that Envoy adds by itself, such as `x-request-id`; they are without this.
    pub envoy_headers: Option<bool>,
    /// Whether a configuration is first tried in a VM that is thrown away; it is without this.
    pub canary: Option<bool>,
    /// Log lines below this level are dropped; `info` without this.
    pub log_level: Option<LogLevelName>,
    /// The wall clock at the start; 2026-01-01T00:00:00Z without this.
    pub wall_clock: Option<Instant>,
    /// The start of the random numbers that guests get; 0 without this. `--seed` of the command goes before it.
    pub seed: Option<u64>,
    /// How much of a body is held back for the filter; 1 MiB without this (Envoy's `per_connection_buffer_limit_bytes`).
    pub buffer_limit: Option<usize>,
    /// Properties that guests read in place of what the host would compute, by their paths with dots, such as `xds.route_name`.
    #[serde(default)]
    pub properties: BTreeMap<String, Property>,
    /// Foreign functions that guests can call, by name, beside Envoy's own.
    #[serde(default)]
    pub foreign_functions: BTreeMap<String, ForeignFunction>,
    /// What guests find that look up names (`envoy_resolve_dns`), by name. Addresses stand for themselves, and other names do not
    /// exist.
    #[serde(default)]
    pub dns: BTreeMap<String, DnsSpec>,
    /// The host functions that the guest may call and the callbacks that it gets, by name, as Envoy's
    /// `capability_restriction_config` has them; all of them without this.
    pub capabilities: Option<Vec<Capability>>,
    /// Findings about the guest that are accepted: a code or its name, anywhere or in one callback or host function, such as
    /// `PH014@proxy_on_request_headers`. Findings of severity `error` that are neither here nor expected are failures.
    #[serde(default)]
    pub allow: Vec<Allowed>,
    /// Whether the guest is watched for such findings; it is without this.
    pub diagnose: Option<bool>,
    /// Whether each request is repeated with bytes that are not UTF-8 in one header, trailer or reply after another, to see what kills
    /// the filter: `PH026`. The repetitions change nothing else; not without this.
    pub hostile_bytes: Option<bool>,
    /// The fuel that one callback may burn; 2,000,000,000 without this.
    pub fuel_per_callback: Option<u64>,
    /// The bytes of memory that a VM may have; 1 GiB without this.
    pub memory_limit: Option<usize>,
}

impl Setup {
    /// This set-up, and `base` where it says nothing. Environment variables of both are there.
    #[must_use]
    pub fn over(self, base: &Self) -> Self {
        macro_rules! first_said {
            ($($field:ident)*) => {
                Self {
                    allow: base.allow.iter().cloned().chain(self.allow).collect(),
                    dns: base.dns.clone().into_iter().chain(self.dns).collect(),
                    properties: base.properties.clone().into_iter().chain(self.properties).collect(),
                    foreign_functions: base.foreign_functions.clone().into_iter().chain(self.foreign_functions).collect(),
                    environment: base.environment.clone().into_iter().chain(self.environment).collect(),
                    $($field: self.$field.or_else(|| base.$field.clone())),*
                }
            };
        }
        first_said! {
            module profile abi_lenient configuration vm_configuration vm_id root_id plugin_name workers main_thread_vm drain_time failure_policy reload_backoff
            allow_on_headers_stop_iteration trailers upgrade_types envoy_headers canary log_level wall_clock seed
            buffer_limit capabilities diagnose hostile_bytes fuel_per_callback memory_limit
        }
    }
}

/// A number of workers: 1 to 64, for each takes memory.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "usize")]
pub struct Workers(#[schemars(range(min = 1, max = 64))] usize);

impl Workers {
    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl TryFrom<usize> for Workers {
    type Error = String;

    fn try_from(number: usize) -> Result<Self, Self::Error> {
        if (1..=64).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("{number} workers: there are 1 to 64"))
        }
    }
}

/// Findings that are accepted.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(rename = "Allowance")]
pub struct Allowed(#[schemars(with = "String")] pub Allowance);

impl TryFrom<String> for Allowed {
    type Error = UnknownAllowance;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// A failure policy by its name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FailurePolicy")]
pub enum FailurePolicyName {
    /// Later requests get a 503.
    FailClosed,
    /// Later requests go past the filter.
    FailOpen,
    /// The next request starts a new VM.
    FailReload,
}

impl From<FailurePolicyName> for FailurePolicy {
    fn from(name: FailurePolicyName) -> Self {
        match name {
            FailurePolicyName::FailClosed => Self::FailClosed,
            FailurePolicyName::FailOpen => Self::FailOpen,
            FailurePolicyName::FailReload => Self::FailReload,
        }
    }
}
