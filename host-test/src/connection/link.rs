//! How the bytes of one connection pass the filter (Envoy `Network::FilterManagerImpl`, `TcpProxy::Filter`).

use super::{ClosedBy, Connection};
use crate::functions::Export;
use crate::plugins::VmSlot;
use crate::state::{Deferred, Passing, StreamContext, Tcp};
use crate::stream::{StreamInfo, Surroundings};
use crate::vm::Vm;

const CONTINUE: u32 = 0;
/// `proxy_peer_type_t`.
const UNKNOWN: u32 = 0;
const LOCAL: u32 = 1;
const REMOTE: u32 = 2;
/// No callback of a connection takes more arguments behind its context.
const MAX_ARGS: usize = 2;

/// A connection and the filter's part in it.
pub(crate) struct Link {
    seen: Connection,
    info: StreamInfo,
    /// The VM that has or will have the context, and the root context in it.
    home: Option<(usize, u32)>,
    fails_open: bool,
    /// Whether the VM has the context.
    present: bool,
    /// What the filter holds while it has no context.
    stashed: Tcp,
    /// What the client sent before there was an upstream.
    unread: Vec<u8>,
    client: End,
    upstream: End,
}

/// How far the end of one side has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    NotSeen,
    /// The side has sent it, and the other has not got it.
    Sent,
    Passed,
}

#[derive(Clone, Copy)]
enum Side {
    Client,
    Upstream,
}

/// The guest's VM is dead.
struct Died;

impl Link {
    pub(super) fn new(
        info: StreamInfo,
        home: Option<(usize, u32)>,
        fails_open: bool,
        worker: usize,
    ) -> Self {
        Self {
            seen: Connection {
                worker,
                ..Connection::default()
            },
            info,
            home,
            fails_open,
            present: false,
            stashed: Tcp::default(),
            unread: Vec::new(),
            client: End::NotSeen,
            upstream: End::NotSeen,
        }
    }

    pub(super) fn seen(&self) -> &Connection {
        &self.seen
    }

    pub(super) fn into_seen(mut self, vms: &mut [VmSlot]) -> Connection {
        self.remove_context(vms);
        self.seen
    }

    pub(super) fn is_at(&self, vm: usize, context: u32) -> bool {
        self.present
            && self.seen.context == context
            && self.home.is_some_and(|(index, _)| index == vm)
    }

    /// Takes the context out of a VM that goes away.
    pub(crate) fn detach(&mut self, vm: usize, vms: &mut [VmSlot]) {
        if self.home.is_some_and(|(index, _)| index == vm) {
            self.remove_context(vms);
        }
    }

    pub(super) fn begin(&mut self, around: &mut Surroundings<'_>) {
        if let Some((index, root)) = self.home
            && let Some(vm) = around.vms[index].vm.as_mut()
        {
            let mut context = Box::new(StreamContext::new(&self.info));
            context.tcp = Some(Tcp::default());
            self.seen.context = vm.state_mut().add_stream(context, root);
            self.present = true;
            // A guest that dies here is dead when its next callback is due.
            let _dead = self.callback(Export::ContextCreate, &[root], around);
        }
        if self.ask(Export::NewConnection, &[], around) == Some(CONTINUE) {
            self.open(around);
        }
    }

    /// The client has sent bytes.
    pub(super) fn take_from_client(
        &mut self,
        bytes: &[u8],
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        if self.is_closed() || self.client != End::NotSeen {
            return;
        }
        if end {
            self.client = End::Sent;
        }
        if !self.seen.connected {
            // Envoy's TCP proxy reads nothing before it is connected.
            self.unread.extend_from_slice(bytes);
        } else if end || !bytes.is_empty() {
            self.filter_downstream(bytes, around);
        }
    }

    /// The upstream has sent bytes.
    pub(super) fn take_from_upstream(
        &mut self,
        bytes: &[u8],
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        let takes = self.seen.connected && !self.is_closed() && self.upstream == End::NotSeen;
        if !takes || (bytes.is_empty() && !end) {
            return;
        }
        if end {
            self.upstream = End::Sent;
        }
        let size = self.hold(Side::Upstream, bytes, around);
        let answer = self.ask(Export::UpstreamData, &[size, u32::from(end)], around);
        if self.is_closed() {
            return;
        }
        if answer == Some(CONTINUE) {
            let bytes = self.let_go(Side::Upstream, around);
            self.seen.to_client.extend(bytes);
            if end {
                self.upstream = End::Passed;
                self.seen.client_ended = true;
            }
        }
        if !end {
            return;
        }
        // Envoy tells this whatever the filter has answered, and what the filter still holds is lost with the connection.
        let told = self.ask(Export::UpstreamConnectionClose, &[UNKNOWN], around);
        if told.is_some() && !self.is_closed() && self.client == End::Passed {
            self.close(ClosedBy::Upstream, LOCAL, around);
        }
    }

    /// Does what a callback asked for, once it has returned.
    pub(super) fn apply(&mut self, asked: &Deferred, around: &mut Surroundings<'_>) {
        match asked {
            _ if self.is_closed() => {}
            Deferred::CloseConnection => self.close(ClosedBy::Filter, LOCAL, around),
            Deferred::ContinueDownstream if self.seen.connected => {
                self.pass_to_upstream(LOCAL, around);
            }
            Deferred::ContinueDownstream => self.open(around),
            // A connection has no request that could be answered or go on.
            Deferred::ContinueRequest
            | Deferred::ContinueResponse
            | Deferred::LocalResponse(_)
            | Deferred::Close => {}
        }
    }

