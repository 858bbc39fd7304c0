//! The host: VMs, plugins and streams, and the calls that move them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::builder::{Answering, Cluster, FailurePolicy, HostBuilder, Parts, Upstream};
use crate::callout::PendingCall;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::exchange::{Callback, Exchange, LogLine, Response, StreamId, UpstreamRequest};
use crate::fault::{Fault, Faults, UnknownHostFunction};
use crate::front::{self, Part};
use crate::functions::Function;
use crate::grpc::GrpcPeer;
use crate::headers::HeaderMap;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::module::Module;
use crate::plugin::{Plugin, PluginSettings};
use crate::plugins::{Base, Draining, Loaded, PluginId, Worker};
use crate::request::{Reply, Request};
use crate::shared::{Metric, SharedState};
use crate::state::{Common, Deferred, Offered};
use crate::status::{LogLevel, SharedLevel};
use crate::stream::{
    Departed, Direction, Filter, Phase, Stream, StreamInfo, StreamSettings, Surroundings,
};

/// A guest that makes a new call on every reply, and never lets the stream go on, is given up after so many.
const MAX_REPLIES_PER_REQUEST: usize = 10_000;
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Seed for the host's own random numbers, apart from those of the guests.
const REQUEST_ID_SEED: u64 = 0x706f_7374_6572_6e21;

/// A Proxy-Wasm host that behaves as Envoy does: workers with a VM each, plugins in them, and streams through those.
///
/// Nothing about it is global, and nothing in it happens by itself: time passes in [`advance`](Self::advance), and requests
/// run when they are made.
pub struct Host {
    /// The plugin that `add_plugin` adds.
    pub(crate) template: Plugin,
    pub(crate) log_level: SharedLevel,
    pub(crate) traced: bool,
    pub(crate) drain_time: u64,
    /// The host among those that share data.
    pub(crate) id: u64,
    pub(crate) clock: Clock,
    pub(crate) randomness: Randomness,
    pub(crate) limits: Limits,
    pub(crate) canary: bool,
    pub(crate) shared: SharedState,
    pub(crate) faults: Faults,
    /// How many workers there are.
    pub(crate) worker_count: usize,
    /// How many threads have VMs: the workers, and behind them the main thread.
    pub(crate) threads: usize,
    pub(crate) bases: Vec<Base>,
    /// The VMs: for each base one on each thread.
    pub(crate) workers: Vec<Worker>,
    pub(crate) plugins: BTreeMap<PluginId, Loaded>,
    pub(crate) next_plugin: usize,
    pub(crate) draining: Vec<Draining>,
    pub(crate) streams: BTreeMap<StreamId, Box<Stream>>,
    pub(crate) connections: BTreeMap<crate::ConnectionId, Box<crate::connection::Link>>,
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) grpc_peers: BTreeMap<String, GrpcPeer>,
    pub(crate) offered: Arc<Offered>,
    pub(crate) journal: Journal,
    pub(crate) callbacks: Vec<Callback>,
    /// What callbacks asked to be done to streams: worker, context and deed.
    pub(crate) elsewhere: Vec<(usize, u32, Deferred)>,
    pub(crate) vm_starts: u64,
    /// VMs that drew random numbers, those included that only tried a configuration.
    pub(crate) vm_starts_drawn: u64,
    pub(crate) traps: u64,
    /// Whether anybody wants to know what guests get away with.
    pub(crate) diagnosed: bool,
    pub(crate) calls: Vec<PendingCall>,
    pub(crate) next_call: u64,
    /// Streams that were moved since they were last asked for; kept only where the caller is the upstream.
    moved: BTreeSet<StreamId>,
    pub(crate) settings: StreamSettings,
    pub(crate) upstream: Upstream,
    upstream_clusters: BTreeMap<String, Answering>,
    pub(crate) next_stream: u64,
    pub(crate) next_worker: usize,
    pub(crate) request_ids: Entropy,
}

/// Where random numbers come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Randomness {
    Seeded(u64),
    Real,
}

