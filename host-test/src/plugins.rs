//! Plugins and their configurations: how VMs and root contexts come to be and go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::builder::FailurePolicy;
use crate::callout::PendingReply;
use crate::entropy::Entropy;
use crate::exchange::LogLine;
use crate::functions::Export;
use crate::grpc::Exchanges;
use crate::host::{Host, Randomness};
use crate::state::VmState;
use crate::vm::{Dead, Vm};

/// Names one plugin of one host: in Envoy, a listener with this filter in it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PluginId(pub(crate) usize);

/// A configuration that was not accepted, with everything that the guest logged about it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConfigRefused {
    /// How it was refused.
    pub reason: RefusalReason,
    /// The lines that were logged meanwhile.
    pub log: Vec<LogLine>,
}

/// How a configuration was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// `proxy_on_configure` returned false.
    #[error("proxy_on_configure refused the configuration")]
    Configure,
    /// `proxy_on_vm_start` returned false.
    #[error("proxy_on_vm_start refused to start")]
    VmStart,
    /// The VM died while it started or was configured.
    #[error("the VM died: {0}")]
    Trap(String),
}

impl ConfigRefused {
    /// The last line that was logged: by custom, what is wrong with the configuration.
    pub fn last_message(&self) -> &str {
        self.log.last().map_or("", |line| &line.message)
    }
}

impl fmt::Display for ConfigRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if self.log.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.last_message())
        }
    }
}

impl std::error::Error for ConfigRefused {}

/// One worker: its VM, and which root context in it serves which configuration. Envoy finds root contexts by their
/// configuration too, so two plugins with the same one share it.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) vm: Option<Vm>,
    pub(crate) roots: BTreeMap<Arc<[u8]>, u32>,
    pub(crate) replies: Vec<PendingReply>,
    pub(crate) grpc: Exchanges,
    last_start: u64,
}

impl Worker {
    fn is_dead(&self) -> bool {
        self.vm.as_ref().is_some_and(|vm| vm.failure().is_some())
    }
}

impl Host {
    /// Adds a plugin with this configuration, in the same VMs as the others. In Envoy: one more listener with the same
    /// `vm_id`, code and VM configuration. The first one starts the VMs.
    pub fn add_plugin(
        &mut self,
        configuration: impl AsRef<[u8]>,
    ) -> Result<PluginId, ConfigRefused> {
        let configuration: Arc<[u8]> = configuration.as_ref().into();
        self.load(&configuration)?;
        self.plugins.push(configuration);
        Ok(PluginId(self.plugins.len() - 1))
    }

    /// Gives a plugin another configuration, as an update of its listener does. New streams are served under it; streams
    /// already open keep theirs. A refused configuration changes nothing.
    pub fn configure(
        &mut self,
        plugin: PluginId,
        configuration: impl AsRef<[u8]>,
    ) -> Result<(), ConfigRefused> {
        let configuration: Arc<[u8]> = configuration.as_ref().into();
        self.load(&configuration)?;
        if let Some(current) = self.plugins.get_mut(plugin.0) {
            *current = configuration;
        }
        Ok(())
    }

    /// Ends the root contexts of configurations that no plugin has any more and no stream uses, as Envoy does when the old
    /// listener has drained.
    pub fn drain(&mut self) {
        for index in 0..self.workers.len() {
            let Some(vm) = &self.workers[index].vm else {
                continue;
            };
            let busy: Vec<u32> = vm
                .state()
                .streams
                .values()
                .map(|stream| stream.root)
                .collect();
            let idle: Vec<(Arc<[u8]>, u32)> = self.workers[index]
                .roots
                .iter()
                .filter(|(configuration, root)| {
                    !self.plugins.contains(configuration) && !busy.contains(root)
                })
                .map(|(configuration, root)| (Arc::clone(configuration), *root))
                .collect();
            for (configuration, root) in idle {
                self.root_callback(index, root, Export::Done, &[root]);
                self.root_callback(index, root, Export::Delete, &[root]);
                let worker = &mut self.workers[index];
                worker.roots.remove(&configuration);
                if let Some(vm) = &mut worker.vm {
                    vm.state_mut().roots.remove(&root);
                }
            }
        }
        self.settle();
    }

    /// The root contexts that are alive in the VM of this worker, oldest first.
    pub fn root_contexts(&self, worker: usize) -> Vec<u32> {
        let vm = self
            .workers
            .get(worker)
            .and_then(|worker| worker.vm.as_ref());
        vm.map_or_else(Vec::new, |vm| vm.state().roots.keys().copied().collect())
    }

    /// The root context under which this worker is to serve a new stream; `Err` if its VM is dead or does not start.
    pub(crate) fn root_for_stream(
        &mut self,
        plugin: PluginId,
        worker: usize,
    ) -> Result<u32, RefusalReason> {
        let configuration = self
            .plugins
            .get(plugin.0)
            .cloned()
            .ok_or(RefusalReason::Configure)?;
        if self.workers[worker].is_dead() {
            let waits = self.clock.monotonic()
                < self.workers[worker]
                    .last_start
                    .saturating_add(self.reload_backoff);
            if self.policy != FailurePolicy::FailReload || waits {
                let reason = self.workers[worker]
                    .vm
                    .as_ref()
                    .and_then(Vm::failure)
                    .unwrap_or_default();
                return Err(RefusalReason::Trap(reason.to_owned()));
            }
        }
        self.ensure_root(worker, &configuration)
    }

