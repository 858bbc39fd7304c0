//! How a host is put together.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::attributes::{PropertyValue, Setting, Settings};
use crate::callout::{Callout, CalloutReply};
use crate::clock::{Clock, nanoseconds};
use crate::diagnostics::{Allowance, Report};
use crate::exchange::{LogLine, UpstreamRequest};
use crate::front::FrontSettings;
use crate::grpc::{GrpcEvent, GrpcPeer, GrpcReply};
use crate::host::{Host, Randomness};
use crate::journal::{Journal, LogSink, TraceSink};
use crate::limits::Limits;
use crate::module::Module;
use crate::plugin::Plugin;
use crate::request::Reply;
use crate::routes::{Route, Routes};
use crate::shared::SharedState;
use crate::state::Offered;
use crate::status::LogLevel;
use crate::stream::StreamSettings;

/// Envoy's default for `per_connection_buffer_limit_bytes`.
const DEFAULT_BUFFER_LIMIT: usize = 1024 * 1024;

/// Envoy's default for `--drain-time-s`.
const DRAIN_TIME: Duration = Duration::from_secs(600);

/// Who answers as a cluster.
pub(crate) enum Cluster {
    Scripted(Box<dyn FnMut(&Callout) -> CalloutReply + Send>),
    /// The caller, with `Host::call_replies`.
    Manual,
}

/// A function that answers as an upstream.
pub(crate) type Answering = Box<dyn FnMut(&UpstreamRequest) -> Reply + Send>;

/// Who answers as the upstream.
pub(crate) enum Upstream {
    Scripted(Answering),
    /// The caller, with `Host::upstream_replies`.
    Manual,
}

/// What becomes of requests when the VM of their worker has died (Envoy's `failure_policy`). The request in whose callback
/// it died gets a 503 in any case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// All later requests of the worker get a 503.
    #[default]
    FailClosed,
    /// All later requests of the worker go past the filter.
    FailOpen,
    /// The next request starts a new VM.
    FailReload,
}

/// A word that names no failure policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no failure policy: use fail-closed, fail-open or fail-reload")]
pub struct UnknownFailurePolicy(pub String);

