//! How the bytes of one connection pass the filters (Envoy `Network::FilterManagerImpl`, `TcpProxy::Filter`).

use super::filter::{CONTINUE, Filter};
use super::{ClosedBy, Connection};
use crate::functions::Export;
use crate::plugins::VmSlot;
use crate::state::{Deferred, ToUpstream};
use crate::stream::{StreamInfo, Surroundings};

/// `proxy_peer_type_t`.
const UNKNOWN: u32 = 0;
pub(super) const LOCAL: u32 = 1;
pub(super) const REMOTE: u32 = 2;
/// `UpstreamRemoteReset` (Envoy `stream_info.h`, `CoreResponseFlag`).
const UPSTREAM_RESET: i64 = 1 << 4;
/// `UpstreamConnectionFailure` and `UpstreamRetryLimitExceeded`.
const UNREACHABLE: i64 = 1 << 5 | 1 << 15;

/// A connection and the filters' part in it.
pub(crate) struct Link {
    pub(super) seen: Connection,
    pub(super) info: StreamInfo,
    pub(super) filters: Vec<Filter>,
    /// The filters that the connection has come to: the first so many.
    greeted: usize,
    /// What the filters hold of each side, while none of them has it before it. All filters see one buffer (Envoy
    /// `ConnectionImpl::read_buffer_`), and those before the one that paused see it again.
    pub(super) held: [Vec<u8>; 2],
    /// The filter that has the bytes of a side before it.
    pub(super) shown_to: [Option<usize>; 2],
    /// What the client sent before there was an upstream.
    unread: Vec<u8>,
    /// All filters have let the new connection pass, and the upstream is to be connected to.
    connecting: bool,
    unreachable: bool,
    client: End,
    upstream: End,
    /// Sides that are gone without the host having read it.
    client_gone: bool,
    upstream_gone: bool,
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
pub(super) enum Side {
    Client,
    Upstream,
}

impl Link {
    pub(super) fn new(
        info: StreamInfo,
        filters: Vec<Filter>,
        unreachable: bool,
        worker: usize,
    ) -> Self {
        Self {
            seen: Connection {
                worker,
                ..Connection::default()
            },
            info,
            filters,
            greeted: 0,
            held: [Vec::new(), Vec::new()],
            shown_to: [None; 2],
            unread: Vec::new(),
            connecting: false,
            unreachable,
            client: End::NotSeen,
            upstream: End::NotSeen,
            client_gone: false,
            upstream_gone: false,
        }
    }

    pub(super) fn seen(&self) -> &Connection {
        &self.seen
    }

    pub(super) fn into_seen(mut self, vms: &mut [VmSlot]) -> Connection {
        for filter in 0..self.filters.len() {
            self.remove_context(filter, vms);
        }
        self.seen
    }

    /// Takes the contexts out of a VM that goes away.
    pub(crate) fn detach(&mut self, vm: usize, vms: &mut [VmSlot]) {
        for filter in 0..self.filters.len() {
            if self.filters[filter].lives_in(vm) {
                self.remove_context(filter, vms);
            }
        }
    }

    pub(super) fn begin(&mut self, around: &mut Surroundings<'_>) {
        self.go_on_from(0, around);
        self.connect(around);
    }