/// How far a stream has come.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamState {
    /// The filter holds it, and something has to happen first: a reply, a tick, a disconnect.
    Paused,
    /// The upstream has the whole request and has not replied. Only with [`HostBuilder::manual_upstream`].
    AwaitingUpstream(UpstreamRequest),
    /// The upstream has granted an upgrade, and the client got this response. What follows on the connection comes with
    /// [`Host::send_body`] and [`Host::reply_body`]; [`Host::end_upgrade`] tells that it is over.
    Upgraded(Response),
    /// It has ended.
    Finished,
}

/// What a stream has let go, and what it still takes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) for_upstream: Departed<UpstreamRequest>,
    pub(crate) for_client: Departed<Response>,
    /// Bytes that the filter holds back.
    pub(crate) request_held: usize,
    pub(crate) response_held: usize,
    /// Whether more of the request is taken.
    pub(crate) takes_request: bool,
    pub(crate) finished: bool,
}

impl Host {
    /// Starts to put a host together that runs this module.
    pub fn builder(module: &Module) -> HostBuilder {
        HostBuilder::new(module)
    }

    pub(crate) fn assemble(parts: Parts) -> Self {
        let request_ids = match parts.randomness {
            Randomness::Seeded(seed) => Entropy::seeded(seed ^ REQUEST_ID_SEED),
            Randomness::Real => Entropy::Real,
        };
        let mut host = Self {
            template: parts.template,
            log_level: SharedLevel::new(parts.log_level),
            traced: parts.trace,
            drain_time: parts.drain_time,
            id: parts.shared.new_host(),
            clock: parts.clock,
            randomness: parts.randomness,
            limits: parts.limits,
            canary: parts.canary,
            shared: parts.shared,
            faults: Faults::default(),
            worker_count: parts.workers,
            threads: parts.workers + usize::from(parts.main_thread_vm),
            bases: Vec::new(),
            workers: Vec::new(),
            plugins: BTreeMap::new(),
            next_plugin: 0,
            draining: Vec::new(),
            streams: BTreeMap::new(),
            connections: BTreeMap::new(),
            clusters: parts.clusters,
            grpc_peers: parts.grpc_peers,
            offered: parts.offered,
            journal: parts.journal,
            callbacks: Vec::new(),
            elsewhere: Vec::new(),
            vm_starts: 0,
            vm_starts_drawn: 0,
            traps: 0,
            diagnosed: parts.diagnostics,
            calls: Vec::new(),
            next_call: 0,
            moved: BTreeSet::new(),
            settings: parts.stream,
            upstream: parts.upstream,
            upstream_clusters: parts.upstream_clusters,
            next_stream: 1,
            next_worker: 0,
            request_ids,
        };
        if parts.diagnostics {
            host.inspect_module();
        }
        host
    }

    /// Sends a request through the plugin and waits for its end. Virtual time moves on only if the filter waits for the reply of
    /// a cluster. With [`HostBuilder::manual_upstream`], a stream that got to the upstream ends there.
    pub fn request(&mut self, plugin: PluginId, request: Request) -> Exchange {
        self.request_through(&[plugin], request)
    }

    /// Sends a request through a filter chain of several plugins, in this order; the response comes back the other way. See
    /// [`request`](Self::request).
    pub fn request_through(&mut self, chain: &[PluginId], request: Request) -> Exchange {
        let stream = self.open_through(chain, request);
        for _ in 0..MAX_REPLIES_PER_REQUEST {
            if self.state(stream) != StreamState::Paused || !self.advance_to_next_reply() {
                break;
            }
        }
        self.end_upgrade(stream);
        self.finish(stream)
    }

    /// Opens a stream and lets it run as far as it can: to its end, to a pause, or to an upstream that the caller plays.
    pub fn open(&mut self, plugin: PluginId, request: Request) -> StreamId {
        self.open_through(&[plugin], request)
    }

