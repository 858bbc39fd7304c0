//! One plugin on one connection: its context in a VM, and how its callbacks are called.

use super::ClosedBy;
use super::link::{LOCAL, Link, Side};
use crate::functions::Export;
use crate::plugins::VmSlot;
use crate::state::{Deferred, Passing, StreamContext, Tcp};
use crate::stream::Surroundings;
use crate::vm::Vm;

pub(super) const CONTINUE: u32 = 0;
/// No callback of a connection takes more arguments behind its context.
const MAX_ARGS: usize = 2;

/// A plugin in the filter chain of a connection.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The VM that has or will have the context, and the root context in it; nothing if that VM was dead from the beginning.
    home: Option<(usize, u32)>,
    fails_open: bool,
    context: u32,
    /// Whether the VM has the context.
    present: bool,
}

/// The guest's VM is dead.
pub(super) struct Died;

impl Filter {
    pub(crate) fn new(home: Option<(usize, u32)>, fails_open: bool) -> Self {
        Self {
            home,
            fails_open,
            context: 0,
            present: false,
        }
    }

    pub(super) fn is_at(&self, vm: usize, context: u32) -> bool {
        self.present && self.context == context && self.lives_in(vm)
    }

    pub(super) fn lives_in(&self, vm: usize) -> bool {
        self.home.is_some_and(|(index, _)| index == vm)
    }

    fn tcp<'a>(&self, vms: &'a mut [VmSlot]) -> Option<&'a mut Tcp> {
        let (index, _) = self.home.filter(|_| self.present)?;
        let state = vms[index].vm.as_mut()?.state_mut();
        state.streams.get_mut(&self.context)?.tcp.as_mut()
    }
}

impl Link {
    /// The connection comes to a filter: it gets a context, and is asked about it.
    pub(super) fn greet(&mut self, filter: usize, around: &mut Surroundings<'_>) -> Option<u32> {
        if let Some((index, root)) = self.filters[filter].home
            && let Some(vm) = around.vms[index].vm.as_mut()
        {
            let mut context = Box::new(StreamContext::new(&self.info));
            context.tcp = Some(Tcp::default());
            let id = vm.state_mut().add_stream(context, root);
            let this = &mut self.filters[filter];
            (this.context, this.present) = (id, true);
            if filter == 0 {
                self.seen.context = id;
            }
            // A guest that dies here is dead when its next callback is due.
            let _dead = self.callback(filter, Export::ContextCreate, &[root], around);
        }
        self.ask(filter, Export::NewConnection, &[], around)
    }

    /// The end of a filter's part: its context is told that the client's side is closed, done, logged and deleted, in another
    /// order than that of a request.
    pub(super) fn bid_farewell(&mut self, filter: usize, peer: u32, around: &mut Surroundings<'_>) {
        for (export, args) in [
            (Export::DownstreamConnectionClose, &[peer][..]),
            (Export::Done, &[]),
            (Export::Log, &[]),
            (Export::Delete, &[]),
        ] {
            // The connection is closed already: a guest that dies now only hurts others.
            let _too_late = self.callback(filter, export, args, around);
        }
        self.remove_context(filter, around.vms);
    }

    /// Runs a callback and does what it asked for. `None`: the guest is dead, and the connection closed for it.
    pub(super) fn ask(
        &mut self,
        filter: usize,
        export: Export,
        args: &[u32],
        around: &mut Surroundings<'_>,
    ) -> Option<u32> {
        match self.callback(filter, export, args, around) {
            Ok(answer) => Some(answer),
            Err(Died) => {
                self.close(ClosedBy::Host, LOCAL, around);
                None
            }
        }
    }

