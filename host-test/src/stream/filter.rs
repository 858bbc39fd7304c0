//! One plugin on one stream: its context in a VM, and how its callbacks are called.

use std::net::SocketAddr;

use crate::attributes::Settings;
use crate::builder::FailurePolicy;
use crate::exchange::StreamId;
use crate::front::Metadata;
use crate::functions::Export;
use crate::headers::HeaderMap;
use crate::plugin::PluginSettings;
use crate::plugins::VmSlot;
use crate::state::{Common, Deferred, Message, StreamContext};
use crate::vm::Vm;

use super::{Direction, Stream, Surroundings};

/// No callback of a stream takes more arguments behind its context.
const MAX_ARGS: usize = 4;

/// What is known of a stream from its beginning.
#[derive(Debug)]
pub(crate) struct StreamInfo {
    pub(crate) id: StreamId,
    /// The number of the client's connection.
    pub(crate) connection: u64,
    pub(crate) source: SocketAddr,
    pub(crate) protocol: &'static str,
    pub(crate) started: u64,
    pub(crate) common: Common,
    pub(crate) properties: Settings,
}

/// A plugin in the filter chain of one stream.
#[derive(Debug)]
pub(crate) struct Filter {
    settings: PluginSettings,
    /// The VM that has or will have the context, and the root context in it; nothing if that VM was dead when the stream began.
    home: Option<(usize, u32)>,
    context: u32,
    presence: Presence,
    pub(super) request: Pass,
    pub(super) response: Pass,
}

/// Whether a VM knows of the stream. Ids say nothing about that: those of a new VM begin again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Presence {
    /// Not yet.
    New,
    /// It has a context there.
    Created,
    /// The VM that knew it is gone, and the one in its place does not know it.
    Orphaned,
    /// The host has answered in place of a VM that is dead; no callback will run again.
    Abandoned,
    /// The context was deleted.
    Deleted,
}

/// How far one direction has come in one filter.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) hold: Hold,
    pub(super) headers_seen: bool,
    pub(super) headers_passed: bool,
    /// All of the message has come to the filter.
    pub(super) ended: bool,
    /// There is a body, be it without bytes, that the filter has seen and holds.
    pub(super) holds_body: bool,
    /// What the filter has stopped with "apply back-pressure" (action 2): it does not see that again (Envoy
    /// `Context::decodeData` counts only what comes after it).
    pub(super) aside: Vec<u8>,
    /// What came while the filter had stopped everything: it has not seen it.
    pub(super) unseen: Option<Vec<u8>>,
    pub(super) trailers: Trailers,
    /// METADATA that came before the filter had seen the headers, or while it had stopped everything.
    pub(super) metadata: Vec<Metadata>,
}

/// What the filter holds back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Hold {
    #[default]
    Nothing,
    /// What it has seen; it is called for what else comes.
    Seen,
    /// Everything; no callback until it lets the stream go on.
    All,
}

/// Where the trailers are, as a filter sees it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Trailers {
    #[default]
    NotHere,
    Unseen,
    Held,
    Passed,
}

/// The guest's VM died under the stream.
pub(super) struct Died;

impl Filter {
    pub(crate) fn new(settings: PluginSettings, home: Option<(usize, u32)>) -> Self {
        Self {
            settings,
            home,
            context: 0,
            presence: Presence::New,
            request: Pass::default(),
            response: Pass::default(),
        }
    }

    /// The id that its context has, or had, in the VM; 0 if the VM never heard of it.
    pub(super) fn context(&self) -> u32 {
        self.context
    }

    pub(super) fn stops_only_headers(&self) -> bool {
        self.settings.allow_on_headers_stop_iteration
    }

    pub(super) fn is_created(&self) -> bool {
        matches!(self.presence, Presence::Created | Presence::Orphaned)
    }

    pub(super) fn pass(&mut self, direction: Direction) -> &mut Pass {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    fn fails_open(&self) -> bool {
        self.settings.policy == FailurePolicy::FailOpen
    }
}

impl Stream {
    /// The filter that has this context in this VM.
    pub(crate) fn filter_at(&self, vm: usize, context: u32) -> Option<usize> {
        self.filters.iter().position(|filter| {
            filter.presence == Presence::Created
                && filter.context == context
                && filter.home.is_some_and(|(index, _)| index == vm)
        })
    }

    /// Takes the stream's contexts out of a VM that goes away.
    pub(crate) fn detach(&mut self, vm: usize, vms: &mut [VmSlot]) {
        for filter in 0..self.filters.len() {
            if self.filters[filter]
                .home
                .is_some_and(|(home, _)| home == vm)
            {
                self.detach_filter(filter, vms);
            }
        }
    }

