//! Playing the steps of a scenario on a host.

mod connections;
mod hostile;
mod peers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use super::build::{self, Asked, Clusters};
use super::files::step_values;
use super::format::{Action, ClientRequest, FaultSpec, MoreBody, Step};
use super::load::Scenario;
use super::observed::{Observed, StreamSeen, numbers};
use super::saved;
use super::upstream::Peer;
use crate::connection::ConnectionId;
use crate::exchange::{Callback, Exchange, StreamId};
use crate::fault::Fault;
use crate::headers::HeaderMap;
use crate::host::{Host, StreamState};
use crate::module::Module;
use crate::plugin::Plugin;
use crate::plugins::PluginId;
use crate::status::LogLevel;

use connections::{PlayedConnection, Side};
use peers::OnTheWay;

/// A guest that calls again on every reply, and never lets the stream go on, is given up after so many.
const MAX_EVENTS_PER_STEP: usize = 100_000;

/// A scenario on its way.
pub(super) struct Player<'a> {
    scenario: &'a Scenario,
    host: Host,
    /// In the order of the chain.
    plugins: Vec<Playing>,
    /// In the order of their requests.
    streams: Vec<Played>,
    /// In the order in which they were opened.
    connections: Vec<PlayedConnection>,
    upstream: Peer,
    clusters: Clusters,
    on_the_way: Vec<OnTheWay>,
    asked: Asked,
    saved: BTreeMap<String, String>,
    seed: u64,
    /// What bytes that are not UTF-8 have killed so far: callback, call and place.
    spoilt: BTreeSet<(Option<&'static str>, Option<&'static str>, String)>,
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

/// A plugin of the scenario.
struct Playing {
    name: String,
    vm_id: String,
    plugin: Plugin,
    /// What the host knows it by; nothing before a configuration is accepted, and after it was removed.
    id: Option<PluginId>,
}

/// A stream of the scenario.
struct Played {
    name: String,
    id: StreamId,
    /// The upstream has it, and its rule was asked.
    asked: bool,
    /// The upstream has begun to reply.
    replies: bool,
    ended: Option<Exchange>,
}

/// A step that cannot be done: its scenario takes the filter for another one.
pub(super) struct Impossible(pub(super) String);

impl<'a> Player<'a> {
    /// The modules are those of the plugins, in the order of the chain.
    pub(super) fn new(
        scenario: &'a Scenario,
        module: &Module,
        modules: &[Module],
        seed: u64,
        trace: bool,
    ) -> Self {
        let asked = Asked::default();
        let clusters = build::clusters(scenario);
        let host = build::build(scenario, module, seed, trace, &clusters, &asked);
        let plugins = build::plugins(scenario, &host, modules);
        let plugins = scenario.plugin_names().into_iter().zip(plugins);
        let plugins = plugins.map(|(name, plugin)| Playing {
            name: name.to_owned(),
            vm_id: plugin.vm.vm_id.clone(),
            plugin,
            id: None,
        });
        Self {
            scenario,
            plugins: plugins.collect(),
            host,
            streams: Vec::new(),
            connections: Vec::new(),
            upstream: Peer::new(&scenario.upstream),
            clusters,
            on_the_way: Vec::new(),
            asked,
            saved: BTreeMap::new(),
            seed,
            spoilt: BTreeSet::new(),
            steps: 0,
            injected: Vec::new(),
            missed: Vec::new(),
        }
    }

