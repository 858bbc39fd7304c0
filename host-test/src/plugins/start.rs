//! How VMs start and are configured, in Envoy's order: the base and the canary, then the main thread, then the workers.

use std::sync::Arc;

use crate::diagnostics::Recorder;
use crate::exchange::LogLine;
use crate::functions::Export;
use crate::host::Host;
use crate::plugin::RootKey;
use crate::state::{Place, VmState};
use crate::vm::Vm;

use super::RefusalReason;

impl Host {
    /// Loads the code in a VM that only initializes, unless it is loaded, and configures another one, unless that
    /// configuration was accepted before. Both are thrown away. What they log is kept only of a failure: otherwise a line that
    /// a guest writes once for each VM would be there more often than there are VMs.
    pub(super) fn try_out(
        &mut self,
        base: usize,
        root: &Arc<RootKey>,
    ) -> Result<(), (RefusalReason, Vec<LogLine>)> {
        if !self.bases[base].loaded {
            self.throwaway(base, |_vm| Ok(()))?;
        }
        if self.bases[base].tried.contains(root) {
            return Ok(());
        }
        self.throwaway(base, |vm| start_root(vm, root).map(|_root| ()))?;
        self.bases[base].tried.insert(Arc::clone(root));
        Ok(())
    }

    fn throwaway(
        &mut self,
        base: usize,
        work: impl FnOnce(&mut Vm) -> Result<(), RefusalReason>,
    ) -> Result<(), (RefusalReason, Vec<LogLine>)> {
        self.vm_starts_drawn += 1;
        // Envoy does this on its main thread; without one, the first worker has to do.
        let state = self.vm_state(base, self.worker_count % self.threads);
        let started = Vm::start(&self.bases[base].module, state, self.limits);
        let outcome = match started {
            Err(mut born) => {
                self.journal.report.collect(&mut born.state);
                Err((born.dead.into(), born.state.journal))
            }
            Ok(mut vm) => {
                let outcome = work(&mut vm);
                let log = std::mem::take(&mut vm.state_mut().journal);
                self.journal.collect(vm.state_mut());
                outcome.map_err(|reason| (reason, log))
            }
        };
        outcome.inspect_err(|(_reason, log)| self.journal.append(log.clone()))
    }

    /// The root context of this configuration in the VM at this place; VM and context are started if they are not there.
    pub(super) fn ensure_root(
        &mut self,
        index: usize,
        root: &Arc<RootKey>,
    ) -> Result<u32, RefusalReason> {
        if self.vms[index].vm.is_none() || self.vms[index].is_dead() {
            self.start_vm(index)?;
        }
        let slot = &mut self.vms[index];
        let Some(vm) = &mut slot.vm else {
            return Err(RefusalReason::VmStart);
        };
        if let Some(id) = slot.roots.get(root) {
            return Ok(*id);
        }
        let outcome = start_root(vm, root);
        vm.move_callbacks(&mut self.callbacks);
        self.journal.collect(vm.state_mut());
        match &outcome {
            Ok(id) => {
                slot.roots.insert(Arc::clone(root), *id);
            }
            Err(RefusalReason::Trap(_)) => self.traps += 1,
            // A VM without any root context is not kept.
            Err(_) if slot.roots.is_empty() => slot.vm = None,
            Err(_) => {}
        }
        outcome
    }

    /// Puts a new VM in the place of a dead one. Streams that lived in the old one keep what they have.
    fn start_vm(&mut self, index: usize) -> Result<(), RefusalReason> {
        for stream in self.streams.values_mut() {
            stream.detach(index, &mut self.vms);
        }
        for connection in self.connections.values_mut() {
            connection.detach(index, &mut self.vms);
        }
        self.vms[index].vm = None;
        let thread = self.thread_of(index);
        let slot = &mut self.vms[index];
        slot.roots.clear();
        slot.replies.clear();
        slot.grpc.clear();
        slot.generation += 1;
        if thread < self.worker_count {
            self.vm_starts += 1;
        }
        self.vm_starts_drawn += 1;
        let base = index / self.threads;
        let state = self.vm_state(base, thread);
        match Vm::start(&self.bases[base].module, state, self.limits) {
            Ok(vm) => {
                self.vms[index].vm = Some(vm);
                Ok(())
            }
            Err(mut born) => {
                self.traps += 1;
                self.journal.collect(&mut born.state);
                Err(born.dead.into())
            }
        }
    }

    fn vm_state(&self, base: usize, thread: usize) -> VmState {
        let mut state = VmState::new(
            Arc::clone(&self.bases[base].identity),
            Place {
                host: self.id,
                vm: self.vm_index(base, thread),
                thread,
            },
            self.clock.clone(),
            self.entropy(),
            self.shared.clone(),
            self.faults.clone(),
            self.limits,
        );
        state.recorder = self.bases[base].surface.clone().map(Recorder::new);
        state
    }
}

/// Makes a root context with this configuration in a running VM (proxy-wasm-cpp-host: `start` and `configure`); a refused one
/// is removed.
fn start_root(vm: &mut Vm, plugin: &Arc<RootKey>) -> Result<u32, RefusalReason> {
    let root = vm.state_mut().add_root(Arc::clone(plugin));
    let outcome = run_start(vm, root, plugin.configuration.len());
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
