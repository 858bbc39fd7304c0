//! How a host is put together.

mod offered;
mod peers;
mod plugin;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, nanoseconds};
use crate::diagnostics::{Allowance, Report};
use crate::exchange::LogLine;
use crate::front::FrontSettings;
use crate::grpc::GrpcPeer;
use crate::host::{Host, Randomness};
use crate::journal::{Journal, LogSink, TraceSink};
use crate::limits::Limits;
use crate::module::Module;
use crate::plugin::Plugin;
use crate::request::Reply;
use crate::routes::Routes;
use crate::shared::SharedState;
use crate::state::Offered;
use crate::status::LogLevel;
use crate::stream::StreamSettings;

pub(crate) use peers::{Answering, Cluster, Upstream};
pub use plugin::{FailurePolicy, UnknownFailurePolicy};

/// Envoy's default for `per_connection_buffer_limit_bytes`.
const DEFAULT_BUFFER_LIMIT: usize = 1024 * 1024;

/// Envoy's default for `--drain-time-s`.
const DRAIN_TIME: Duration = Duration::from_secs(600);

/// Puts a [`Host`] together. Everything has a default that is Envoy's, or that makes runs repeatable.
#[must_use = "a builder does nothing until it builds"]
pub struct HostBuilder {
    template: Plugin,
    log_level: LogLevel,
    trace: bool,
    workers: usize,
    main_thread_vm: bool,
    drain_time: Duration,
    clock: Clock,
    randomness: Randomness,
    stream: StreamSettings,
    limits: Limits,
    canary: bool,
    shared: SharedState,
    upstream: Upstream,
    upstream_clusters: BTreeMap<String, Answering>,
    clusters: BTreeMap<String, Cluster>,
    grpc_peers: BTreeMap<String, GrpcPeer>,
    offered: Offered,
    sink: Option<LogSink>,
    trace_sink: Option<TraceSink>,
    diagnostics: bool,
    allowed: Vec<Allowance>,
}

impl HostBuilder {
    pub(crate) fn new(module: &Module) -> Self {
        Self {
            template: Plugin::of(module),
            log_level: LogLevel::default(),
            trace: false,
            workers: 1,
            main_thread_vm: true,
            drain_time: DRAIN_TIME,
            clock: Clock::default(),
            randomness: Randomness::Seeded(0),
            stream: StreamSettings {
                front: FrontSettings {
                    trailers: false,
                    upgrade_types: vec!["websocket".to_owned()],
                    envoy_headers: true,
                },
                buffer_limit: DEFAULT_BUFFER_LIMIT,
                routes: Routes::default(),
            },
            limits: Limits {
                memory: module
                    .profile()
                    .memory_limit()
                    .unwrap_or(Limits::default().memory),
                ..Limits::default()
            },
            canary: true,
            shared: SharedState::new(),
            upstream: Upstream::Scripted(Box::new(|_| Reply::ok())),
            upstream_clusters: BTreeMap::new(),
            clusters: BTreeMap::new(),
            grpc_peers: BTreeMap::new(),
            offered: Offered::default(),
            sink: None,
            trace_sink: None,
            diagnostics: true,
            allowed: Vec::new(),
        }
    }

    /// How many workers there are, each with VMs of its own; 1 without this. Streams go to them in turn.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Whether there are VMs on the main thread too, as in Envoy: they serve no streams, but are configured, have their ticks
    /// and get the replies to their calls. They are without this.
    pub fn main_thread_vm(mut self, there: bool) -> Self {
        self.main_thread_vm = there;
        self
    }