    /// Tries the configuration in a VM of its own, then puts it into the VM of each worker.
    fn load(&mut self, configuration: &Arc<[u8]>) -> Result<(), ConfigRefused> {
        let lines_before = self.journal.log.len();
        if self.canary
            && let Err((reason, log)) = self.try_out(configuration)
        {
            self.journal.append(log.clone());
            return Err(ConfigRefused { reason, log });
        }
        for worker in 0..self.workers.len() {
            if let Err(reason) = self.ensure_root(worker, configuration) {
                let log = self
                    .journal
                    .log
                    .get(lines_before..)
                    .unwrap_or_default()
                    .to_vec();
                return Err(ConfigRefused { reason, log });
            }
        }
        self.settle();
        Ok(())
    }

    fn try_out(&mut self, configuration: &Arc<[u8]>) -> Result<(), (RefusalReason, Vec<LogLine>)> {
        self.vm_starts_drawn += 1;
        let entropy = self.entropy();
        let state = self.vm_state(0, entropy);
        let started = Vm::start(&self.module, state, self.limits.fuel);
        let mut vm = started.map_err(|mut born| {
            self.journal.report.collect(&mut born.state);
            (born.dead.into(), born.state.journal)
        })?;
        start_root(&mut vm, configuration).map_err(|reason| {
            self.journal.report.collect(vm.state_mut());
            (reason, std::mem::take(&mut vm.state_mut().journal))
        })?;
        Ok(())
    }

    fn ensure_root(
        &mut self,
        index: usize,
        configuration: &Arc<[u8]>,
    ) -> Result<u32, RefusalReason> {
        if self.workers[index].vm.is_none() || self.workers[index].is_dead() {
            self.start_vm(index)?;
        }
        let worker = &mut self.workers[index];
        if let Some(root) = worker.roots.get(configuration) {
            return Ok(*root);
        }
        let Some(vm) = &mut worker.vm else {
            return Err(RefusalReason::VmStart);
        };
        let outcome = start_root(vm, configuration);
        vm.move_callbacks(&mut self.callbacks);
        self.journal.collect(vm.state_mut());
        match &outcome {
            Ok(root) => {
                worker.roots.insert(Arc::clone(configuration), *root);
            }
            Err(RefusalReason::Trap(_)) => self.traps += 1,
            // A VM without any root context is not kept.
            Err(_) if worker.roots.is_empty() => worker.vm = None,
            Err(_) => {}
        }
        outcome
    }

    /// Puts a new VM in the place of a dead one. Streams that lived in the old one keep what they have.
    fn start_vm(&mut self, index: usize) -> Result<(), RefusalReason> {
        if let Some(mut old) = self.workers[index].vm.take() {
            for stream in self
                .streams
                .values_mut()
                .filter(|stream| stream.worker == index)
            {
                stream.detach(&mut old);
            }
        }
        let worker = &mut self.workers[index];
        worker.roots.clear();
        worker.replies.clear();
        worker.grpc.clear();
        worker.last_start = self.clock.monotonic();
        self.vm_starts += 1;
        self.vm_starts_drawn += 1;
        let entropy = self.entropy();
        let state = self.vm_state(index, entropy);
        match Vm::start(&self.module, state, self.limits.fuel) {
            Ok(vm) => {
                self.workers[index].vm = Some(vm);
                Ok(())
            }
            Err(mut born) => {
                self.traps += 1;
                self.journal.collect(&mut born.state);
                Err(born.dead.into())
            }
        }
    }

    fn vm_state(&self, worker: usize, entropy: Entropy) -> VmState {
        let mut state = VmState::new(
            Arc::clone(&self.identity),
            worker,
            self.clock.clone(),
            entropy,
            self.shared.clone(),
            self.faults.clone(),
            self.limits.store(),
        );
        state.recorder = self.recorder();
        state
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

/// Makes a root context with this configuration in a running VM (proxy-wasm-cpp-host: `start` and `configure`); a refused one
/// is removed.
fn start_root(vm: &mut Vm, configuration: &Arc<[u8]>) -> Result<u32, RefusalReason> {
    let root = vm.state_mut().add_root(Arc::clone(configuration));
    let outcome = run_start(vm, root, configuration.len());
    if outcome.is_err() {
        vm.state_mut().roots.remove(&root);
    }
    outcome.map(|()| root)
}

fn run_start(vm: &mut Vm, root: u32, configuration_size: usize) -> Result<(), RefusalReason> {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let vm_configuration_size = size(vm.state().identity.vm_configuration.len());
    vm.call(Export::ContextCreate, root, &[root, 0])?;
    if vm.call(Export::VmStart, root, &[root, vm_configuration_size])? == Some(0) {
        return Err(RefusalReason::VmStart);
    }
    if vm.call(Export::Configure, root, &[root, size(configuration_size)])? == Some(0) {
        return Err(RefusalReason::Configure);
    }
    Ok(())
}

impl From<Dead> for RefusalReason {
    fn from(dead: Dead) -> Self {
        Self::Trap(dead.0)
    }
}