    /// The client has sent bytes.
    pub(super) fn take_from_client(
        &mut self,
        bytes: &[u8],
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        if self.is_closed() || self.client != End::NotSeen || self.client_gone {
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
        let takes = self.seen.connected
            && !self.is_closed()
            && self.upstream == End::NotSeen
            && !self.upstream_gone;
        if !takes || (bytes.is_empty() && !end) {
            return;
        }
        if end {
            self.upstream = End::Sent;
        }
        self.hold(Side::Upstream, bytes, around);
        for filter in (0..self.filters.len()).rev() {
            let size = self.show(Side::Upstream, filter, around);
            let args = [size, u32::from(end)];
            let answer = self.ask(filter, Export::UpstreamData, &args, around);
            if self.is_closed() {
                return;
            }
            if answer == Some(CONTINUE) {
                self.hide(Side::Upstream, filter, around);
            }
            if end {
                // Envoy tells this whatever the filter has answered, and what it still holds is lost with the connection.
                let told = Export::UpstreamConnectionClose;
                self.ask(filter, told, &[UNKNOWN], around);
                if self.is_closed() {
                    return;
                }
            }
            if answer != Some(CONTINUE) {
                return self.upstream_has_ended(end, around);
            }
        }
        let bytes = self.take_back(Side::Upstream, around);
        if self.client_gone && !bytes.is_empty() {
            // Only who writes to a side that is gone gets to know it.
            return self.close(ClosedBy::Client, REMOTE, around);
        }
        self.info.common.lock().sent += bytes.len() as u64;
        self.seen.to_client.extend(bytes);
        if end {
            self.upstream = End::Passed;
            self.seen.client_ended = true;
        }
        self.upstream_has_ended(end, around);
    }

    /// Envoy closes a connection whose client has ended already, whether the upstream has got that or not.
    fn upstream_has_ended(&mut self, end: bool, around: &mut Surroundings<'_>) {
        let both = match self.client {
            End::NotSeen => false,
            End::Sent => self.upstream == End::Passed,
            End::Passed => true,
        };
        if end && both {
            self.close(ClosedBy::Upstream, LOCAL, around);
        }
    }

    /// The client breaks the connection off. Envoy gets to know that only while it reads from there.
    pub(super) fn reset_by_client(&mut self, around: &mut Surroundings<'_>) {
        if self.is_closed() || self.client_gone {
            return;
        }
        self.client_gone = true;
        // A reset takes along what was not read.
        self.unread.clear();
        if self.seen.connected && self.client == End::NotSeen {
            self.seen.upstream_reset = true;
            self.close(ClosedBy::Client, REMOTE, around);
        }
    }

    /// The upstream breaks the connection off.
    pub(super) fn reset_by_upstream(&mut self, around: &mut Surroundings<'_>) {
        if self.is_closed() || self.upstream_gone || !self.seen.connected {
            return;
        }
        self.upstream_gone = true;
        if self.upstream == End::NotSeen {
            self.seen.client_reset = true;
            self.info.common.lock().flags = UPSTREAM_RESET;
            self.close(ClosedBy::Upstream, LOCAL, around);
        }
    }

    /// Does what a callback of another connection or of a root context asked for.
    pub(super) fn apply_later(
        &mut self,
        filter: usize,
        asked: &Deferred,
        around: &mut Surroundings<'_>,
    ) {
        self.apply(filter, asked, around);
        self.connect(around);
    }

    /// Does what a callback asked for, once it has returned.
    pub(super) fn apply(&mut self, filter: usize, asked: &Deferred, around: &mut Surroundings<'_>) {
        match asked {
            _ if self.is_closed() => {}
            Deferred::CloseConnection => self.close(ClosedBy::Filter, LOCAL, around),
            Deferred::ContinueDownstream => {
                self.hide(Side::Client, filter, around);
                if self.go_on_from(filter + 1, around) {
                    self.pass_to_upstream(LOCAL, around);
                }
            }
            // A connection has no request that could be answered or go on.
            Deferred::ContinueRequest
            | Deferred::ContinueResponse
            | Deferred::LocalResponse(_)
            | Deferred::Close => {}
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.seen.closed.is_some()
    }

    /// The connection, and what there is of the client's bytes, go on to the filters from this one on (Envoy
    /// `FilterManagerImpl::onContinueReading`). True if they pass all of them.
    fn go_on_from(&mut self, first: usize, around: &mut Surroundings<'_>) -> bool {
        for filter in first..self.filters.len() {
            if filter >= self.greeted {
                self.greeted = filter + 1;
                let answer = self.greet(filter, around);
                if answer != Some(CONTINUE) || self.is_closed() {
                    return false;
                }
            }
            let end = self.seen.connected && self.client != End::NotSeen;
            let bytes = self.take_back(Side::Client, around);
            let something = !bytes.is_empty() || end;
            self.held[Side::Client as usize] = bytes;
            if something {
                let size = self.show(Side::Client, filter, around);
                let args = [size, u32::from(end)];
                let answer = self.ask(filter, Export::DownstreamData, &args, around);
                if answer != Some(CONTINUE) || self.is_closed() {
                    return false;
                }
                self.hide(Side::Client, filter, around);
            }
        }
        self.connecting |= !self.seen.connected;
        true
    }

    /// Connects to the upstream if it is time, and reads what has come meanwhile.
    fn connect(&mut self, around: &mut Surroundings<'_>) {
        if self.is_closed() || !std::mem::take(&mut self.connecting) {
            return;
        }
        let outcome = if self.unreachable {
            ToUpstream::Refused
        } else {
            ToUpstream::Connected
        };
        self.info.common.lock().to_upstream = Some(outcome);
        if self.unreachable {
            self.info.common.lock().flags = UNREACHABLE;
            // A connection with bytes that nobody has read is not closed but broken off.
            self.seen.client_reset = !self.unread.is_empty();
            return self.close(ClosedBy::NoUpstream, LOCAL, around);
        }
        self.seen.connected = true;
        if self.client_gone {
            self.seen.upstream_reset = true;
            return self.close(ClosedBy::Client, REMOTE, around);
        }
        let unread = std::mem::take(&mut self.unread);
        if self.client == End::Sent || !unread.is_empty() {
            self.filter_downstream(&unread, around);
        }
    }

    fn filter_downstream(&mut self, bytes: &[u8], around: &mut Surroundings<'_>) {
        self.hold(Side::Client, bytes, around);
        self.info.common.lock().received += bytes.len() as u64;
        if self.go_on_from(0, around) {
            self.pass_to_upstream(REMOTE, around);
        }
        // What a filter holds is lost when both sides have ended.
        if self.client == End::Sent && self.upstream == End::Passed && !self.is_closed() {
            self.close(ClosedBy::Client, REMOTE, around);
        }
    }

    /// What the filters have let go of the client's bytes goes to the upstream. `closes` says which side Envoy takes for the one
    /// that closed if both have ended with that: it is the client's only while it reads from there.
    fn pass_to_upstream(&mut self, closes: u32, around: &mut Surroundings<'_>) {
        if !self.seen.connected || self.is_closed() {
            return;
        }
        let bytes = self.take_back(Side::Client, around);
        if self.upstream_gone && !bytes.is_empty() {
            return self.close(ClosedBy::Upstream, LOCAL, around);
        }
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

    /// The end of both sides, and of one filter after another.
    pub(super) fn close(&mut self, by: ClosedBy, peer: u32, around: &mut Surroundings<'_>) {
        if self.is_closed() {
            return;
        }
        self.seen.closed = Some(by);
        self.seen.client_ended = true;
        self.seen.upstream_ended = self.seen.connected;
        for filter in 0..self.greeted {
            self.bid_farewell(filter, peer, around);
        }
    }

    /// Adds bytes to what the filters see of a side.
    fn hold(&mut self, side: Side, bytes: &[u8], around: &mut Surroundings<'_>) {
        let mut held = self.take_back(side, around);
        held.extend_from_slice(bytes);
        self.held[side as usize] = held;
    }
}
