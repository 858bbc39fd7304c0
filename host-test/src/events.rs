//! What happens without a request: ticks, replies to calls, and queues.

use std::time::Duration;

use crate::builder::Cluster;
use crate::callout::{Arrival, CallId, CalloutReply, PendingCall, PendingReply};
use crate::clock::nanoseconds;
use crate::functions::Export;
use crate::host::Host;
use crate::state::Deferred;
use crate::status::Status;

/// `BROKEN_CONNECTION`: what `proxy_get_status` says of a call that was reset.
const BROKEN_CONNECTION: u32 = 11;
/// No reply is there at once: a guest that calls again on every reply would make time stand still.
pub(crate) const SHORTEST_DELAY: u64 = 1_000;
/// When a call without a timeout is due that nobody answers.
const NEVER: u64 = u64::MAX;
/// So many rounds of announcements follow one event; what is left waits for the next. A guest that fills a queue whenever
/// it is told of an item would never be left otherwise.
const MAX_ROUNDS: usize = 100;
/// So many events happen while the clock moves once; what is left is overdue then. A guest that calls again on every reply
/// has a million of them in each second.
const MAX_EVENTS: usize = 1_000_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    Reply(usize),
    Tick(u32),
    /// The drain time of a configuration is over.
    Drained,
}

impl Host {
    /// Moves the virtual clocks forward. Everything that falls due on the way happens in its order: ticks, replies of
    /// clusters, timeouts.
    pub fn advance(&mut self, by: Duration) {
        let target = self.clock.monotonic().saturating_add(nanoseconds(by));
        for _ in 0..MAX_EVENTS {
            let Some((due, slot, event)) = self.next_event().filter(|(due, ..)| *due <= target)
            else {
                break;
            };
            self.clock.advance_to(due);
            self.run_event(slot, event);
        }
        self.clock.advance_to(target);
    }

    /// Lets everything happen that is due now. Needed only on a real clock; how long until the next event is the answer.
    pub fn poll(&mut self) -> Option<Duration> {
        let now = self.clock.monotonic();
        for _ in 0..MAX_EVENTS {
            let Some((_, slot, event)) = self.next_event().filter(|(due, ..)| *due <= now) else {
                break;
            };
            self.run_event(slot, event);
        }
        self.next_event()
            .map(|(due, ..)| Duration::from_nanos(due.saturating_sub(self.clock.monotonic())))
    }

    /// Puts an item into a queue that guests with this `vm_id` have registered, as another plugin could; its consumer is told.
    /// False if there is no such queue, or no room.
    pub fn enqueue(
        &mut self,
        vm_id: &str,
        queue: impl AsRef<[u8]>,
        item: impl AsRef<[u8]>,
    ) -> bool {
        let put = self
            .shared
            .resolve_queue(vm_id, queue.as_ref())
            .is_some_and(|id| self.shared.enqueue(id, item.as_ref()) == Ok(Status::Ok));
        self.settle();
        put
    }

    /// Takes the calls to clusters that the caller plays ([`HostBuilder::manual_cluster`](crate::HostBuilder::manual_cluster)).
    pub fn take_calls(&mut self) -> Vec<PendingCall> {
        std::mem::take(&mut self.calls)
    }

    /// Replies to a call that was taken with [`take_calls`](Self::take_calls). A call whose timeout has passed, or whose VM is
    /// gone, takes no notice.
    pub fn call_replies(&mut self, call: CallId, reply: CalloutReply) {
        let now = self.clock.monotonic();
        let mut pending = self.vms.iter_mut().flat_map(|slot| &mut slot.replies);
        let answers = |pending: &&mut PendingReply| matches!(&pending.reply, Arrival::Unanswered(id) if *id == call);
        if let Some(pending) = pending.find(answers) {
            pending.due = reply
                .delay
                .map_or(NEVER, |delay| now.saturating_add(nanoseconds(delay)));
            pending.reply = Arrival::Http(reply);
            self.poll();
        }
    }

    /// Goes to the next reply of a cluster; false if none is on its way.
    pub(crate) fn advance_to_next_reply(&mut self) -> bool {
        match self.next_reply() {
            Some(due) => {
                self.advance(Duration::from_nanos(
                    due.saturating_sub(self.clock.monotonic()),
                ));
                true
            }
            None => false,
        }
    }

    /// When the next reply of a cluster is due, on the monotonic clock.
    pub(crate) fn next_reply(&self) -> Option<u64> {
        let replies = self.vms.iter().flat_map(|slot| &slot.replies);
        let due = replies.map(|reply| reply.due);
        due.filter(|due| *due < NEVER).min()
    }

