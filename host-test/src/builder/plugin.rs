//! The plugin that `Host::add_plugin` adds.

use std::str::FromStr;
use std::time::Duration;

use super::HostBuilder;

/// What becomes of requests when the VM of their worker has died (Envoy's `failure_policy`). The request in whose callback
/// it died gets a 503 in any case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// All later requests of the worker get a 503.
    #[default]
    FailClosed,
    /// All later requests of the worker go past the filter.
    FailOpen,
    /// The next request starts a new VM.
    FailReload,
}

/// A word that names no failure policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no failure policy: use fail-closed, fail-open or fail-reload")]
pub struct UnknownFailurePolicy(pub String);

impl FromStr for FailurePolicy {
    type Err = UnknownFailurePolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fail-closed" => Ok(Self::FailClosed),
            "fail-open" => Ok(Self::FailOpen),
            "fail-reload" => Ok(Self::FailReload),
            other => Err(UnknownFailurePolicy(other.to_owned())),
        }
    }
}

impl HostBuilder {
    /// The `vm_id`, under which VMs share data and queues; empty without this. This and what follows about plugins is for
    /// those that [`Host::add_plugin`](crate::Host::add_plugin) adds; for others see [`Plugin`](crate::Plugin).
    pub fn vm_id(mut self, vm_id: impl Into<String>) -> Self {
        self.template = self.template.vm_id(vm_id);
        self
    }

    /// The VM configuration.
    pub fn vm_configuration(mut self, configuration: impl AsRef<[u8]>) -> Self {
        self.template = self.template.vm_configuration(configuration);
        self
    }

    /// An environment variable that the guest may see; it sees no others (Envoy's `host_env_keys` and `key_values`).
    pub fn environment(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.template = self.template.environment(key, value);
        self
    }

    /// Something that the guest may do, where it may not do everything: see [`Plugin::capability`](crate::Plugin::capability).
    pub fn capability(mut self, name: impl Into<String>) -> Self {
        self.template = self.template.capability(name);
        self
    }

    /// The plugin's name, as the property `plugin_name` has it; `plugin` without this.
    pub fn plugin_name(mut self, name: impl Into<String>) -> Self {
        self.template = self.template.name(name);
        self
    }

    /// The plugin's `root_id`; empty without this.
    pub fn root_id(mut self, root_id: impl Into<String>) -> Self {
        self.template = self.template.root_id(root_id);
        self
    }

    /// What becomes of requests when the VM of their worker has died.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.template = self.template.failure_policy(policy);
        self
    }

    /// How long after a start of a VM [`FailurePolicy::FailReload`](crate::FailurePolicy::FailReload) does not start another one; see
    /// [`Plugin::reload_backoff`](crate::Plugin::reload_backoff). One second without this, as in Envoy.
    pub fn reload_backoff(mut self, backoff: Duration) -> Self {
        self.template = self.template.reload_backoff(backoff);
        self
    }

    /// Envoy's plugin option of this name (since 1.35). Without it, pausing at headers pauses the body's callbacks too.
    pub fn allow_on_headers_stop_iteration(mut self, allowed: bool) -> Self {
        self.template = self.template.allow_on_headers_stop_iteration(allowed);
        self
    }
}