    /// Opens a stream through a filter chain of several plugins. See [`open`](Self::open).
    pub fn open_through(&mut self, chain: &[PluginId], mut request: Request) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        let worker = request.worker.unwrap_or(self.next_worker) % self.worker_count;
        self.next_worker = self.next_worker.wrapping_add(1);
        let info = StreamInfo {
            id,
            source: request.source,
            protocol: if request.http2 { "HTTP/2" } else { "HTTP/1.1" },
            started: self.clock.wall(),
            common: Common::default(),
            properties: std::mem::take(&mut request.properties),
        };
        let filters = self.filters(chain, worker);
        let stream = Box::new(Stream::new(info, chain.to_vec(), filters, worker));
        self.streams.insert(id, stream);

        let request_id = self.request_id();
        let admitted = front::admit(request, &self.settings.front, &request_id);
        self.with_stream(id, |stream, around| match admitted {
            Err((refusal, headers)) => stream.refuse(refusal, headers, around),
            Ok(admitted) => stream.begin(admitted, around),
        });
        self.settle();
        id
    }

    /// What each plugin of a chain has for a new stream. One that fails open and has no VM is left out; one that is not there
    /// any more lets nothing pass.
    fn filters(&mut self, chain: &[PluginId], worker: usize) -> Vec<Filter> {
        let mut filters = Vec::with_capacity(chain.len());
        for plugin in chain {
            let home = self.root_for_stream(*plugin, worker);
            let settings = match self.plugins.get(plugin) {
                Some(plugin) => plugin.settings,
                None => PluginSettings::default(),
            };
            if home.is_some() || settings.policy != FailurePolicy::FailOpen {
                filters.push(Filter::new(settings, home));
            }
        }
        filters
    }

    /// How far a stream has come. A stream that this host does not know, or no more, has ended.
    pub fn state(&self, stream: StreamId) -> StreamState {
        match self.streams.get(&stream) {
            None => StreamState::Finished,
            Some(stream) => match (stream.phase(), stream.upstream()) {
                (Phase::Finished, _) => StreamState::Finished,
                (Phase::Upstream, Some(request)) => StreamState::AwaitingUpstream(request.clone()),
                _ => stream.upgraded().map_or(StreamState::Paused, |response| {
                    StreamState::Upgraded(response.clone())
                }),
            },
        }
    }

    /// One more part of the body of a request that was [unfinished](Request::unfinished); `end` says that nothing follows. An
    /// HTTP/1 codec tells the end with no bytes. A stream that was answered already takes no notice.
    pub fn send_body(&mut self, stream: StreamId, part: impl AsRef<[u8]>, end: bool) {
        let part = Part::Body(part.as_ref().to_vec(), end);
        self.with_stream(stream, |stream, around| stream.receive(part, around));
        self.settle();
    }

    /// The end of a request that was [unfinished](Request::unfinished), with trailers. Where the host lets no trailers
    /// through, that is an end like any other.
    pub fn send_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        let passes = self.settings.front.trailers;
        self.with_stream(stream, |stream, around| {
            let part = if !trailers.is_empty() && (passes || stream.is_http2()) {
                Part::Trailers(trailers)
            } else {
                Part::Body(Vec::new(), true)
            };
            stream.receive(part, around);
        });
        self.settle();
    }

    /// The upgraded connection of a stream is closed; other streams take no notice.
    pub fn end_upgrade(&mut self, stream: StreamId) {
        self.with_stream(stream, |stream, around| stream.end_upgrade(around));
        self.settle();
    }

    /// Answers in place of the upstream, as Envoy does when the client breaks off what it sends.
    pub(crate) fn answer(
        &mut self,
        stream: StreamId,
        status: u16,
        body: &'static str,
        details: &'static str,
    ) {
        self.with_stream(stream, |stream, around| {
            stream.answer_as_host(status, body, details, around);
        });
        self.settle();
    }

    /// Gives the upstream's reply to a stream that waits for it; other streams take no notice.
    pub fn upstream_replies(&mut self, stream: StreamId, reply: Reply) {
        self.reply(stream, reply);
        self.settle();
    }

    /// One more part of the body of a reply that was [unfinished](Reply::unfinished), or of what the upstream sends on an
    /// upgraded connection; `end` says that nothing follows.
    pub fn reply_body(&mut self, stream: StreamId, part: impl AsRef<[u8]>, end: bool) {
        let part = Part::Body(part.as_ref().to_vec(), end);
        self.with_stream(stream, |stream, around| stream.reply_part(part, around));
        self.settle();
    }

    /// The end of a reply that was [unfinished](Reply::unfinished), with trailers.
    pub fn reply_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        let passes = self.settings.front.trailers && !trailers.is_empty();
        let part = if passes {
            Part::Trailers(trailers)
        } else {
            Part::Body(Vec::new(), true)
        };
        self.with_stream(stream, |stream, around| stream.reply_part(part, around));
        self.settle();
    }

    /// The upstream breaks off a reply that was [unfinished](Reply::unfinished).
    pub fn reply_breaks(&mut self, stream: StreamId) {
        self.with_stream(stream, |stream, around| stream.reply_breaks(around));
        self.settle();
    }

    /// Takes what a stream has let go since the last time.
    pub(crate) fn progress(&mut self, stream: StreamId) -> Progress {
        let mut progress = Progress::default();
        self.look_at(stream, |stream, around| {
            progress = Progress {
                for_upstream: stream.take_for_upstream(),
                for_client: stream.take_for_client(),
                request_held: stream.held(Direction::Request, around),
                response_held: stream.held(Direction::Response, around),
                takes_request: stream.takes_request(),
                finished: stream.phase() == Phase::Finished,
            }
        });
        progress
    }

    /// Takes the streams that something has happened to.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<StreamId> {
        std::mem::take(&mut self.moved)
    }

    /// How many streams are open or wait to be taken.
    pub(crate) fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// The client goes away.
    pub fn disconnect(&mut self, stream: StreamId) {
        self.with_stream(stream, |stream, around| stream.disconnect(around));
        self.settle();
    }

    /// Takes what came of a stream. One that has not ended is given up, without any callback.
    ///
    /// # Panics
    ///
    /// If the stream is not of this host, or was taken before.
    pub fn finish(&mut self, stream: StreamId) -> Exchange {
        let stream = self
            .streams
            .remove(&stream)
            .expect("the stream is of this host and was not taken before");
        self.moved.remove(&stream.id);
        stream.into_exchange(&mut self.workers)
    }

    /// Lets a host function fail from now on.
    pub fn inject(&mut self, fault: Fault) -> Result<(), UnknownHostFunction> {
        if Function::named(&fault.function).is_none() {
            return Err(UnknownHostFunction(fault.function));
        }
        self.faults.inject(fault);
        Ok(())
    }

    /// Ends all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Sets the virtual wall clock, and not the monotonic one: nanoseconds since 1970.
    pub fn set_wall_clock(&mut self, nanoseconds: u64) {
        self.clock.set_wall(nanoseconds);
    }

    /// The wall clock: nanoseconds since 1970.
    pub fn wall_clock(&self) -> u64 {
        self.clock.wall()
    }

    /// The monotonic clock in nanoseconds.
    pub fn monotonic_clock(&self) -> u64 {
        self.clock.monotonic()
    }

    /// Drops the guests' log lines below this level from now on.
    pub fn set_log_level(&mut self, level: LogLevel) {
        self.log_level.set(level);
    }

    /// The level below which the guests' log lines are dropped.
    pub fn log_level(&self) -> LogLevel {
        self.log_level.get()
    }

    /// All log lines since the start, or since they were last taken.
    pub fn logs(&self) -> &[LogLine] {
        &self.journal.log
    }

    /// Takes the log lines.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.journal.log)
    }

    /// All trace lines since the start, or since they were last taken. Empty unless the host was built to trace.
    pub fn trace(&self) -> &[String] {
        &self.journal.trace
    }

    /// Takes the trace lines.
    pub fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.journal.trace)
    }

    /// Takes the callbacks that ran for root contexts: starts, configurations, ticks, replies.
    pub fn take_callbacks(&mut self) -> Vec<Callback> {
        std::mem::take(&mut self.callbacks)
    }

    /// All metrics under the names that the guest gave.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.shared.metrics()
    }

    /// The value of a counter.
    pub fn counter(&self, name: &str) -> Option<u64> {
        match self.shared.metric(name) {
            Some(Metric::Counter(value)) => Some(value),
            _ => None,
        }
    }

    /// Counters and gauges under the names that they have in Envoy's statistics.
    pub fn stats(&self) -> BTreeMap<String, u64> {
        let single = |(name, metric)| match metric {
            Metric::Counter(value) | Metric::Gauge(value) => {
                Some((format!("wasmcustom.{name}"), value))
            }
            Metric::Histogram { .. } => None,
        };
        self.metrics().into_iter().filter_map(single).collect()
    }

    /// What this host's VMs share.
    pub fn shared(&self) -> SharedState {
        self.shared.clone()
    }

    /// How many VMs were started for workers.
    pub fn vm_starts(&self) -> u64 {
        self.vm_starts
    }

    /// How many VMs of workers died.
    pub fn traps(&self) -> u64 {
        self.traps
    }

    /// Lets the scripted upstream answer every stream that waits for it; false if none does.
    pub(crate) fn ask_upstream(&mut self) -> bool {
        let waiting = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.phase() == Phase::Upstream);
        let waiting: Vec<StreamId> = waiting.map(|(id, _)| *id).collect();
        let mut answered = false;
        for id in &waiting {
            let Some(request) = self.streams.get(id).and_then(|stream| stream.upstream()) else {
                continue;
            };
            let cluster = request.cluster.as_ref();
            let cluster = cluster.and_then(|cluster| self.upstream_clusters.get_mut(cluster));
            let reply = match (cluster, &mut self.upstream) {
                (Some(upstream), _) | (None, Upstream::Scripted(upstream)) => upstream(request),
                (None, Upstream::Manual) => continue,
            };
            answered = true;
            self.reply(*id, reply);
        }
        answered
    }

    /// Gives a reply to a stream, or follows it where it leads.
    fn reply(&mut self, id: StreamId, reply: Reply) {
        let routes = &self.settings.routes;
        let followed = self
            .streams
            .get(&id)
            .and_then(|stream| stream.followed(&reply, routes));
        let Some((chain, worker, admitted)) = followed else {
            self.with_stream(id, |stream, around| stream.reply(reply, around));
            return;
        };
        self.with_stream(id, |stream, around| stream.leave(around));
        let filters = self.filters(&chain, worker);
        self.with_stream(id, |stream, around| {
            stream.start_again(filters, admitted, around);
        });
    }

    /// Moves a stream.
    pub(crate) fn with_stream(
        &mut self,
        id: StreamId,
        action: impl FnOnce(&mut Stream, &mut Surroundings<'_>),
    ) {
        if matches!(self.upstream, Upstream::Manual) {
            self.moved.insert(id);
        }
        self.look_at(id, action);
    }

    /// Does something with a stream that does not move it.
    fn look_at(&mut self, id: StreamId, action: impl FnOnce(&mut Stream, &mut Surroundings<'_>)) {
        // Moving one stream touches no other.
        let mut streams = std::mem::take(&mut self.streams);
        if let Some(stream) = streams.get_mut(&id) {
            self.surround(&mut **stream, action);
        }
        self.streams = streams;
    }

    pub(crate) fn surround<T>(
        &mut self,
        stream: &mut T,
        action: impl FnOnce(&mut T, &mut Surroundings<'_>),
    ) {
        let mut around = Surroundings {
            vms: &mut self.workers,
            journal: &mut self.journal,
            settings: &self.settings,
            wall_clock: self.clock.wall(),
            elsewhere: &mut self.elsewhere,
            traps: 0,
        };
        action(stream, &mut around);
        self.traps += around.traps;
    }

    /// A version 4 UUID (RFC 9562, section 5.4), as Envoy makes for `x-request-id`.
    fn request_id(&mut self) -> String {
        let mut bytes = [0; 16];
        // Without randomness the id is all zeros: no request must fail for an id that is for logs only.
        let _filled = self.request_ids.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 0x0f] {
                text.push(char::from(HEX[usize::from(digit)]));
            }
        }
        text
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("workers", &self.worker_count)
            .field("plugins", &self.plugins.len())
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}
