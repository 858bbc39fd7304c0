//! A plugin as an operator configures it: which module, in which VM, with which configuration, and what happens when it dies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::builder::FailurePolicy;
use crate::module::Module;

/// Envoy's default for `reload_config.backoff.base_interval`.
const RELOAD_BACKOFF: Duration = Duration::from_secs(1);

/// A plugin to add to a host: Envoy's `PluginConfig`. Everything that is not said is Envoy's default.
///
/// Two plugins live in one VM, as two root contexts, if they have the same module, `vm_id`, VM configuration and environment.
/// They share one root context if their name, `root_id` and configuration are equal too.
///
/// ```
/// use postern_host::{FailurePolicy, Host, Module, Plugin, Request};
///
/// # let module = Module::compile(r#"(module
/// #     (memory (export "memory") 1)
/// #     (func (export "proxy_abi_version_0_2_1"))
/// #     (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#)?;
/// let mut host = Host::builder(&module).build();
/// let authentication = host.add_plugin_with(Plugin::of(&module).name("auth").vm_id("gate").configuration("{}"))?;
/// let logging = host.add_plugin_with(
///     Plugin::of(&module).name("log").root_id("log").failure_policy(FailurePolicy::FailOpen),
/// )?;
/// let exchange = host.request_through(&[authentication, logging], Request::get("/"));
/// assert_eq!(exchange.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a plugin does nothing until a host has it"]
pub struct Plugin {
    pub(crate) module: Module,
    pub(crate) vm: VmKey,
    pub(crate) root: RootKey,
    pub(crate) settings: PluginSettings,
}

/// What makes two plugins live in one VM, if their modules are the same too.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct VmKey {
    pub(crate) vm_id: String,
    pub(crate) configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    /// Nothing for everything.
    pub(crate) capabilities: BTreeSet<String>,
}

/// What makes two plugins share a root context, if they live in one VM (proxy-wasm-cpp-host `makePluginKey`).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct RootKey {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) configuration: Arc<[u8]>,
}

/// What the host does with a plugin's streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PluginSettings {
    pub(crate) policy: FailurePolicy,
    pub(crate) reload_backoff: Duration,
    /// Envoy's plugin option of this name: without it, "stop iteration" at headers stops everything.
    pub(crate) allow_on_headers_stop_iteration: bool,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            policy: FailurePolicy::default(),
            reload_backoff: RELOAD_BACKOFF,
            allow_on_headers_stop_iteration: false,
        }
    }
}

impl Plugin {
    /// A plugin that runs this module, with the name `plugin`, an empty `vm_id` and `root_id`, and an empty configuration.
    pub fn of(module: &Module) -> Self {
        Self {
            module: module.clone(),
            vm: VmKey::default(),
            root: RootKey {
                name: "plugin".to_owned(),
                root_id: String::new(),
                configuration: Arc::default(),
            },
            settings: PluginSettings::default(),
        }
    }

    /// The name, which the property `plugin_name` has.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.root.name = name.into();
        self
    }

    /// The `root_id`.
    pub fn root_id(mut self, root_id: impl Into<String>) -> Self {
        self.root.root_id = root_id.into();
        self
    }

    /// The configuration, which `proxy_on_configure` reads.
    pub fn configuration(mut self, configuration: impl AsRef<[u8]>) -> Self {
        self.root.configuration = configuration.as_ref().into();
        self
    }

    /// The `vm_id`, under which VMs share data and queues.
    pub fn vm_id(mut self, vm_id: impl Into<String>) -> Self {
        self.vm.vm_id = vm_id.into();
        self
    }

    /// The VM configuration, which `proxy_on_vm_start` reads.
    pub fn vm_configuration(mut self, configuration: impl AsRef<[u8]>) -> Self {
        self.vm.configuration = configuration.as_ref().to_vec();
        self
    }

    /// An environment variable that the guest may see; it sees no others (Envoy's `host_env_keys` and `key_values`).
    pub fn environment(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.vm.environment.push((key.into(), value.into()));
        self
    }

    /// Something that the guest may do: a function that it may call, such as `proxy_log` or `random_get`, or a callback that it
    /// gets, such as `proxy_on_request_headers` (Envoy's `capability_restriction_config`). Without any it may do everything.
    /// Where there are some, other functions of the ABI answer INTERNAL_FAILURE (10) and other functions of WASI 76
    /// (ENOTCAPABLE), and a line says so; other callbacks do not come. Both modules of WASI are meant.
    pub fn capability(mut self, name: impl Into<String>) -> Self {
        self.vm.capabilities.insert(name.into());
        self
    }

    /// What becomes of requests when the VM of their worker has died.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// How long after a start of a VM [`FailurePolicy::FailReload`] does not start another one: between this and half as
    /// much again, by the host's seed. One second without this, as in Envoy; zero lets the very next request start it.
    pub fn reload_backoff(mut self, backoff: Duration) -> Self {
        self.settings.reload_backoff = backoff;
        self
    }

    /// Envoy's plugin option of this name (since 1.35). Without it, pausing at headers pauses the body's callbacks too.
    pub fn allow_on_headers_stop_iteration(mut self, allowed: bool) -> Self {
        self.settings.allow_on_headers_stop_iteration = allowed;
        self
    }
}
