//! Plugins and their configurations: how root contexts come to be, are changed and go.

mod drain;
mod refused;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::builder::FailurePolicy;
use crate::callout::PendingReply;
use crate::capabilities::Capabilities;
use crate::clock::nanoseconds;
use crate::diagnostics::Surface;
use crate::entropy::Entropy;
use crate::grpc::Exchanges;
use crate::host::{Host, Randomness};
use crate::module::Module;
use crate::plugin::{Plugin, PluginSettings, RootKey, VmKey};
use crate::state::Identity;
use crate::vm::Vm;

pub(crate) use drain::Draining;
pub use refused::{ConfigRefused, RefusalReason};

/// Names one plugin of one host: in Envoy, one filter in the chain of a listener.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PluginId(pub(crate) usize);

/// The VM that one thread has of one kind, and which root context in it serves which configuration.
#[derive(Default)]
pub(crate) struct VmSlot {
    pub(crate) vm: Option<Vm>,
    pub(crate) roots: BTreeMap<Arc<RootKey>, u32>,
    pub(crate) replies: Vec<PendingReply>,
    pub(crate) grpc: Exchanges,
    /// Counts the VMs that were here, so that one that took the place of another is told from it.
    generation: u64,
}

impl VmSlot {
    pub(crate) fn is_dead(&self) -> bool {
        self.vm.as_ref().is_some_and(|vm| vm.failure().is_some())
    }
}

/// What the VMs of all threads have in common that run the same plugins: in Envoy, the base VM.
pub(crate) struct Base {
    pub(crate) module: Module,
    key: VmKey,
    identity: Arc<Identity>,
    /// What findings about the guest depend on; nothing if nobody wants to know.
    surface: Option<Surface>,
    /// The configurations that a canary has accepted: Envoy tries each only once.
    tried: BTreeSet<Arc<RootKey>>,
    /// Whether it is in use; when the last root context goes, so does it.
    loaded: bool,
}

/// A plugin of the host.
pub(crate) struct Loaded {
    /// Which VMs it runs in.
    pub(crate) base: usize,
    pub(crate) root: Arc<RootKey>,
    pub(crate) settings: PluginSettings,
    /// What each thread has of it.
    handles: Vec<Handle>,
}

/// A plugin on one thread.
#[derive(Clone, Copy, Debug)]
struct Handle {
    generation: u64,
    root: u32,
    last_load: u64,
}

impl Host {
    /// Adds a plugin as the builder says, with this configuration. In Envoy: one more listener, with the same `vm_id`, code
    /// and VM configuration as the others, and therefore in the same VMs.
    pub fn add_plugin(
        &mut self,
        configuration: impl AsRef<[u8]>,
    ) -> Result<PluginId, ConfigRefused> {
        self.add_plugin_with(self.template.clone().configuration(configuration))
    }

    /// Adds a plugin. It shares VMs with those that have the same module, `vm_id`, VM configuration and environment, and starts
    /// VMs of its own if there are none.
    pub fn add_plugin_with(&mut self, plugin: Plugin) -> Result<PluginId, ConfigRefused> {
        let loaded = self.load(plugin)?;
        let id = PluginId(self.next_plugin);
        self.next_plugin += 1;
        self.plugins.insert(id, loaded);
        Ok(id)
    }

    /// Gives a plugin another configuration, as an update of its listener does. New streams are served under it; streams
    /// already open keep theirs, and its root context stays until it has [drained](Self::drain). A refused configuration
    /// changes nothing.
    pub fn configure(
        &mut self,
        plugin: PluginId,
        configuration: impl AsRef<[u8]>,
    ) -> Result<(), ConfigRefused> {
        match self.plugin(plugin) {
            Some(current) => self.update_plugin(plugin, current.configuration(configuration)),
            None => Ok(()),
        }
    }

    /// A plugin as it was added, or changed since.
    pub(crate) fn plugin(&self, plugin: PluginId) -> Option<Plugin> {
        let current = self.plugins.get(&plugin)?;
        let base = &self.bases[current.base];
        Some(Plugin {
            module: base.module.clone(),
            vm: base.key.clone(),
            root: RootKey::clone(&current.root),
            settings: current.settings,
        })
    }

    /// Puts another plugin in the place of one, as an update of its listener does: with another configuration, another failure
    /// policy, even another module. What was said about [`configure`](Self::configure) is true here too.
    pub fn update_plugin(&mut self, plugin: PluginId, to: Plugin) -> Result<(), ConfigRefused> {
        let loaded = self.load(to)?;
        if let Some(current) = self.plugins.get_mut(&plugin) {
            let old = std::mem::replace(current, loaded);
            self.retire(old.base, old.root);
        }
        Ok(())
    }

    /// Removes a plugin, as the end of its listener does: no more streams go through it, and its root context goes when it
    /// has [drained](Self::drain).
    pub fn remove_plugin(&mut self, plugin: PluginId) {
        if let Some(old) = self.plugins.remove(&plugin) {
            self.retire(old.base, old.root);
        }
    }

    /// The root contexts that are alive in the VM of this worker, oldest first. The number behind the last worker's is the
    /// main thread's. Where the plugins of a host live in several VMs, this is about the first plugin's.
    pub fn root_contexts(&self, worker: usize) -> Vec<u32> {
        self.roots_in(0, worker)
    }

    /// The root contexts that are alive in the VM of this worker that the plugin lives in, oldest first. The number behind the
    /// last worker's is the main thread's.
    pub fn root_contexts_beside(&self, plugin: PluginId, worker: usize) -> Vec<u32> {
        self.plugins
            .get(&plugin)
            .map_or_else(Vec::new, |plugin| self.roots_in(plugin.base, worker))
    }