impl FromStr for FailurePolicy {
    type Err = UnknownFailurePolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fail-closed" => Ok(Self::FailClosed),
            "fail-open" => Ok(Self::FailOpen),
            "fail-reload" => Ok(Self::FailReload),
            other => Err(UnknownFailurePolicy(other.to_owned())),
        }
    }
}

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
            limits: Limits::default(),
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

    /// The `vm_id`, under which VMs share data and queues; empty without this. This and what follows about plugins is for
    /// those that [`Host::add_plugin`] adds; for others see [`Plugin`].
    pub fn vm_id(mut self, vm_id: impl Into<String>) -> Self {
        self.template = self.template.vm_id(vm_id);
        self
    }

    /// The VM configuration.
    pub fn vm_configuration(mut self, configuration: impl AsRef<[u8]>) -> Self {
        self.template = self.template.vm_configuration(configuration);
        self
    }

    /// An environment variable that the guest may see; it sees no others (Envoy's `host_env_keys` and `key_values`).
    pub fn environment(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.template = self.template.environment(key, value);
        self
    }

    /// The plugin's name, as the property `plugin_name` has it; `plugin` without this.
    pub fn plugin_name(mut self, name: impl Into<String>) -> Self {
        self.template = self.template.name(name);
        self
    }

    /// The plugin's `root_id`; empty without this.
    pub fn root_id(mut self, root_id: impl Into<String>) -> Self {
        self.template = self.template.root_id(root_id);
        self
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

    /// What becomes of requests when the VM of their worker has died.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.template = self.template.failure_policy(policy);
        self
    }

    /// How long after a start of a VM [`FailurePolicy::FailReload`] does not start another one; see
    /// [`Plugin::reload_backoff`]. One second without this, as in Envoy.
    pub fn reload_backoff(mut self, backoff: Duration) -> Self {
        self.template = self.template.reload_backoff(backoff);
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

    /// Envoy's plugin option of this name (since 1.35). Without it, pausing at headers pauses the body's callbacks too.
    pub fn allow_on_headers_stop_iteration(mut self, allowed: bool) -> Self {
        self.template = self.template.allow_on_headers_stop_iteration(allowed);
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

    /// Who answers requests that the filter lets through; without this, an upstream that says 200.
    pub fn upstream(
        mut self,
        upstream: impl FnMut(&UpstreamRequest) -> Reply + Send + 'static,
    ) -> Self {
        self.upstream = Upstream::Scripted(Box::new(upstream));
        self
    }

    /// One more route behind the others; see [`Route`]. Without any, everything leads to the upstream. Where there are some, a
    /// request that none matches gets a 404, when it has passed the filters.
    pub fn route(mut self, route: Route) -> Self {
        self.stream.routes.list.push(route);
        self
    }

    /// A cluster that [routes](Route::to) can lead to, and who answers there.
    pub fn upstream_cluster(
        mut self,
        name: impl Into<String>,
        upstream: impl FnMut(&UpstreamRequest) -> Reply + Send + 'static,
    ) -> Self {
        let name = name.into();
        self.stream.routes.clusters.insert(name.clone());
        self.upstream_clusters.insert(name, Box::new(upstream));
        self
    }

    /// The caller answers, with [`Host::upstream_replies`].
    pub fn manual_upstream(mut self) -> Self {
        self.upstream = Upstream::Manual;
        self
    }

    /// A cluster that guests can call with `proxy_http_call`, and what it answers.
    pub fn cluster(
        mut self,
        name: impl Into<String>,
        peer: impl FnMut(&Callout) -> CalloutReply + Send + 'static,
    ) -> Self {
        self.clusters
            .insert(name.into(), Cluster::Scripted(Box::new(peer)));
        self
    }

    /// A cluster that guests can call with `proxy_http_call`; the caller answers, with [`Host::take_calls`] and
    /// [`Host::call_replies`].
    pub fn manual_cluster(mut self, name: impl Into<String>) -> Self {
        self.clusters.insert(name.into(), Cluster::Manual);
        self
    }

    /// A function that guests can call with `proxy_call_foreign_function`, before any of Envoy's with the same name. It gets
    /// the arguments, and answers with a result or with a status of the ABI other than 0.
    ///
    /// ```
    /// # use postern_host::{Host, Module};
    /// # fn example(module: &Module) {
    /// let host = Host::builder(module)
    ///     .foreign_function("reverse", |arguments| {
    ///         if arguments.is_empty() {
    ///             return Err(2);
    ///         }
    ///         Ok(arguments.iter().rev().copied().collect())
    ///     })
    ///     .build();
    /// # }
    /// ```
    pub fn foreign_function(
        mut self,
        name: impl Into<String>,
        function: impl FnMut(&[u8]) -> Result<Vec<u8>, u32> + Send + 'static,
    ) -> Self {
        let functions = &mut self.offered.foreign_functions;
        functions.add(name.into(), Box::new(function));
        self
    }

    /// A property that guests read on every stream, in place of what the host would compute, or where it would have nothing.
    /// Those of the upstream are there from its answer on, as in Envoy; the plugin's own and `xds.node` in root contexts too.
    /// The path is written with dots; see [`property_at`](Self::property_at) for segments that contain some.
    ///
    /// ```
    /// # use postern_host::{Host, Module};
    /// # fn example(module: &Module) {
    /// let host = Host::builder(module)
    ///     .property("xds.route_name", "orders")
    ///     .property("xds.listener_direction", 1_i64)
    ///     .property("metadata.filter_metadata.ns.weight", 0.5)
    ///     .property_at(["metadata", "filter_metadata", "envoy.lb", "canary"], true)
    ///     .without_property("source.address")
    ///     .build();
    /// # }
    /// ```
    pub fn property(mut self, path: &str, value: impl Into<PropertyValue>) -> Self {
        let path = Settings::split(path);
        let properties = &mut self.offered.properties;
        properties.set(path, Setting::Value(value.into()));
        self
    }

    /// The same, for a path given in segments.
    pub fn property_at<S: Into<String>>(
        mut self,
        path: impl IntoIterator<Item = S>,
        value: impl Into<PropertyValue>,
    ) -> Self {
        let path = path.into_iter().map(Into::into);
        let properties = &mut self.offered.properties;
        properties.set(path, Setting::Value(value.into()));
        self
    }

    /// A property that guests do not find, with everything under it.
    pub fn without_property(mut self, path: &str) -> Self {
        let path = Settings::split(path);
        self.offered.properties.set(path, Setting::Absent);
        self
    }

    /// A cluster with a gRPC service that guests can call with `proxy_grpc_call` and `proxy_grpc_stream`. The peer is asked
    /// each time that something reaches it, and answers with what it sends then.
    ///
    /// ```
    /// # use postern_host::{GrpcEvent, GrpcReply, Host, Module};
    /// # fn example(module: &Module) {
    /// let host = Host::builder(module)
    ///     .grpc_service("authz", |event| match event {
    ///         GrpcEvent::Call(call, message) if call.method == "Check" => GrpcReply::ok(message),
    ///         GrpcEvent::Call(..) => GrpcReply::error(12, "no such method"),
    ///         GrpcEvent::Message(_, message) => GrpcReply::new().message(message),
    ///         GrpcEvent::HalfClosed(_) => GrpcReply::new().status(0, ""),
    ///         _ => GrpcReply::new(),
    ///     })
    ///     .build();
    /// # }
    /// ```
    pub fn grpc_service(
        mut self,
        cluster: impl Into<String>,
        peer: impl FnMut(&GrpcEvent<'_>) -> GrpcReply + Send + 'static,
    ) -> Self {
        let cluster = cluster.into();
        self.grpc_peers.insert(cluster, Box::new(peer));
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