    pub(super) fn detach_filter(&mut self, filter: usize, vms: &mut [VmSlot]) {
        if self.filters[filter].presence != Presence::Created {
            return;
        }
        self.filters[filter].presence = Presence::Orphaned;
        self.remove_context(filter, vms);
    }

    /// Removes a context; what it had of the messages goes back to the stream.
    fn remove_context(&mut self, filter: usize, vms: &mut [VmSlot]) {
        let context = self.filters[filter].context;
        let Some(vm) = vm_of(&self.filters[filter], vms) else {
            return;
        };
        let Some(mut removed) = vm.state_mut().streams.remove(&context) else {
            return;
        };
        for (flow, message) in [
            (&mut self.request, &mut removed.request),
            (&mut self.response, &mut removed.response),
        ] {
            if flow.headers_at == Some(filter) {
                flow.headers_at = None;
                std::mem::swap(&mut flow.headers, &mut message.headers);
            }
            if flow.trailers_at == Some(filter) {
                flow.trailers_at = None;
                std::mem::swap(&mut flow.trailers, &mut message.trailers);
            }
        }
    }

    /// Tells the filter's VM about the stream, if it is to know and does not.
    pub(super) fn create(&mut self, filter: usize, around: &mut Surroundings<'_>) {
        let Some((index, root)) = self.filters[filter].home else {
            return;
        };
        if self.filters[filter].presence != Presence::New {
            return;
        }
        let Some(vm) = around.vms[index].vm.as_mut() else {
            return;
        };
        let context = Box::new(StreamContext::new(&self.info));
        self.filters[filter].context = vm.state_mut().add_stream(context, root);
        self.filters[filter].presence = Presence::Created;
        // A guest that dies here is dead when its next callback is due.
        let _dead = self.callback(filter, Export::ContextCreate, &[root], around);
    }

    /// The context is done with.
    pub(super) fn delete(&mut self, filter: usize, around: &mut Surroundings<'_>) {
        if self.filters[filter].presence == Presence::Created {
            self.remove_context(filter, around.vms);
            self.filters[filter].presence = Presence::Deleted;
        }
    }

    /// Runs a callback in the filter's context; what it logged and asked for is kept. A guest that does not export it answers
    /// "continue", as does a filter that has no context or fails open.
    pub(super) fn callback(
        &mut self,
        filter: usize,
        export: Export,
        args: &[u32],
        around: &mut Surroundings<'_>,
    ) -> Result<u32, Died> {
        let this = &self.filters[filter];
        let failed = if this.fails_open() { Ok(0) } else { Err(Died) };
        match this.presence {
            Presence::Abandoned | Presence::Deleted => return Ok(0),
            Presence::Orphaned | Presence::New => return failed,
            Presence::Created => {}
        }
        let context = this.context;
        let Some((index, _root)) = this.home else {
            return failed;
        };
        let alive = |vm: &Vm| vm.failure().is_none();
        if !around.vms[index].vm.as_ref().is_some_and(alive) {
            return failed;
        }
        let elsewhere = self.bring_what_is_seen(filter, around);
        let Some(vm) = around.vms[index].vm.as_mut() else {
            return failed;
        };
        let mut all = [context; 1 + MAX_ARGS];
        let count = args.len().min(MAX_ARGS);
        all[1..=count].copy_from_slice(&args[..count]);
        let outcome = vm.call(export, context, &all[..=count]);
        let pauses = vm.state().profile.pauses_at(export);
        let first = self.callbacks.len();
        vm.move_callbacks(&mut self.callbacks);
        self.trace.extend_from_slice(&vm.state().trace);
        for callback in &mut self.callbacks[first..] {
            callback.filter = filter;
        }
        for line in around.journal.collect(vm.state_mut()) {
            if line.stream == Some(self.id) {
                self.log.push(line);
            }
        }
        let asked: Vec<(u32, Deferred)> = vm.state_mut().deferred.drain(..).collect();
        for (asked_for, deed) in asked {
            match self.filter_at(index, asked_for) {
                Some(filter) => self.asked.push((filter, deed)),
                None => around.elsewhere.push((index, asked_for, deed)),
            }
        }
        if let Some(other) = elsewhere {
            self.bring_headers(Direction::Response, other, around);
        }
        match outcome {
            Ok(returned) => Ok(returned.filter(|_| pauses).unwrap_or(0)),
            Err(dead) => {
                self.trap = Some(dead.0);
                around.traps += 1;
                Err(Died)
            }
        }
    }