    /// Runs a callback; what it logged is kept, and what it asked for is done. A guest that does not export it answers
    /// "continue", as does a dead one that fails open; one that dies in it closes the connection whatever its policy.
    fn callback(
        &mut self,
        filter: usize,
        export: Export,
        args: &[u32],
        around: &mut Surroundings<'_>,
    ) -> Result<u32, Died> {
        let this = &self.filters[filter];
        let absent = if this.fails_open {
            Ok(CONTINUE)
        } else {
            Err(Died)
        };
        let Some((index, _)) = this.home.filter(|_| this.present) else {
            return absent;
        };
        let alive = |vm: &&mut Vm| vm.failure().is_none();
        let Some(vm) = around.vms[index].vm.as_mut().filter(alive) else {
            return absent;
        };
        let context = this.context;
        let mut all = [context; 1 + MAX_ARGS];
        let count = args.len().min(MAX_ARGS);
        all[1..=count].copy_from_slice(&args[..count]);
        let outcome = vm.call(export, context, &all[..=count]);
        vm.move_callbacks(&mut self.seen.callbacks);
        self.seen.trace.extend_from_slice(&vm.state().trace);
        for line in around.journal.collect(vm.state_mut()) {
            if line.stream == Some(self.info.id) {
                self.seen.log.push(line);
            }
        }
        let asked: Vec<(u32, Deferred)> = vm.state_mut().deferred.drain(..).collect();
        let outcome = outcome.map_err(|dead| {
            self.seen.trap = Some(dead.0);
            around.traps += 1;
            Died
        })?;
        for (asked_for, deed) in asked {
            match self.filter_of(index, asked_for) {
                Some(filter) => self.apply(filter, &deed, around),
                None => around.elsewhere.push((index, asked_for, deed)),
            }
        }
        Ok(outcome.unwrap_or(CONTINUE))
    }

    /// The filter that has this context.
    pub(super) fn filter_of(&self, vm: usize, context: u32) -> Option<usize> {
        let mut filters = self.filters.iter();
        filters.position(|filter| filter.is_at(vm, context))
    }

    /// Puts the bytes of one side before a filter, and answers how many these are.
    pub(super) fn show(&mut self, side: Side, filter: usize, around: &mut Surroundings<'_>) -> u32 {
        let bytes = self.take_back(side, around);
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match self.filters[filter].tcp(around.vms) {
            Some(tcp) => {
                *passing(tcp, side) = Passing {
                    bytes,
                    visible: true,
                };
                self.shown_to[side as usize] = Some(filter);
            }
            None => self.held[side as usize] = bytes,
        }
        size
    }

    /// The filter has let the bytes go: it sees them no more.
    pub(super) fn hide(&mut self, side: Side, filter: usize, around: &mut Surroundings<'_>) {
        let bytes = self.take_back(side, around);
        self.held[side as usize] = bytes;
        if let Some(tcp) = self.filters[filter].tcp(around.vms) {
            passing(tcp, side).visible = false;
        }
    }

    /// Takes the bytes of one side, from whichever filter has them. It goes on seeing the side, which is empty then.
    pub(super) fn take_back(&mut self, side: Side, around: &mut Surroundings<'_>) -> Vec<u8> {
        let shown_to = self.shown_to[side as usize].take();
        let tcp = shown_to.and_then(|filter| self.filters[filter].tcp(around.vms));
        match tcp {
            Some(tcp) => std::mem::take(&mut passing(tcp, side).bytes),
            None => std::mem::take(&mut self.held[side as usize]),
        }
    }

    pub(super) fn remove_context(&mut self, filter: usize, vms: &mut [VmSlot]) {
        let this = &mut self.filters[filter];
        if !std::mem::take(&mut this.present) {
            return;
        }
        let vm = this.home.and_then(|(index, _)| vms[index].vm.as_mut());
        let removed = vm.and_then(|vm| vm.state_mut().streams.remove(&this.context));
        let Some(mut tcp) = removed.and_then(|context| context.tcp) else {
            return;
        };
        for side in [Side::Client, Side::Upstream] {
            let shown_to = &mut self.shown_to[side as usize];
            if shown_to.take_if(|shown_to| *shown_to == filter).is_some() {
                self.held[side as usize] = std::mem::take(&mut passing(&mut tcp, side).bytes);
            }
        }
    }
}

fn passing(tcp: &mut Tcp, side: Side) -> &mut Passing {
    match side {
        Side::Client => &mut tcp.downstream,
        Side::Upstream => &mut tcp.upstream,
    }
}