    /// When anything is due next, on the monotonic clock.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.next_event().map(|(due, ..)| due)
    }

    /// Does what callbacks left to be done: calls are sent out, queues announced, other streams moved on, upstreams asked.
    pub(crate) fn settle(&mut self) {
        loop {
            // The upstream is far away: everything else that is due comes first.
            for _ in 0..MAX_ROUNDS {
                if !self.settle_guests() {
                    break;
                }
            }
            if !self.ask_upstream() {
                return;
            }
        }
    }

    /// One round of what guests left to be done; false if it was nothing.
    fn settle_guests(&mut self) -> bool {
        self.settle_roots();
        self.send_callouts();
        self.send_lookups();
        self.run_grpc();
        let elsewhere = std::mem::take(&mut self.elsewhere);
        let announced = self.announce_queues();
        let moved = !elsewhere.is_empty();
        for (slot, context, asked) in elsewhere {
            self.apply_to_stream(slot, context, asked);
        }
        announced || moved
    }

    /// Calls an export for a root context, and answers what it returned.
    pub(crate) fn root_callback(
        &mut self,
        slot: usize,
        root: u32,
        export: Export,
        args: &[u32],
    ) -> Option<u32> {
        let vm = self.vms[slot].vm.as_mut()?;
        if vm.failure().is_some() {
            return None;
        }
        let outcome = vm.call(export, root, args);
        vm.move_callbacks(&mut self.callbacks);
        self.journal.collect(vm.state_mut());
        let state = vm.state_mut();
        // Envoy forgets it after every callback (`DeferAfterCallActions`): it stops no stream's callback that follows.
        state.stop_iteration = false;
        let asked = state.deferred.drain(..);
        self.elsewhere
            .extend(asked.map(|(context, asked)| (slot, context, asked)));
        if outcome.is_err() {
            self.traps += 1;
        }
        outcome.ok().flatten()
    }

    fn next_event(&self) -> Option<(u64, usize, Event)> {
        let replies = self.vms.iter().enumerate().flat_map(|(slot, state)| {
            state
                .replies
                .iter()
                .enumerate()
                .map(move |(index, reply)| (reply.due, slot, Event::Reply(index)))
        });
        let ticks = self.vms.iter().enumerate().flat_map(|(slot, state)| {
            let alive = state.vm.iter().filter(|vm| vm.failure().is_none());
            alive.flat_map(move |vm| {
                let ticking = vm
                    .state()
                    .roots
                    .iter()
                    .filter(|(_, root)| root.tick_period > 0);
                ticking.map(move |(id, root)| (root.next_tick, slot, Event::Tick(*id)))
            })
        });
        let drained = self
            .draining
            .iter()
            .filter(|draining| !draining.overdue)
            .map(|draining| (draining.due, usize::MAX, Event::Drained));
        // The first of equals: replies before ticks, lower workers and older contexts before others.
        replies
            .chain(ticks)
            .chain(drained)
            .filter(|(due, ..)| *due < NEVER)
            .min_by_key(|(due, slot, _)| (*due, *slot))
    }

    fn run_event(&mut self, slot: usize, event: Event) {
        match event {
            Event::Reply(index) => {
                let reply = self.vms[slot].replies.remove(index);
                self.deliver(slot, reply);
            }
            Event::Tick(root) => {
                let now = self.clock.monotonic();
                if let Some(vm) = &mut self.vms[slot].vm
                    && let Some(context) = vm.state_mut().roots.get_mut(&root)
                {
                    context.next_tick = now.saturating_add(context.tick_period);
                }
                self.root_callback(slot, root, Export::Tick, &[root]);
            }
            Event::Drained => self.end_drained(),
        }
        self.settle();
    }

    /// The reply goes to the root context, whichever stream made the call; the guest finds its way from there.
    fn deliver(&mut self, slot: usize, pending: PendingReply) {
        let Some(vm) = &mut self.vms[slot].vm else {
            return;
        };
        let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        if !matches!(pending.reply, Arrival::Grpc(_)) {
            let calls = &mut vm.state_mut().calls_in_flight;
            *calls = calls.saturating_sub(1);
        }
        let reply = match pending.reply {
            Arrival::Http(mut reply) => {
                if !reply.reset && !reply.synthesized && self.settings.front.envoy_headers {
                    let took = reply.delay.unwrap_or_default().as_millis().to_string();
                    reply.headers.set("x-envoy-upstream-service-time", took);
                }
                reply
            }
            Arrival::Unanswered(_) => CalloutReply::timeout(),
            Arrival::Dns(answer) => {
                self.deliver_dns(slot, pending.root, pending.token, answer);
                return;
            }
            Arrival::Grpc(incoming) => {
                self.deliver_grpc(slot, pending.root, pending.token, incoming);
                return;
            }
        };
        let reply = if reply.synthesized && vm.state().profile.fails_with_nothing() {
            CalloutReply::reset()
        } else {
            reply
        };
        let sizes = (
            word(reply.headers.len()),
            word(reply.body.len()),
            word(reply.trailers.len()),
        );
        let state = vm.state_mut();
        if reply.reset {
            state.set_status(pending.root, BROKEN_CONNECTION, "reset".to_owned());
        } else {
            state.reply = Some(reply);
        }
        let args = [pending.root, pending.token, sizes.0, sizes.1, sizes.2];
        self.root_callback(slot, pending.root, Export::HttpCallResponse, &args);
        if let Some(vm) = &mut self.vms[slot].vm {
            let state = vm.state_mut();
            state.reply = None;
            state.clear_status_message(pending.root);
        }
    }

    /// Asks the clusters for their replies, and notes when these are due.
    fn send_callouts(&mut self) {
        let now = self.clock.monotonic();
        for slot in &mut self.vms {
            let Some(vm) = &mut slot.vm else { continue };
            for call in vm.state_mut().callouts.drain(..) {
                let Some(cluster) = self.clusters.get_mut(&call.callout.cluster) else {
                    // Only where calls go out to anyone.
                    slot.replies.push(PendingReply {
                        due: now.saturating_add(SHORTEST_DELAY),
                        token: call.token,
                        root: call.root,
                        reply: Arrival::Http(CalloutReply::reset()),
                    });
                    continue;
                };
                let timeout = Some(call.callout.timeout).filter(|timeout| !timeout.is_zero());
                let foregone = call.callout.foregone();
                let is_refused = foregone.as_ref().is_some_and(|reply| reply.delay.is_some());
                let Cluster::Scripted(cluster) = cluster else {
                    if let Some(reply) = foregone.filter(|_| is_refused) {
                        slot.replies.push(PendingReply {
                            due: now.saturating_add(SHORTEST_DELAY),
                            token: call.token,
                            root: call.root,
                            reply: Arrival::Http(reply),
                        });
                        continue;
                    }
                    self.next_call += 1;
                    let id = CallId(self.next_call);
                    slot.replies.push(PendingReply {
                        due: timeout
                            .map_or(NEVER, |timeout| now.saturating_add(nanoseconds(timeout))),
                        token: call.token,
                        root: call.root,
                        reply: Arrival::Unanswered(id),
                    });
                    self.calls.push(PendingCall {
                        id,
                        callout: call.callout,
                    });
                    continue;
                };
                let mut reply = match foregone {
                    Some(reply) if is_refused => reply,
                    foregone => {
                        let reply = cluster(&call.callout);
                        let head = call.callout.headers.get(":method") == Some(b"HEAD");
                        foregone.unwrap_or_else(|| reply.read(head))
                    }
                };
                let mut delay = reply.delay;
                if reply.reset && delay.is_none() {
                    // It has begun: its end is a reset, not an answer of the router.
                    delay = timeout;
                } else if let Some(timeout) = timeout
                    && delay.is_none_or(|delay| delay >= timeout)
                {
                    (reply, delay) = (CalloutReply::timeout(), Some(timeout));
                }
                // Without a timeout, a call that is never answered has no event.
                let Some(delay) = delay else { continue };
                let due = now.saturating_add(nanoseconds(delay).max(SHORTEST_DELAY));
                slot.replies.push(PendingReply {
                    due,
                    token: call.token,
                    root: call.root,
                    reply: Arrival::Http(reply),
                });
            }
        }
    }

    /// Tells the consumer of each queue about each new item.
    fn announce_queues(&mut self) -> bool {
        let announcements = self.shared.announcements(self.id);
        for (queue, consumer) in &announcements {
            let vm = self.vms.get(consumer.vm);
            let vm = vm.and_then(|slot| slot.vm.as_ref());
            if vm.is_some_and(|vm| vm.state().roots.contains_key(&consumer.root)) {
                let args = [consumer.root, *queue];
                self.root_callback(consumer.vm, consumer.root, Export::QueueReady, &args);
            }
        }
        !announcements.is_empty()
    }

    fn apply_to_stream(&mut self, vm: usize, context: u32, asked: Deferred) {
        let found = self.streams.iter().find_map(|(id, stream)| {
            let filter = stream.filter_at(vm, context)?;
            Some((*id, filter))
        });
        if let Some((id, filter)) = found {
            self.with_stream(id, |stream, around| stream.apply(filter, asked, around));
        } else {
            self.apply_to_connection(vm, context, &asked);
        }
    }
}
