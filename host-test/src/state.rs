//! What a VM knows: its identity, its contexts, and what happens while a callback runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::{Memory, TypedFunc};

use crate::attributes::Settings;
use crate::callout::{CalloutReply, NewCallout};
use crate::capabilities::Capabilities;
use crate::clock::Clock;
use crate::diagnostics::{Recorder, StreamNotes};
use crate::dns::{DnsAnswers, NewLookup};
use crate::entropy::Entropy;
use crate::exchange::{Copied, LocalResponse, LogLine, StreamId};
use crate::fault::Faults;
use crate::filter_state::{Declaration, FilterStates};
use crate::foreign::{Expressions, ForeignFunctions};
use crate::functions::{Export, Function};
use crate::grpc::Handles;
use crate::headers::{HeaderMap, Joining};
use crate::limits::{Growth, Limits, Spent};
use crate::plugin::RootKey;
use crate::profile::Profile;
use crate::shared::{MetricKind, SharedState};
use crate::status::{LogLevel, SharedLevel};
use crate::stream::StreamInfo;
use crate::version::AbiVersion;

/// The token of the first name that is looked up (Envoy `Wasm::nextDnsToken`).
const FIRST_LOOKUP: u32 = 2;

/// What a VM is told about itself, the same for all VMs that run the same plugins.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) vm_id: String,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log_level: SharedLevel,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) offered: Arc<Offered>,
    pub(crate) trace: bool,
    pub(crate) capabilities: Capabilities,
}

/// What whoever runs the host offers to all guests.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    /// Attributes in place of what the host would compute.
    pub(crate) properties: Settings,
    pub(crate) foreign_functions: ForeignFunctions,
    pub(crate) dns: DnsAnswers,
}

/// Where a host keeps a VM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The host among those that share data.
    pub(crate) host: u64,
    /// The VM among those of the host.
    pub(crate) vm: usize,
    /// The worker; the number behind the last one's is the main thread.
    pub(crate) thread: usize,
}

/// The data of one wasmtime store.
pub(crate) struct VmState {
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) shared: SharedState,
    pub(crate) faults: Faults,
    pub(crate) limits: Growth,
    /// What the running callback has used up of the host.
    pub(crate) spent: Spent,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocator: Option<(&'static str, TypedFunc<u32, u32>)>,
    /// `envoy_on_resolve_dns`, which may be called while a host function runs.
    pub(crate) on_resolve_dns: Option<TypedFunc<(u32, u32, u32), ()>>,
    /// The version that the guest speaks, and the host that it is to find.
    pub(crate) abi: AbiVersion,
    pub(crate) profile: Profile,

    pub(crate) roots: BTreeMap<u32, RootContext>,
    pub(crate) streams: BTreeMap<u32, Box<StreamContext>>,
    next_context: u32,
    /// The context that host functions act on: that of the callback, unless the guest chose another.
    pub(crate) effective: u32,
    /// The context of the callback, whatever the guest chose.
    pub(crate) current: u32,
    pub(crate) callback: Option<Export>,
    /// True while `_initialize` runs, when Envoy forbids almost everything.
    pub(crate) restricted: bool,
    /// What guests asked for and Envoy does only when the callback has returned.
    pub(crate) deferred: Vec<(u32, Deferred)>,

    pub(crate) metrics: BTreeMap<u32, (String, MetricKind)>,
    /// How many of each kind.
    pub(crate) metrics_defined: [u32; 3],
    /// Calls that the guest has made and that are not answered.
    pub(crate) calls_in_flight: usize,
    pub(crate) callouts: Vec<NewCallout>,
    pub(crate) next_callout: u32,
    pub(crate) lookups: Vec<NewLookup>,
    pub(crate) next_lookup: u32,
    /// The reply that the running `proxy_on_http_call_response` is about.
    pub(crate) reply: Option<CalloutReply>,
    pub(crate) grpc: Handles,
    /// What the running gRPC callback is about.
    pub(crate) grpc_metadata: GrpcMetadata,
    pub(crate) grpc_message: Option<Vec<u8>>,
    /// The configuration that was read last: Envoy has one buffer for several things.
    pub(crate) stale_buffer: Vec<u8>,
    /// A local response was asked for, by whichever context: Envoy then stops the stream whose callback runs.
    pub(crate) stop_iteration: bool,
    /// A context of it is told of the items of a queue.
    pub(crate) consumes_queue: bool,
    /// Where the host keeps this VM.
    pub(crate) place: Place,
    /// Root contexts that said `proxy_done`: they are deleted when the callback has returned.
    pub(crate) done: Vec<u32>,

    /// How often each host function was called in the running callback, by its number.
    pub(crate) calls: Vec<u32>,
    /// Those that were called at all.
    pub(crate) called: Vec<Function>,
    pub(crate) copied: Copied,
    /// Calls of the guest's allocator in the running callback.
    pub(crate) allocations: u32,
    pub(crate) recorder: Option<Box<Recorder>>,
    pub(crate) journal: Vec<LogLine>,
    pub(crate) trace: Vec<String>,
}

