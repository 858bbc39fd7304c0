//! Playing the steps of a scenario on a host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::build::build;
use super::files::step_values;
use super::format::{Action, ClientRequest, FaultSpec, MoreBody, PeerReply, Step};
use super::grpc::GrpcSeen;
use super::load::Scenario;
use super::observed::{Observed, StreamSeen, numbers};
use super::saved;
use super::upstream::{Peer, ROUTE_TIMEOUT};
use crate::callout::Callout;
use crate::clock::nanoseconds;
use crate::exchange::{Callback, Exchange, StreamId};
use crate::fault::Fault;
use crate::headers::HeaderMap;
use crate::host::{Host, StreamState};
use crate::module::Module;
use crate::plugins::PluginId;
use crate::request::Reply;
use crate::status::LogLevel;

/// A guest that calls again on every reply, and never lets the stream go on, is given up after so many.
const MAX_EVENTS_PER_STEP: usize = 100_000;

/// A scenario on its way.
pub(super) struct Player<'a> {
    scenario: &'a Scenario,
    host: Host,
    plugin: Option<PluginId>,
    /// In the order of their requests.
    streams: Vec<Played>,
    upstream: Peer,
    on_the_way: Vec<OnTheWay>,
    callouts: Arc<Mutex<Vec<Callout>>>,
    grpc: Arc<Mutex<Vec<GrpcSeen>>>,
    saved: BTreeMap<String, String>,
    /// How many steps were begun.
    steps: usize,
    /// The steps in which the faults in force were injected; 0 for the start.
    injected: Vec<usize>,
    /// Faults that ended without having struck.
    missed: Vec<Missed>,
}

/// A fault that never struck.
pub(super) struct Missed {
    /// The step in which it was injected; 0 for the start.
    pub(super) step: usize,
    pub(super) fault: Fault,
    /// How often the function was called where the fault counts.
    pub(super) calls: u64,
}

/// A stream of the scenario.
struct Played {
    name: String,
    id: StreamId,
    /// The upstream has it, and its rule was asked.
    asked: bool,
    ended: Option<Exchange>,
}

/// A reply of the upstream that takes its time.
struct OnTheWay {
    due: u64,
    stream: StreamId,
    reply: Option<Reply>,
}

/// A step that cannot be done: its scenario takes the filter for another one.
pub(super) struct Impossible(pub(super) String);

impl<'a> Player<'a> {
    pub(super) fn new(scenario: &'a Scenario, module: &Module, seed: u64, trace: bool) -> Self {
        let (callouts, grpc) = (Arc::default(), Arc::default());
        let host = build(scenario, module, seed, trace, &callouts, &grpc);
        Self {
            scenario,
            host,
            plugin: None,
            streams: Vec::new(),
            upstream: Peer::new(&scenario.upstream),
            on_the_way: Vec::new(),
            callouts,
            grpc,
            saved: BTreeMap::new(),
            steps: 0,
            injected: Vec::new(),
            missed: Vec::new(),
        }
    }

    /// The start: the first configuration.
    pub(super) fn start(&mut self) -> Observed {
        for fault in &self.scenario.faults {
            self.inject(fault);
        }
        let before = self.before(true);
        let setup = &self.scenario.setup;
        let configuration = setup.configuration.clone().unwrap_or_default();
        let refused = match self.host.add_plugin(&configuration) {
            Ok(plugin) => {
                self.plugin = Some(plugin);
                None
            }
            Err(refused) => Some(refused.to_string()),
        };
        self.pump();
        self.observe(before, None, refused)
    }

    /// A step with what was saved before it.
    pub(super) fn complete(&self, step: &Step) -> Result<Step, Impossible> {
        let mut step = step.clone();
        let mut unknown = None;
        step_values(&mut step, &mut |bytes| {
            if let Some(text) = bytes.saved() {
                match saved::insert(text, &self.saved) {
                    Ok(text) => bytes.fill(text.into_bytes()),
                    Err(reason) => unknown = Some(reason),
                }
            }
        });
        unknown.map_or(Ok(step), |reason| Err(Impossible(reason)))
    }