    fn is_closed(&self) -> bool {
        self.seen.closed.is_some()
    }

    /// Connects to the upstream, and reads what has come meanwhile.
    fn open(&mut self, around: &mut Surroundings<'_>) {
        if self.is_closed() || std::mem::replace(&mut self.seen.connected, true) {
            return;
        }
        let unread = std::mem::take(&mut self.unread);
        if self.client == End::Sent || !unread.is_empty() {
            self.filter_downstream(&unread, around);
        }
    }

    fn filter_downstream(&mut self, bytes: &[u8], around: &mut Surroundings<'_>) {
        let size = self.hold(Side::Client, bytes, around);
        let end = u32::from(self.client != End::NotSeen);
        let answer = self.ask(Export::DownstreamData, &[size, end], around);
        if answer == Some(CONTINUE) && !self.is_closed() {
            self.pass_to_upstream(REMOTE, around);
        }
    }

    /// What the filter has seen of the client's bytes goes to the upstream. `closes` says which side Envoy takes for the one
    /// that closed if both have ended with that: it is the client's only while it reads from there.
    fn pass_to_upstream(&mut self, closes: u32, around: &mut Surroundings<'_>) {
        let bytes = self.let_go(Side::Client, around);
        self.seen.to_upstream.extend(bytes);
        if self.client != End::Sent {
            return;
        }
        self.client = End::Passed;
        self.seen.upstream_ended = true;
        match self.upstream {
            End::NotSeen => {}
            // The client has not got the upstream's end, so it is the host that hangs up.
            End::Sent => self.close(ClosedBy::Client, LOCAL, around),
            End::Passed => self.close(ClosedBy::Client, closes, around),
        }
    }

    /// The end: the client's side is told closed, then comes the context's end, in another order than for a request.
    fn close(&mut self, by: ClosedBy, peer: u32, around: &mut Surroundings<'_>) {
        self.end(by);
        for (export, args) in [
            (Export::DownstreamConnectionClose, &[peer][..]),
            (Export::Done, &[]),
            (Export::Log, &[]),
            (Export::Delete, &[]),
        ] {
            // The connection is closed already: a guest that dies now only hurts others.
            let _too_late = self.callback(export, args, around);
        }
        self.remove_context(around.vms);
    }

    fn end(&mut self, by: ClosedBy) {
        self.seen.closed = Some(by);
        self.seen.client_ended = true;
        self.seen.upstream_ended = self.seen.connected;
    }

    /// Runs a callback and does what it asked for. `None`: the guest is dead, and the connection closed for it.
    fn ask(&mut self, export: Export, args: &[u32], around: &mut Surroundings<'_>) -> Option<u32> {
        match self.callback(export, args, around) {
            Ok(answer) => Some(answer),
            Err(Died) => {
                if !self.is_closed() {
                    self.end(ClosedBy::Host);
                    self.remove_context(around.vms);
                }
                None
            }
        }
    }

    /// Runs a callback; what it logged is kept, and what it asked for is done. A guest that does not export it answers
    /// "continue", as does a dead one that fails open; one that dies in it closes the connection whatever its policy.
    fn callback(
        &mut self,
        export: Export,
        args: &[u32],
        around: &mut Surroundings<'_>,
    ) -> Result<u32, Died> {
        let absent = if self.fails_open {
            Ok(CONTINUE)
        } else {
            Err(Died)
        };
        let Some((index, _)) = self.home.filter(|_| self.present) else {
            return absent;
        };
        let alive = |vm: &&mut Vm| vm.failure().is_none();
        let Some(vm) = around.vms[index].vm.as_mut().filter(alive) else {
            return absent;
        };
        let context = self.seen.context;
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
            if asked_for == context {
                self.apply(&deed, around);
            } else {
                around.elsewhere.push((index, asked_for, deed));
            }
        }
        Ok(outcome.unwrap_or(CONTINUE))
    }

    /// Adds bytes to what the filter sees, and answers how many these are now.
    fn hold(&mut self, side: Side, bytes: &[u8], around: &mut Surroundings<'_>) -> u32 {
        let passing = self.passing(side, around);
        passing.bytes.extend_from_slice(bytes);
        passing.visible = true;
        u32::try_from(passing.bytes.len()).unwrap_or(u32::MAX)
    }

    fn let_go(&mut self, side: Side, around: &mut Surroundings<'_>) -> Vec<u8> {
        std::mem::take(self.passing(side, around)).bytes
    }

    fn passing<'a>(&'a mut self, side: Side, around: &'a mut Surroundings<'_>) -> &'a mut Passing {
        let index = self.home.filter(|_| self.present).map(|(index, _)| index);
        let vm = index.and_then(|index| around.vms[index].vm.as_mut());
        let context = vm.and_then(|vm| vm.state_mut().streams.get_mut(&self.seen.context));
        let tcp = context.and_then(|context| context.tcp.as_mut());
        let tcp = tcp.unwrap_or(&mut self.stashed);
        match side {
            Side::Client => &mut tcp.downstream,
            Side::Upstream => &mut tcp.upstream,
        }
    }

    fn remove_context(&mut self, vms: &mut [VmSlot]) {
        if !std::mem::take(&mut self.present) {
            return;
        }
        let vm = self.home.and_then(|(index, _)| vms[index].vm.as_mut());
        let removed = vm.and_then(|vm| vm.state_mut().streams.remove(&self.seen.context));
        if let Some(tcp) = removed.and_then(|context| context.tcp) {
            self.stashed = tcp;
        }
    }
}