    /// How long the root context of a replaced configuration lives on, on the host's clock: the time in which Envoy drains
    /// the listener (`--drain-time-s`). 600 seconds without this, as in Envoy. See [`Host::drain`].
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time;
        self
    }

    /// A virtual wall clock that starts at this many nanoseconds since 1970; 2026-01-01T00:00:00Z without this.
    pub fn wall_clock(mut self, nanoseconds: u64) -> Self {
        self.clock = Clock::simulated(nanoseconds);
        self
    }

    /// A virtual wall clock that starts at this many seconds since 1970.
    pub fn wall_clock_secs(self, seconds: u64) -> Self {
        self.wall_clock(nanoseconds(Duration::from_secs(seconds)))
    }

    /// The machine's clocks instead of virtual ones. Time passes by itself then; call [`Host::poll`] to have ticks fire.
    pub fn real_clock(mut self) -> Self {
        self.clock = Clock::real();
        self
    }

    /// The start of the random numbers that guests get; 0 without this. The same start gives the same numbers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.randomness = Randomness::Seeded(seed);
        self
    }

    /// The machine's randomness instead of repeatable numbers.
    pub fn real_entropy(mut self) -> Self {
        self.randomness = Randomness::Real;
        self
    }

    /// Whether trailers of HTTP/1.1 arrive (Envoy's `enable_trailers`); not without this. Those of HTTP/2 always do.
    pub fn trailers(mut self, enabled: bool) -> Self {
        self.stream.front.trailers = enabled;
        self
    }

    /// The bytes of a body that a filter may hold back; 1 MiB without this, as in Envoy. The answer to a longer request is 413,
    /// to a request with a longer response 500.
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.stream.buffer_limit = bytes;
        self
    }

    /// The upgrades that are let in (Envoy's `upgrade_configs`); `websocket` without this. Others get a 403 from the host.
    pub fn upgrade_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.stream.front.upgrade_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the headers are there that Envoy adds by itself: `x-forwarded-proto`, `x-request-id`,
    /// `x-envoy-expected-rq-timeout-ms` and `x-envoy-upstream-service-time`. They are without this.
    pub fn envoy_headers(mut self, added: bool) -> Self {
        self.stream.front.envoy_headers = added;
        self
    }

    /// The fuel that one callback may burn, roughly one unit for each wasm instruction. One that needs more is stopped, and
    /// its VM is dead. Envoy has no such limit.
    pub fn fuel_per_callback(mut self, fuel: u64) -> Self {
        self.limits.fuel = fuel;
        self
    }

    /// How long one callback may run on the machine's clock, to about 10 ms. One that runs longer is stopped, and its VM is
    /// dead. There is no bound without this: what a guest may do would depend on the machine. Envoy has none either.
    pub fn callback_time_limit(mut self, limit: Duration) -> Self {
        self.limits.time = Some(limit);
        self
    }

    /// The bytes that one callback may make the host keep: log lines, headers, shared data, calls. One that would need more is
    /// stopped, and its VM is dead. 64 MiB without this; Envoy has no such limit.
    pub fn host_memory_per_callback(mut self, bytes: usize) -> Self {
        self.limits.kept = bytes;
        self
    }

    /// The bytes of memory that a VM may have; 1 GiB without this, as in Envoy.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Lines below this level are dropped; [`LogLevel::Info`] without this.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Whether every crossing of the boundary is written down, in the format of Envoy's `wasm:trace` log.
    pub fn trace(mut self, traced: bool) -> Self {
        self.trace = traced;
        self
    }

    /// Whether code is first loaded, and each configuration first tried, in VMs that are thrown away after, as Envoy does. They
    /// are without this. The trace has what these VMs do; what they log is kept only of a refusal.
    pub fn canary(mut self, canary: bool) -> Self {
        self.canary = canary;
        self
    }

    /// Shared data, queues and metrics in common with another host, as within one Envoy.
    pub fn shared(mut self, shared: SharedState) -> Self {
        self.shared = shared;
        self
    }

    /// Gives log lines to `sink` as they come, instead of keeping them for [`Host::logs`].
    pub fn on_log(mut self, sink: impl FnMut(&LogLine) + Send + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Gives trace lines to `sink` as they come, instead of keeping them for [`Host::trace`].
    pub fn on_trace(mut self, sink: impl FnMut(&str) + Send + 'static) -> Self {
        self.trace_sink = Some(Box::new(sink));
        self
    }

    /// Whether [`Host::diagnostics`] has anything to say; it does without this. What the host answers to guests is the same
    /// with and without.
    pub fn diagnose(mut self, wanted: bool) -> Self {
        self.diagnostics = wanted;
        self
    }

    /// Leaves a finding out of [`Host::diagnostics`]: a [`Code`](crate::Code), or an [`Allowance`] read from text such as
    /// `PH014@proxy_on_request_headers`.
    pub fn allow(mut self, finding: impl Into<Allowance>) -> Self {
        self.allowed.push(finding.into());
        self
    }

    /// The host. No VM runs before the first [`Host::add_plugin`].
    pub fn build(self) -> Host {
        let journal = Journal {
            sink: self.sink,
            trace_sink: self.trace_sink,
            report: Report::new(self.allowed),
            ..Journal::default()
        };
        Host::assemble(Parts {
            template: self.template,
            log_level: self.log_level,
            trace: self.trace,
            workers: self.workers,
            main_thread_vm: self.main_thread_vm,
            drain_time: nanoseconds(self.drain_time),
            clock: self.clock,
            randomness: self.randomness,
            stream: self.stream,
            limits: self.limits,
            canary: self.canary,
            shared: self.shared,
            upstream: self.upstream,
            upstream_clusters: self.upstream_clusters,
            clusters: self.clusters,
            grpc_peers: self.grpc_peers,
            offered: Arc::new(self.offered),
            journal,
            diagnostics: self.diagnostics,
        })
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// Everything that a host is made of.
pub(crate) struct Parts {
    pub(crate) template: Plugin,
    pub(crate) log_level: LogLevel,
    pub(crate) trace: bool,
    pub(crate) workers: usize,
    pub(crate) main_thread_vm: bool,
    pub(crate) drain_time: u64,
    pub(crate) clock: Clock,
    pub(crate) randomness: Randomness,
    pub(crate) stream: StreamSettings,
    pub(crate) limits: Limits,
    pub(crate) canary: bool,
    pub(crate) shared: SharedState,
    pub(crate) upstream: Upstream,
    pub(crate) upstream_clusters: BTreeMap<String, Answering>,
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) grpc_peers: BTreeMap<String, GrpcPeer>,
    pub(crate) offered: Arc<Offered>,
    pub(crate) journal: Journal,
    pub(crate) diagnostics: bool,
}