    /// Plays one step.
    pub(super) fn step(&mut self, step: &Step) -> Result<Observed, Impossible> {
        let wants_metrics = step
            .expect
            .as_ref()
            .is_some_and(|expect| expect.metrics_change.is_some());
        self.steps += 1;
        let before = self.before(wants_metrics);
        let name = step.stream.as_deref().unwrap_or_default();
        let refused = self.act(step, name)?;
        let observed = self.observe(before, Some(name), refused);
        let exchange = observed.stream.as_ref().map(|seen| &seen.exchange);
        for (name, source) in &step.save {
            let part = exchange.and_then(|exchange| saved::part(exchange, source));
            let part = part.ok_or_else(|| Impossible(format!("nothing to save as `{name}`")))?;
            self.saved.insert(name.clone(), part);
        }
        Ok(observed)
    }

    /// The faults that have not struck, when nothing more comes.
    pub(super) fn end(mut self) -> Vec<Missed> {
        self.clear_faults();
        self.missed
    }

    fn inject(&mut self, fault: &FaultSpec) {
        // Reading the scenario has checked that there is such a function.
        let _known = self.host.inject(fault.into());
        self.injected.push(self.steps);
    }

    fn clear_faults(&mut self) {
        for unstruck in self.host.faults.unstruck() {
            self.missed.push(Missed {
                step: self.injected.get(unstruck.index).copied().unwrap_or(0),
                fault: unstruck.fault,
                calls: unstruck.calls,
            });
        }
        self.injected.clear();
        self.host.clear_faults();
    }

    /// Takes the trace of what happened since the last time.
    pub(super) fn take_trace(&mut self) -> Vec<String> {
        self.host.take_trace()
    }

    fn act(&mut self, step: &Step, name: &str) -> Result<Option<String>, Impossible> {
        match &step.action {
            None => {}
            Some(Action::Request(request)) => self.request(name, request)?,
            Some(Action::Body(body)) => self.body(name, body)?,
            Some(Action::Disconnect) => {
                let id = self.stream(name)?.id;
                self.host.disconnect(id);
                self.pump();
            }
            Some(Action::Reply(reply)) => self.reply(name, reply)?,
            Some(Action::Advance(by)) => self.advance(*by),
            Some(Action::WallClock(instant)) => self.host.set_wall_clock(instant.nanoseconds()),
            Some(Action::Configure(configuration)) => {
                let outcome = match self.plugin {
                    Some(plugin) => self.host.configure(plugin, configuration),
                    None => self
                        .host
                        .add_plugin(configuration)
                        .map(|plugin| self.plugin = Some(plugin)),
                };
                self.pump();
                return Ok(outcome.err().map(|refused| refused.to_string()));
            }
            Some(Action::Drain) => {
                self.host.drain();
                self.pump();
            }
            Some(Action::Fault(fault)) => self.inject(fault),
            Some(Action::ClearFaults) => self.clear_faults(),
            Some(Action::SharedData(data)) => {
                let vm_id = self.scenario.setup.vm_id.as_deref().unwrap_or_default();
                for (key, value) in data.iter() {
                    self.host.shared().set_data(vm_id, key, value);
                }
            }
        }
        Ok(None)
    }

    fn request(&mut self, name: &str, request: &ClientRequest) -> Result<(), Impossible> {
        let Some(plugin) = self.plugin else {
            return Err(Impossible(
                "no configuration has been accepted, so nothing takes requests".to_owned(),
            ));
        };
        let wire = request.wire();
        let id = self.host.open(plugin, wire);
        // Of streams of one name only the last can be looked at, but the others may go on.
        self.streams
            .retain(|played| played.name != name || played.ended.is_none());
        self.streams.push(Played {
            name: name.to_owned(),
            id,
            asked: false,
            ended: None,
        });
        self.pump();
        if request.end && request.wait {
            self.wait(id);
        }
        Ok(())
    }

