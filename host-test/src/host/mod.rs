//! The host: VMs, plugins and streams, and the calls that move them.

mod moving;
mod observed;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::builder::{Answering, Cluster, HostBuilder, Parts, Upstream};
use crate::callout::PendingCall;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::exchange::{Callback, StreamId};
use crate::fault::{Fault, Faults, UnknownHostFunction};
use crate::functions::Function;
use crate::grpc::GrpcPeer;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::module::Module;
use crate::plugin::Plugin;
use crate::plugins::{Base, Draining, Loaded, PluginId, VmSlot};
use crate::shared::SharedState;
use crate::state::{Deferred, Offered};
use crate::status::{LogLevel, SharedLevel};
use crate::stream::{Stream, StreamSettings};

pub(crate) use moving::Progress;
pub use streams::StreamState;

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
    pub(crate) vms: Vec<VmSlot>,
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
    /// The counters as a stats sink saw them last.
    pub(crate) flushed: BTreeMap<String, u64>,
}

/// Where random numbers come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Randomness {
    Seeded(u64),
    Real,
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
            vms: Vec::new(),
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
            flushed: BTreeMap::new(),
        };
        if parts.diagnostics {
            host.inspect_module();
        }
        host
    }

    /// Lets a host function fail from now on.
    pub fn inject(&mut self, fault: Fault) -> Result<(), UnknownHostFunction> {
        if Function::named(&fault.function).is_none() {
            return Err(UnknownHostFunction(fault.function));
        }
        self.faults.inject(fault);
        Ok(())
    }

    /// The faults in force that have not struck yet. A test whose fault is still here at its end has tested something else than
    /// it says.
    pub fn unstruck_faults(&self) -> Vec<Fault> {
        let unstruck = self.faults.unstruck().into_iter();
        unstruck.map(|unstruck| unstruck.fault).collect()
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

    /// What this host's VMs share.
    pub fn shared(&self) -> SharedState {
        self.shared.clone()
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