/// What happens to a stream when the callback has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    ContinueRequest,
    ContinueResponse,
    LocalResponse(LocalResponse),
    Close,
    ContinueDownstream,
    CloseConnection,
}

/// Metadata that a gRPC peer sent.
#[derive(Debug, Default)]
pub(crate) struct GrpcMetadata {
    pub(crate) initial: Option<HeaderMap>,
    pub(crate) trailing: Option<HeaderMap>,
}

/// One plugin configuration in one VM.
#[derive(Debug)]
pub(crate) struct RootContext {
    pub(crate) plugin: Arc<RootKey>,
    /// Its `proxy_on_done` said "not yet": it lives on until `proxy_done`.
    pub(crate) pending_done: bool,
    /// Nanoseconds; 0: no ticks.
    pub(crate) tick_period: u64,
    pub(crate) next_tick: u64,
    /// What `proxy_get_status` answers: the last call that failed, or the last gRPC call that ended.
    pub(crate) status: (u32, String),
    /// What this context declared about properties.
    pub(crate) declared: BTreeMap<Vec<u8>, Declaration>,
    pub(crate) expressions: Expressions,
}

/// What all filters of a stream have in common (Envoy `StreamInfo`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Common(Arc<Mutex<Facts>>);

/// What has become of a stream so far, and what filters left on it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// What filters leave for others to read, under full names, such as `wasm.x` for what a guest set as `x`.
    pub(crate) filter_state: FilterStates,
    /// The status of the response, once there is one.
    pub(crate) code: Option<u16>,
    pub(crate) details: String,
    /// The bytes of the request's body that have come, and of the response's that have left.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// The whole response has come.
    pub(crate) response_complete: bool,
    /// It is a connection, and so much has come of that to the upstream.
    pub(crate) to_upstream: Option<ToUpstream>,
    /// `response.flags` of a connection.
    pub(crate) flags: i64,
}

/// What has come of the connection to the upstream of a TCP proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ToUpstream {
    NotTried,
    Connected,
    Refused,
}

impl Common {
    /// What is known of a stream when all that is known is what filters left before it.
    pub(crate) fn with(filter_state: FilterStates) -> Self {
        let facts = Facts {
            filter_state,
            ..Facts::default()
        };
        Self(Arc::new(Mutex::new(facts)))
    }