    fn body(&mut self, name: &str, body: &MoreBody) -> Result<(), Impossible> {
        let id = self.stream(name)?.id;
        let ends = body.end && body.trailers.is_empty();
        let last = body.chunks.len().saturating_sub(1);
        // HTTP/1 tells the end of a body in a part of its own.
        let told = ends && !body.chunks.is_empty() && self.host.is_http2(id);
        for (index, chunk) in body.chunks.iter().enumerate() {
            self.host.send_body(id, chunk, told && index == last);
            self.pump();
        }
        if !body.trailers.is_empty() {
            let trailers: HeaderMap = body.trailers.iter().collect();
            self.host.send_trailers(id, trailers);
        } else if ends && !told {
            self.host.send_body(id, "", true);
        }
        self.pump();
        if body.end || !body.trailers.is_empty() {
            self.wait(id);
        }
        Ok(())
    }

    fn reply(&mut self, name: &str, reply: &PeerReply) -> Result<(), Impossible> {
        let id = self.stream(name)?.id;
        if !matches!(self.host.state(id), StreamState::AwaitingUpstream(_)) {
            return Err(Impossible(
                "the stream does not wait for its upstream".to_owned(),
            ));
        }
        let reply = match reply {
            PeerReply::Response(response) => response.reply(),
            _ => Reply::reset(),
        };
        self.give(id, reply);
        self.pump();
        self.wait(id);
        Ok(())
    }

    /// Lets time move on as long as the stream waits for a reply that is on its way.
    fn wait(&mut self, id: StreamId) {
        for _ in 0..MAX_EVENTS_PER_STEP {
            let due = match self.host.state(id) {
                StreamState::Finished => return,
                StreamState::Upgraded(_) => {
                    self.host.end_upgrade(id);
                    return;
                }
                StreamState::AwaitingUpstream(_) => {
                    let mut own = self.on_the_way.iter().filter(|reply| reply.stream == id);
                    own.next().map(|reply| reply.due)
                }
                StreamState::Paused => self.host.next_reply(),
            };
            let Some(due) = due else { return };
            self.advance_to(due);
        }
    }

    fn advance(&mut self, by: Duration) {
        let target = self.host.monotonic_clock().saturating_add(nanoseconds(by));
        self.advance_to(target);
    }

    fn advance_to(&mut self, target: u64) {
        loop {
            let of_upstream = self.on_the_way.iter().map(|reply| reply.due);
            let next = of_upstream.chain(self.host.next_due()).min();
            let Some(due) = next.filter(|due| *due <= target) else {
                break;
            };
            self.host_advances_to(due);
            self.deliver(due);
            self.pump();
        }
        self.host_advances_to(target);
    }

    fn host_advances_to(&mut self, target: u64) {
        let now = self.host.monotonic_clock();
        self.host
            .advance(Duration::from_nanos(target.saturating_sub(now)));
    }

    /// Gives the streams the replies that are there now.
    fn deliver(&mut self, now: u64) {
        while let Some(index) = self.on_the_way.iter().position(|reply| reply.due <= now) {
            let OnTheWay { stream, reply, .. } = self.on_the_way.remove(index);
            match reply {
                Some(reply) => self.give(stream, reply),
                None if matches!(self.host.state(stream), StreamState::AwaitingUpstream(_)) => {
                    self.host
                        .answer(stream, 504, "upstream request timeout", "response_timeout");
                }
                None => {}
            }
        }
    }

    fn give(&mut self, stream: StreamId, reply: Reply) {
        if let Some(played) = self.streams.iter_mut().find(|played| played.id == stream) {
            // The filter may send it to the upstream again.
            played.asked = false;
        }
        self.host.upstream_replies(stream, reply);
    }

