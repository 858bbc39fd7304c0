//! How root contexts end: when the listener of their configuration has drained, or when the host shuts down.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::functions::Export;
use crate::host::Host;
use crate::plugin::RootKey;

/// A configuration that no plugin has any more, and that still serves the streams that it has.
#[derive(Debug)]
pub(crate) struct Draining {
    /// When the listener's drain time is over, on the monotonic clock.
    pub(crate) due: u64,
    /// It is over, and a stream still runs.
    pub(crate) overdue: bool,
    base: usize,
    root: Arc<RootKey>,
}

impl Host {
    /// Ends the drain time of all configurations that were replaced: those that no stream uses any more end, as they do by
    /// themselves when [the drain time](crate::HostBuilder::drain_time) is over. One that a stream still uses ends with the
    /// stream.
    pub fn drain(&mut self) {
        let now = self.clock.monotonic();
        for draining in &mut self.draining {
            draining.due = draining.due.min(now);
        }
        self.end_drained();
        self.settle();
    }

    /// Ends what is overdue, now that a stream may have ended; and deletes the root contexts that said that they are done.
    pub(crate) fn settle_roots(&mut self) {
        for index in 0..self.vms.len() {
            let Some(vm) = &mut self.vms[index].vm else {
                continue;
            };
            for root in std::mem::take(&mut vm.state_mut().done) {
                self.delete_root(index, root);
            }
        }
        if self.draining.iter().any(|draining| draining.overdue) {
            self.end_drained();
        }
    }

    /// Ends all root contexts, the workers' first, as Envoy does when it is told to stop: `proxy_on_done`, and
    /// `proxy_on_delete` unless the guest is not done. Nothing can be sent through the host after that.
    pub fn shut_down(&mut self) {
        for thread in 0..self.threads {
            for base in 0..self.bases.len() {
                let index = self.vm_index(base, thread);
                for (_root, id) in std::mem::take(&mut self.vms[index].roots) {
                    self.end_root(index, id);
                }
            }
        }
        self.settle();
        for slot in &mut self.vms {
            slot.vm = None;
            slot.replies.clear();
            slot.grpc.clear();
        }
        self.draining.clear();
        self.plugins.clear();
        for base in 0..self.bases.len() {
            self.release_base(base);
        }
    }

    /// A plugin's configuration was replaced.
    pub(super) fn retire(&mut self, base: usize, root: Arc<RootKey>) {
        let due = self.clock.monotonic().saturating_add(self.drain_time);
        self.draining.push(Draining {
            due,
            overdue: false,
            base,
            root,
        });
    }

    /// Ends the root contexts whose time is over.
    pub(crate) fn end_drained(&mut self) {
        let now = self.clock.monotonic();
        let due = |draining: &Draining| draining.due <= now;
        let drained: Vec<Draining> = self.draining.extract_if(.., |it| due(it)).collect();
        for draining in drained {
            let used = self
                .plugins
                .values()
                .any(|plugin| plugin.base == draining.base && plugin.root == draining.root)
                || self
                    .draining
                    .iter()
                    .any(|other| other.base == draining.base && other.root == draining.root);
            if used {
                continue;
            }
            let mut busy = false;
            for thread in 0..self.threads {
                let index = self.vm_index(draining.base, thread);
                busy |= !self.end_unused(index, &draining.root);
            }
            if busy {
                self.draining.push(Draining {
                    overdue: true,
                    ..draining
                });
            }
        }
        self.drop_empty_vms();
    }

    /// Ends a root context that no stream uses; false if one does.
    fn end_unused(&mut self, index: usize, root: &Arc<RootKey>) -> bool {
        let slot = &self.vms[index];
        let (Some(vm), Some(id)) = (&slot.vm, slot.roots.get(root).copied()) else {
            return true;
        };
        if vm.state().streams.values().any(|stream| stream.root == id) {
            return false;
        }
        self.vms[index].roots.remove(root);
        self.end_root(index, id);
        true
    }

    fn end_root(&mut self, index: usize, root: u32) {
        if self.root_callback(index, root, Export::Done, &[root]) == Some(0) {
            if let Some(vm) = &mut self.vms[index].vm
                && let Some(context) = vm.state_mut().roots.get_mut(&root)
            {
                context.pending_done = true;
            }
        } else {
            self.delete_root(index, root);
        }
    }

    /// Deletes a root context that is done.
    pub(crate) fn delete_root(&mut self, index: usize, root: u32) {
        self.root_callback(index, root, Export::Delete, &[root]);
        if let Some(vm) = &mut self.vms[index].vm {
            vm.state_mut().roots.remove(&root);
        }
    }

    /// VMs end with their last root context, and with the last VM what was loaded for them.
    pub(crate) fn drop_empty_vms(&mut self) {
        let used: BTreeSet<usize> = self.plugins.values().map(|plugin| plugin.base).collect();
        for base in (0..self.bases.len()).filter(|base| !used.contains(base)) {
            let mut alive = false;
            for thread in 0..self.threads {
                let index = self.vm_index(base, thread);
                let slot = &mut self.vms[index];
                if slot.roots.is_empty()
                    && slot
                        .vm
                        .as_ref()
                        .is_some_and(|vm| vm.state().roots.is_empty() || vm.failure().is_some())
                {
                    slot.vm = None;
                    slot.replies.clear();
                    slot.grpc.clear();
                }
                alive |= slot.vm.is_some();
            }
            if !alive {
                self.release_base(base);
            }
        }
    }

    /// Forgets what was loaded, and shared data and queues if these were the last VMs of their `vm_id`.
    fn release_base(&mut self, base: usize) {
        let base = &mut self.bases[base];
        if std::mem::take(&mut base.loaded) {
            base.tried.clear();
            self.shared.release(&base.identity.vm_id);
        }
    }
}