    /// A filter that let held response headers go on still sees them, though they are further on: it has them while it runs.
    fn bring_what_is_seen(
        &mut self,
        filter: usize,
        around: &mut Surroundings<'_>,
    ) -> Option<usize> {
        let at = self.response.headers_at?;
        if at == filter
            || !self
                .message(filter, Direction::Response, around)?
                .headers_visible
        {
            return None;
        }
        self.bring_headers(Direction::Response, filter, around);
        Some(at)
    }

    /// Whether a local response was asked for while the callback ran, by whichever context: Envoy then stops this filter.
    pub(super) fn was_stopped(&self, filter: usize, around: &mut Surroundings<'_>) -> bool {
        vm_of(&self.filters[filter], around.vms)
            .is_some_and(|vm| std::mem::take(&mut vm.state_mut().stop_iteration))
    }

    /// Answers in the host's name, in place of a filter whose VM is dead.
    pub(super) fn fail_closed(&mut self, filter: usize, around: &mut Surroundings<'_>) {
        self.filters[filter].presence = Presence::Abandoned;
        self.remove_context(filter, around.vms);
        self.answer_as_host(503, "", "wasm_fail_stream", around);
    }

    /// The filter's part of a message.
    pub(super) fn message<'a>(
        &self,
        filter: usize,
        direction: Direction,
        around: &'a mut Surroundings<'_>,
    ) -> Option<&'a mut Message> {
        let context = self.context_of(filter, around)?;
        Some(direction.pick(&mut context.request, &mut context.response))
    }

    /// Whether anybody wants to know what this filter gets away with on the stream.
    pub(super) fn is_judged(&self, filter: usize, around: &mut Surroundings<'_>) -> bool {
        let filter = &self.filters[filter];
        filter.presence == Presence::Created
            && vm_of(filter, around.vms).is_some_and(|vm| vm.state().recorder.is_some())
    }

    pub(super) fn context_of<'a>(
        &self,
        filter: usize,
        around: &'a mut Surroundings<'_>,
    ) -> Option<&'a mut StreamContext> {
        let filter = &self.filters[filter];
        if filter.presence != Presence::Created {
            return None;
        }
        vm_of(filter, around.vms)?
            .state_mut()
            .streams
            .get_mut(&filter.context)
            .map(AsMut::as_mut)
    }

    /// The headers of a message, wherever they are.
    pub(super) fn headers<'a>(
        &'a mut self,
        direction: Direction,
        around: &'a mut Surroundings<'_>,
    ) -> &'a mut HeaderMap {
        let at = self.flow(direction).headers_at;
        match at.and_then(|filter| self.message(filter, direction, around)) {
            Some(message) => &mut message.headers,
            None => &mut self.flow(direction).headers,
        }
    }

    /// The trailers of a message, wherever they are.
    pub(super) fn trailers<'a>(
        &'a mut self,
        direction: Direction,
        around: &'a mut Surroundings<'_>,
    ) -> &'a mut HeaderMap {
        let at = self.flow(direction).trailers_at;
        match at.and_then(|filter| self.message(filter, direction, around)) {
            Some(message) => &mut message.trailers,
            None => &mut self.flow(direction).trailers,
        }
    }

    /// Gives the headers to a filter, and takes them from where they were.
    pub(super) fn bring_headers(
        &mut self,
        direction: Direction,
        filter: usize,
        around: &mut Surroundings<'_>,
    ) {
        if self.flow(direction).headers_at != Some(filter)
            && self.message(filter, direction, around).is_some()
        {
            let taken = std::mem::take(self.headers(direction, around));
            self.flow(direction).headers_at = Some(filter);
            *self.headers(direction, around) = taken;
        }
    }

    /// Gives the trailers to a filter, and takes them from where they were.
    pub(super) fn bring_trailers(
        &mut self,
        direction: Direction,
        filter: usize,
        around: &mut Surroundings<'_>,
    ) {
        if self.flow(direction).trailers_at != Some(filter)
            && self.message(filter, direction, around).is_some()
        {
            let taken = std::mem::take(self.trailers(direction, around));
            self.flow(direction).trailers_at = Some(filter);
            *self.trailers(direction, around) = taken;
        }
    }
}

fn vm_of<'a>(filter: &Filter, vms: &'a mut [VmSlot]) -> Option<&'a mut Vm> {
    let (index, _root) = filter.home?;
    vms[index].vm.as_mut()
}