    /// Asks the upstream's rules for every request that has arrived there.
    fn pump(&mut self) {
        for _ in 0..MAX_EVENTS_PER_STEP {
            let mut waiting = self.streams.iter_mut().filter_map(|played| {
                if played.asked || played.ended.is_some() {
                    return None;
                }
                match self.host.state(played.id) {
                    StreamState::AwaitingUpstream(request) => Some((played, request)),
                    _ => None,
                }
            });
            let Some((played, request)) = waiting.next() else {
                return;
            };
            played.asked = true;
            let id = played.id;
            drop(waiting);
            let (delay, reply) = match self.upstream.answer(&request.headers) {
                PeerReply::Response(response) => (response.delay, Some(response.reply())),
                PeerReply::Reset(delay) => (delay, Some(Reply::reset())),
                PeerReply::Timeout | PeerReply::Refused => (ROUTE_TIMEOUT, None),
                PeerReply::Manual => continue,
            };
            let reply = reply.filter(|_| delay < ROUTE_TIMEOUT);
            let delay = delay.min(ROUTE_TIMEOUT);
            match reply {
                Some(reply) if delay.is_zero() => self.give(id, reply),
                reply => {
                    let now = self.host.monotonic_clock();
                    self.on_the_way.push(OnTheWay {
                        due: now.saturating_add(nanoseconds(delay)),
                        stream: id,
                        reply,
                    });
                }
            }
        }
    }

    fn stream(&self, name: &str) -> Result<&Played, Impossible> {
        self.last_named(name).ok_or_else(|| {
            Impossible(if name.is_empty() {
                "no request without a `stream` name came before".to_owned()
            } else {
                format!("no request named its stream `{name}` before")
            })
        })
    }

    fn last_named(&self, name: &str) -> Option<&Played> {
        self.streams.iter().rev().find(|played| played.name == name)
    }

    fn before(&mut self, wants_metrics: bool) -> Before {
        let open = self.streams.iter().filter(|played| played.ended.is_none());
        let callbacks = open
            .map(|played| (played.id, self.host.callbacks_of(played.id).len()))
            .collect();
        Before {
            callbacks,
            metrics: wants_metrics.then(|| numbers(&self.host.metrics())),
            traps: self.host.traps(),
        }
    }

    fn observe(&mut self, before: Before, name: Option<&str>, refused: Option<String>) -> Observed {
        let callbacks = self.callbacks_since(&before);
        for played in self.streams.iter_mut() {
            if played.ended.is_none() && self.host.state(played.id) == StreamState::Finished {
                played.ended = Some(self.host.finish(played.id));
            }
        }
        let stream = name
            .and_then(|name| self.last_named(name))
            .and_then(|played| {
                let state = self.host.state(played.id);
                let exchange = match &played.ended {
                    Some(ended) => Some(ended.clone()),
                    None => self.host.snapshot(played.id),
                };
                exchange.map(|exchange| StreamSeen { exchange, state })
            });
        let log = self.host.take_logs();
        let died = (self.host.traps() > before.traps).then(|| {
            // What a VM dies of is logged in the host's name.
            let last = log.iter().rev().find(|line| {
                line.level == LogLevel::Critical && line.message.starts_with("Function: ")
            });
            last.map_or_else(String::new, |line| line.message.clone())
        });
        let mut callouts = self.callouts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut grpc = self.grpc.lock().unwrap_or_else(PoisonError::into_inner);
        Observed {
            stream,
            callouts: std::mem::take(&mut callouts),
            grpc: std::mem::take(&mut grpc),
            log,
            callbacks,
            metrics_before: before.metrics,
            metrics: numbers(&self.host.metrics()),
            shared: self.host.shared(),
            vm_id: self.scenario.setup.vm_id.clone().unwrap_or_default(),
            diagnostics: self.host.take_diagnostics(),
            died,
            refused,
        }
    }

    fn callbacks_since(&mut self, before: &Before) -> Vec<Callback> {
        let mut callbacks = self.host.take_callbacks();
        for played in self.streams.iter().filter(|played| played.ended.is_none()) {
            let seen = before.callbacks.get(&played.id).copied().unwrap_or(0);
            let all = self.host.callbacks_of(played.id);
            callbacks.extend_from_slice(all.get(seen..).unwrap_or_default());
        }
        callbacks
    }
}

/// What there was before a step.
struct Before {
    callbacks: BTreeMap<StreamId, usize>,
    metrics: Option<BTreeMap<String, i64>>,
    traps: u64,
}