    /// What is known of a new connection.
    pub(crate) fn of_connection() -> Self {
        let facts = Facts {
            to_upstream: Some(ToUpstream::NotTried),
            ..Facts::default()
        };
        Self(Arc::new(Mutex::new(facts)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Facts> {
        // Every change is one assignment or insertion, so all is whole even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream in one VM.
#[derive(Debug)]
pub(crate) struct StreamContext {
    pub(crate) id: StreamId,
    /// The number of the client's connection.
    pub(crate) connection: u64,
    pub(crate) root: u32,
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) logging: bool,
    pub(crate) common: Common,
    /// What this context declared about properties, to no effect.
    pub(crate) declared: BTreeMap<Vec<u8>, Declaration>,
    /// Attributes that the request came with.
    pub(crate) properties: Settings,
    pub(crate) started: u64,
    pub(crate) source: SocketAddr,
    pub(crate) protocol: &'static str,
    pub(crate) details: String,
    pub(crate) notes: StreamNotes,
    /// What passes, if it is a connection and no request.
    pub(crate) tcp: Option<Tcp>,
}

/// The bytes of a connection that a filter has before it.
#[derive(Debug, Default)]
pub(crate) struct Tcp {
    pub(crate) downstream: Passing,
    pub(crate) upstream: Passing,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Passing {
    pub(crate) bytes: Vec<u8>,
    /// From a callback about it until the filter lets it go.
    pub(crate) visible: bool,
}

/// A request or a response on its way through the filter. Envoy shows each part only for a while.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    pub(crate) headers_visible: bool,
    /// What is buffered, with the part that the current callback is about.
    pub(crate) body: Vec<u8>,
    pub(crate) body_visible: bool,
    pub(crate) trailers: HeaderMap,
    pub(crate) trailers_visible: bool,
    /// The message ends with the body that the guest sees now: it may write trailers, which makes them.
    pub(crate) may_add_trailers: bool,
}

impl Message {
    fn new(joining: Joining) -> Self {
        Self {
            headers: HeaderMap::with_joining(joining),
            headers_visible: false,
            body: Vec::new(),
            body_visible: false,
            trailers: HeaderMap::new(),
            trailers_visible: false,
            may_add_trailers: false,
        }
    }

    /// Ends what Envoy ends when a guest tells the stream to go on.
    pub(crate) fn hide(&mut self) {
        self.headers_visible = false;
        self.body_visible = false;
        self.trailers_visible = false;
    }
}

impl StreamContext {
    pub(crate) fn new(info: &StreamInfo) -> Self {
        Self {
            id: info.id,
            connection: info.connection,
            root: 0,
            request: Message::new(Joining::Request),
            response: Message::new(Joining::Response),
            logging: false,
            common: info.common.clone(),
            declared: BTreeMap::new(),
            properties: info.properties.clone(),
            started: info.started,
            source: info.source,
            protocol: info.protocol,
            details: String::new(),
            notes: StreamNotes::default(),
            tcp: None,
        }
    }
}

impl VmState {
    pub(crate) fn new(
        identity: Arc<Identity>,
        place: Place,
        clock: Clock,
        entropy: Entropy,
        shared: SharedState,
        faults: Faults,
        limits: Limits,
    ) -> Self {
        Self {
            identity,
            clock,
            entropy,
            shared,
            faults,
            limits: limits.store(),
            spent: Spent::new(limits),
            memory: None,
            allocator: None,
            on_resolve_dns: None,
            abi: AbiVersion::V0_2_1,
            profile: Profile::Envoy,
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_context: 1,
            effective: 0,
            current: 0,
            callback: None,
            restricted: false,
            deferred: Vec::new(),
            metrics: BTreeMap::new(),
            metrics_defined: [0; 3],
            calls_in_flight: 0,
            callouts: Vec::new(),
            next_callout: 0,
            lookups: Vec::new(),
            next_lookup: FIRST_LOOKUP,
            reply: None,
            grpc: Handles::default(),
            grpc_metadata: GrpcMetadata::default(),
            grpc_message: None,
            stale_buffer: Vec::new(),
            stop_iteration: false,
            consumes_queue: false,
            place,
            done: Vec::new(),
            called: Vec::new(),
            calls: vec![0; Function::ALL.len()],
            copied: Copied::default(),
            allocations: 0,
            recorder: None,
            journal: Vec::new(),
            trace: Vec::new(),
        }
    }

    pub(crate) fn add_root(&mut self, plugin: Arc<RootKey>) -> u32 {
        let id = self.new_context_id();
        self.roots.insert(
            id,
            RootContext {
                plugin,
                pending_done: false,
                tick_period: 0,
                next_tick: 0,
                status: (0, String::new()),
                declared: BTreeMap::new(),
                expressions: Expressions::default(),
            },
        );
        id
    }

    pub(crate) fn add_stream(&mut self, mut stream: Box<StreamContext>, root: u32) -> u32 {
        let id = self.new_context_id();
        stream.root = root;
        self.streams.insert(id, stream);
        id
    }

    /// The stream that host functions act on, if they act on one.
    pub(crate) fn stream(&self) -> Option<&StreamContext> {
        self.streams.get(&self.effective).map(AsRef::as_ref)
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut StreamContext> {
        self.streams.get_mut(&self.effective).map(AsMut::as_mut)
    }

    /// The root context that host functions act on, that of the stream if they act on one.
    pub(crate) fn root_id(&self) -> u32 {
        self.stream().map_or(self.effective, |stream| stream.root)
    }

    pub(crate) fn set_status(&mut self, root: u32, code: u32, message: String) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.status = (code, message);
        }
    }

    /// Envoy forgets the message when the callback has returned, and keeps the code.
    pub(crate) fn clear_status_message(&mut self, root: u32) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.status.1.clear();
        }
    }

    /// The plugin in whose name host functions act.
    pub(crate) fn plugin(&self) -> Option<&RootKey> {
        self.roots.get(&self.root_id()).map(|root| &*root.plugin)
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: String) {
        if level >= self.identity.log_level.get() {
            let stream = self.stream().map(|stream| stream.id);
            self.journal.push(LogLine {
                level,
                message,
                worker: self.place.thread,
                context: self.effective,
                stream,
            });
        }
    }

    fn new_context_id(&mut self) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        id
    }
}