    /// The start: the first configuration of each plugin.
    pub(super) fn start(&mut self) -> Observed {
        for fault in &self.scenario.faults {
            self.inject(fault);
        }
        let before = self.before(true);
        let several = self.plugins.len() > 1;
        let mut refusals = Vec::new();
        for playing in &mut self.plugins {
            match self.host.add_plugin_with(playing.plugin.clone()) {
                Ok(id) => playing.id = Some(id),
                Err(refused) if several => refusals.push(format!("{}: {refused}", playing.name)),
                Err(refused) => refusals.push(refused.to_string()),
            }
        }
        self.pump();
        let refused = (!refusals.is_empty()).then(|| refusals.join("; "));
        self.observe(before, None, None, refused)
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
        let mut observed = self.observe(before, Some(name), step.plugin.as_deref(), refused);
        if let Some(Action::Request(request)) = &step.action
            && self.scenario.setup.hostile_bytes == Some(true)
            && request.end
        {
            observed.diagnostics.extend(self.hostile_bytes(request));
        }
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

    /// What everything is like now that nothing more happens.
    pub(super) fn look(&mut self) -> Observed {
        let before = self.before(false);
        // What can be said only at the end, such as a callback that was never reached, is found with the rest.
        self.host.final_diagnostics();
        self.observe(before, Some(""), None, None)
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
            Some(Action::Metadata(entries)) => {
                let id = self.stream(name)?.id;
                if !self.host.is_http2(id) {
                    return Err(Impossible(
                        "HTTP/1.1 has no metadata: the request needs `http2 = true`".to_owned(),
                    ));
                }
                self.host.send_metadata(id, entries.iter());
                self.pump();
            }
            Some(Action::ReplyMetadata(entries)) => self.reply_metadata(name, entries)?,
            Some(Action::Disconnect) => {
                let id = self.stream(name)?.id;
                self.host.disconnect(id);
                self.pump();
            }
            Some(Action::Reply(reply)) => self.reply(name, reply)?,
            Some(Action::ReplyBody(more)) => self.reply_body(name, more)?,
            Some(Action::Connect(connecting)) => self.connect(step, name, connecting)?,
            Some(Action::ClientSends(sent)) => {
                self.send_on_connection(name, Side::Client, sent)?;
            }
            Some(Action::UpstreamSends(sent)) => {
                self.send_on_connection(name, Side::Upstream, sent)?;
            }
            Some(Action::Advance(by)) => self.advance(*by),
            Some(Action::WallClock(instant)) => self.host.set_wall_clock(instant.nanoseconds()),
            Some(Action::Configure(configuration)) => {
                let host = &mut self.host;
                let Some(playing) = named(&mut self.plugins, step.plugin.as_deref()) else {
                    return Ok(None);
                };
                let outcome = match playing.id {
                    Some(id) => host.configure(id, configuration),
                    None => host
                        .add_plugin_with(playing.plugin.clone().configuration(configuration))
                        .map(|id| playing.id = Some(id)),
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
                let vm_id = self.vm_id(step.plugin.as_deref());
                for (key, value) in data.iter() {
                    self.host.shared().set_data(&vm_id, key, value);
                }
            }
            Some(Action::Enqueue(items)) => {
                let vm_id = self.vm_id(step.plugin.as_deref());
                for (queue, item) in items.iter() {
                    if !self.host.enqueue(&vm_id, queue, item) {
                        let reason = format!("no guest has registered the queue `{queue}`");
                        return Err(Impossible(reason));
                    }
                }
                self.pump();
            }
            Some(Action::FlushStats) => {
                let plugin = self.accepted(step.plugin.as_deref())?;
                if !self.host.flush_stats(plugin) {
                    return Err(Impossible(
                        "there is no VM to give the metrics to".to_owned(),
                    ));
                }
                self.pump();
            }
            Some(Action::Remove) => {
                if let Some(playing) = named(&mut self.plugins, step.plugin.as_deref())
                    && let Some(id) = playing.id.take()
                {
                    self.host.remove_plugin(id);
                }
                self.pump();
            }
            Some(Action::ShutDown) => {
                self.host.shut_down();
                self.plugins
                    .iter_mut()
                    .for_each(|playing| playing.id = None);
            }
        }
        Ok(None)
    }

    fn request(&mut self, name: &str, request: &ClientRequest) -> Result<(), Impossible> {
        let chain = self.chain(request.plugins.as_deref())?;
        let wire = request.wire();
        let id = self.host.open_through(&chain, wire);
        // Of streams of one name only the last can be looked at, but the others may go on.
        self.streams
            .retain(|played| played.name != name || played.ended.is_none());
        self.streams.push(Played {
            name: name.to_owned(),
            id,
            asked: false,
            replies: false,
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

    /// The plugin of this name, or the first one, if there is one that has accepted its configuration.
    /// The plugins of these names, or all of them.
    fn chain(&self, names: Option<&[String]>) -> Result<Vec<PluginId>, Impossible> {
        match names {
            Some(names) => {
                let names = names.iter().map(|name| self.accepted(Some(name)));
                names.collect()
            }
            None => {
                let all = self.plugins.iter().map(|playing| playing.name.as_str());
                all.map(|name| self.accepted(Some(name))).collect()
            }
        }
    }

    fn accepted(&self, name: Option<&str>) -> Result<PluginId, Impossible> {
        let playing = match name {
            Some(name) => self.plugins.iter().find(|playing| playing.name == name),
            None => self.plugins.first(),
        };
        playing.and_then(|playing| playing.id).ok_or_else(|| {
            Impossible(match name {
                Some(name) if self.plugins.len() > 1 => {
                    format!("`{name}` has not accepted a configuration, or is gone, so nothing passes it")
                }
                _ => "no configuration has been accepted, so nothing takes requests".to_owned(),
            })
        })
    }

    /// The `vm_id` of the plugin of this name, or of the first one.
    fn vm_id(&self, name: Option<&str>) -> String {
        let playing = match name {
            Some(name) => self.plugins.iter().find(|playing| playing.name == name),
            None => self.plugins.first(),
        };
        playing
            .map(|playing| playing.vm_id.clone())
            .unwrap_or_default()
    }

    fn root_contexts(&self, name: Option<&str>) -> usize {
        match self.accepted(name) {
            Ok(plugin) => self.host.root_contexts_beside(plugin, 0).len(),
            Err(_) => self.host.root_contexts(0).len(),
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
        let connections = self.connections.iter().filter_map(|played| {
            let seen = self.host.connection(played.id)?;
            Some((played.id, seen.callbacks.len()))
        });
        Before {
            callbacks,
            connections: connections.collect(),
            metrics: wants_metrics.then(|| numbers(&self.host.metrics())),
            traps: self.host.traps(),
        }
    }

    fn observe(
        &mut self,
        before: Before,
        name: Option<&str>,
        plugin: Option<&str>,
        refused: Option<String>,
    ) -> Observed {
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
        let connection = name.and_then(|name| self.connection_seen(name));
        let root_contexts = self.root_contexts(plugin);
        let log = self.host.take_logs();
        let died = (self.host.traps() > before.traps).then(|| {
            // What a VM dies of is logged in the host's name.
            let last = log.iter().rev().find(|line| {
                line.level == LogLevel::Critical && line.message.starts_with("Function: ")
            });
            last.map_or_else(String::new, |line| line.message.clone())
        });
        let callouts = &self.asked.callouts;
        let mut callouts = callouts.lock().unwrap_or_else(PoisonError::into_inner);
        let grpc = &self.asked.grpc;
        let mut grpc = grpc.lock().unwrap_or_else(PoisonError::into_inner);
        Observed {
            stream,
            connection,
            root_contexts,
            callouts: std::mem::take(&mut callouts),
            grpc: std::mem::take(&mut grpc),
            log,
            callbacks,
            metrics_before: before.metrics,
            metrics: numbers(&self.host.metrics()),
            shared: self.host.shared(),
            vm_id: self.vm_id(plugin),
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
        for played in &self.connections {
            let seen = before.connections.get(&played.id).copied().unwrap_or(0);
            if let Some(connection) = self.host.connection(played.id) {
                let all = &connection.callbacks;
                callbacks.extend_from_slice(all.get(seen..).unwrap_or_default());
            }
        }
        callbacks
    }
}

/// What there was before a step.
struct Before {
    callbacks: BTreeMap<StreamId, usize>,
    connections: BTreeMap<ConnectionId, usize>,
    metrics: Option<BTreeMap<String, i64>>,
    traps: u64,
}

/// The plugin of this name, or the first one.
fn named<'p>(plugins: &'p mut [Playing], name: Option<&str>) -> Option<&'p mut Playing> {
    match name {
        Some(name) => plugins.iter_mut().find(|playing| playing.name == name),
        None => plugins.first_mut(),
    }
}