    fn roots_in(&self, base: usize, thread: usize) -> Vec<u32> {
        if thread >= self.threads {
            return Vec::new();
        }
        let slot = self.vms.get(self.vm_index(base, thread));
        slot.and_then(|slot| slot.vm.as_ref())
            .map_or_else(Vec::new, |vm| vm.state().roots.keys().copied().collect())
    }

    /// Where the VM of this kind and thread is.
    pub(crate) fn vm_index(&self, base: usize, thread: usize) -> usize {
        base * self.threads + thread
    }

    /// The thread that the VM at this place belongs to.
    pub(crate) fn thread_of(&self, index: usize) -> usize {
        index % self.threads
    }

    /// The VM and the root context under which this thread is to serve a new stream; `None` if the VM is dead and is not, or
    /// not yet, replaced (Envoy `PluginConfig::createContext`).
    pub(crate) fn root_for_stream(
        &mut self,
        plugin: PluginId,
        thread: usize,
    ) -> Option<(usize, u32)> {
        let loaded = self.plugins.get(&plugin)?;
        let index = self.vm_index(loaded.base, thread);
        let handle = *loaded.handles.get(thread)?;
        let slot = &self.vms[index];
        if slot.generation == handle.generation && !slot.is_dead() {
            return Some((index, handle.root));
        }
        let (root, settings) = (Arc::clone(&loaded.root), loaded.settings);
        if settings.policy != FailurePolicy::FailReload {
            return None;
        }
        let now = self.clock.monotonic();
        let wait = self.jittered(nanoseconds(settings.reload_backoff));
        if now.saturating_sub(handle.last_load) < wait {
            return None;
        }
        let started = self.ensure_root(index, &root).ok();
        let generation = self.vms[index].generation;
        let handle = &mut self.plugins.get_mut(&plugin)?.handles[thread];
        handle.last_load = now;
        let root = started?;
        (handle.generation, handle.root) = (generation, root);
        Some((index, root))
    }

    /// Envoy's back-off: the interval and up to half as much again (`JitteredLowerBoundBackOffStrategy`).
    fn jittered(&mut self, interval: u64) -> u64 {
        let mut bytes = [0; 8];
        // Without randomness the wait is the shortest one.
        let _filled = self.request_ids.fill(&mut bytes);
        let spread = (interval / 2).max(1);
        interval + u64::from_le_bytes(bytes) % spread
    }

    /// Tries the configuration in a VM of its own, then puts it into the VM of each thread.
    fn load(&mut self, plugin: Plugin) -> Result<Loaded, ConfigRefused> {
        let root = Arc::new(plugin.root);
        let base = self.base(plugin.module, plugin.vm, &plugin.settings);
        if self.canary {
            self.try_out(base, &root)
                .map_err(|(reason, log)| ConfigRefused { reason, log })?;
        }
        if !std::mem::replace(&mut self.bases[base].loaded, true) {
            self.shared.acquire(&self.bases[base].key.vm_id);
        }
        let lines_before = self.journal.log.len();
        let now = self.clock.monotonic();
        let mut handles = vec![
            Handle {
                generation: 0,
                root: 0,
                last_load: now,
            };
            self.threads
        ];
        // Envoy's main thread comes first, and the workers only run when it is done.
        let workers = self.worker_count;
        let order = (workers..self.threads).chain(0..workers);
        for thread in order {
            let index = self.vm_index(base, thread);
            let id = self.ensure_root(index, &root).map_err(|reason| {
                let log = self.journal.log.get(lines_before..);
                ConfigRefused {
                    reason,
                    log: log.unwrap_or_default().to_vec(),
                }
            })?;
            let handle = &mut handles[thread];
            (handle.generation, handle.root) = (self.vms[index].generation, id);
        }
        self.settle();
        Ok(Loaded {
            base,
            root,
            settings: plugin.settings,
            handles,
        })
    }

    /// The base for this module and VM, made if there is none.
    fn base(&mut self, module: Module, key: VmKey, settings: &PluginSettings) -> usize {
        let known = self
            .bases
            .iter()
            .position(|base| base.key == key && base.module.is_same(&module));
        if let Some(known) = known {
            return known;
        }
        let identity = Identity {
            vm_id: key.vm_id.clone(),
            vm_configuration: key.configuration.clone(),
            environment: key.environment.clone(),
            log_level: self.log_level.clone(),
            clusters: self
                .clusters
                .keys()
                .chain(self.grpc_peers.keys())
                .cloned()
                .collect(),
            offered: Arc::clone(&self.offered),
            trace: self.traced,
            capabilities: Capabilities::only(&key.capabilities),
        };
        if self.limits.time.is_some() {
            module.count_epochs();
        }
        let surface = self.surface_of(&module, settings);
        self.bases.push(Base {
            module,
            key,
            identity: Arc::new(identity),
            surface,
            tried: BTreeSet::new(),
            loaded: false,
        });
        self.vms
            .extend((0..self.threads).map(|_| VmSlot::default()));
        self.bases.len() - 1
    }

    /// No two VMs of a run draw the same numbers, or ids made of them would collide.
    fn entropy(&self) -> Entropy {
        match self.randomness {
            Randomness::Seeded(seed) => Entropy::seeded(
                seed.wrapping_add(self.vm_starts_drawn.wrapping_mul(0x2545_f491_4f6c_dd1d)),
            ),
            Randomness::Real => Entropy::Real,
        }
    }
}
