//! One stream's way through the filter, in the order and with the holding and releasing that Envoy has.

mod answer;
mod departed;
mod flow;

pub(crate) use departed::Departed;

use std::collections::{BTreeMap, VecDeque};

use crate::exchange::{
    AnsweredBy, Callback, Exchange, LocalResponse, LogLine, Response, StreamId, UpstreamRequest,
};
use crate::front::{self, Admitted, Part, Refusal};
use crate::functions::Export;
use crate::headers::HeaderMap;
use crate::journal::Journal;
use crate::local_reply::LocalReply;
use crate::request::Reply;
use crate::state::{Deferred, Message, StreamContext};
use crate::vm::Vm;

/// What a stream needs from its host while it moves.
pub(crate) struct Surroundings<'a> {
    /// The VM that holds the stream's context, unless the stream runs without one.
    pub(crate) vm: Option<&'a mut Vm>,
    pub(crate) journal: &'a mut Journal,
    pub(crate) settings: &'a StreamSettings,
    pub(crate) wall_clock: u64,
    /// What callbacks asked to be done to other streams.
    pub(crate) elsewhere: &'a mut Vec<(u32, Deferred)>,
}

/// Settings of the filter chain.
#[derive(Clone, Debug)]
pub(crate) struct StreamSettings {
    pub(crate) front: front::FrontSettings,
    /// Envoy's plugin option of this name: without it, "stop iteration" at headers stops everything.
    pub(crate) allow_on_headers_stop_iteration: bool,
    /// Streams go on without the filter once its VM is dead.
    pub(crate) fail_open: bool,
    /// The bytes of a body that a filter may hold back (Envoy `per_connection_buffer_limit_bytes`).
    pub(crate) buffer_limit: usize,
}

/// A stream.
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) worker: usize,
    pub(crate) context: u32,
    /// The context's data while no VM holds it: before the VM knows the stream, and after the VM is gone.
    detached: Option<Box<StreamContext>>,
    /// Whether the worker's VM holds the context. Ids say nothing about that: those of a new VM begin again.
    attached: bool,
    phase: Phase,
    request: Flow,
    response: Flow,
    response_started: bool,
    /// The upstream answers while the request is still on its way: both directions flow.
    duplex: bool,
    /// Whoever streams has taken the heads of the messages.
    upstream_head_taken: bool,
    client_head_taken: bool,
    grpc: bool,
    head: bool,
    http2: bool,
    /// The request asks for an upgrade.
    upgrades: bool,
    upstream: Option<UpstreamRequest>,
    client: Option<Response>,
    answered_by: AnsweredBy,
    details: String,
    local_response: Option<LocalResponse>,
    filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    log: Vec<LogLine>,
    trace: Vec<String>,
    callbacks: Vec<Callback>,
    trap: Option<String>,
    asked: Vec<Deferred>,
    /// The VM died under the stream; no callback of it will run again.
    abandoned: bool,
    /// The VM that knew the stream is gone, and the one in its place does not know it.
    orphaned: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// The request is on its way, or held by the filter.
    Request,
    /// The upstream has the whole request.
    Upstream,
    /// The response is on its way, or held by the filter.
    Response,
    Finished,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// One direction of a stream.
#[derive(Debug, Default)]
struct Flow {
    incoming: VecDeque<Part>,
    hold: Hold,
    headers_seen: bool,
    headers_sent: bool,
    trailers_seen: bool,
    /// The headers are all that there is.
    bodyless: bool,
    ended: bool,
}

/// What the filter holds back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Hold {
    #[default]
    Nothing,
    /// The headers; bodies still come.
    Headers,
    /// Everything; no callback until the filter lets it go on.
    All,
    /// The body so far; more still comes.
    Body,
}

/// No callback of a stream takes more arguments behind its context.
const MAX_ARGS: usize = 4;
/// The action of every callback in which a local response was asked for: all of Envoy's kinds of callbacks take it for a stop.
const STOPPED: u32 = 4;

/// The guest's VM died under the stream.
struct Died;

impl Stream {
    pub(crate) fn new(context: Box<StreamContext>, worker: usize) -> Self {
        let http2 = context.protocol != "HTTP/1.1";
        Self {
            id: context.id,
            worker,
            context: 0,
            detached: Some(context),
            attached: false,
            phase: Phase::Request,
            request: Flow::default(),
            response: Flow::default(),
            response_started: false,
            duplex: false,
            upstream_head_taken: false,
            client_head_taken: false,
            grpc: false,
            head: false,
            http2,
            upgrades: false,
            upstream: None,
            client: None,
            answered_by: AnsweredBy::Nobody,
            details: String::new(),
            local_response: None,
            filter_state: BTreeMap::new(),
            log: Vec::new(),
            trace: Vec::new(),
            callbacks: Vec::new(),
            trap: None,
            asked: Vec::new(),
            abandoned: false,
            orphaned: false,
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the worker's VM knows the stream under this id.
    pub(crate) fn is_context(&self, worker: usize, context: u32) -> bool {
        self.attached && self.worker == worker && self.context == context
    }

    pub(crate) fn upstream(&self) -> Option<&UpstreamRequest> {
        self.upstream.as_ref()
    }

    /// Tells the VM about the stream: its context lives there from now on.
    pub(crate) fn attach(&mut self, root: u32, around: &mut Surroundings<'_>) {
        let (Some(vm), Some(context)) = (around.vm.as_mut(), self.detached.take()) else {
            return;
        };
        self.context = vm.state_mut().add_stream(context, root);
        self.attached = true;
        let _in_vm = self.callback(around, Export::ContextCreate, &[root]);
    }

    /// Takes the stream's context out of a VM that goes away.
    pub(crate) fn detach(&mut self, vm: &mut Vm) {
        if std::mem::take(&mut self.attached) {
            self.detached = vm.state_mut().streams.remove(&self.context);
            self.orphaned = true;
        }
    }

    /// Sends the request into the filter.
    pub(crate) fn begin(&mut self, admitted: Admitted, around: &mut Surroundings<'_>) {
        self.grpc = front::is_grpc(&admitted.headers);
        self.head = admitted.headers.get(":method") == Some(b"HEAD");
        self.upgrades = !self.http2 && front::is_upgrade(&admitted.headers);
        self.request.incoming = admitted.parts;
        self.message(Direction::Request, around).headers = admitted.headers;
        self.pump(Direction::Request, around);
    }

    /// Takes one more part of a request that came without its end, or of an upgraded connection. What comes behind an answer
    /// of the filter or the host is dropped.
    pub(crate) fn receive(&mut self, part: Part, around: &mut Surroundings<'_>) {
        if self.flows(Direction::Request) && (!self.upgrades || self.upgraded().is_some()) {
            self.request.incoming.push_back(part);
            self.pump(Direction::Request, around);
        }
    }

    /// The response that granted the upgrade, once it has left.
    pub(crate) fn upgraded(&self) -> Option<&Response> {
        self.client.as_ref().filter(|response| {
            self.phase == Phase::Response && self.upgrades && response.status == 101
        })
    }

    /// Ends a stream whose connection was upgraded.
    pub(crate) fn end_upgrade(&mut self, around: &mut Surroundings<'_>) {
        if self.upgraded().is_some() {
            if let Some(client) = &mut self.client {
                client.complete = true;
            }
            self.conclude(around);
        }
    }

    /// Answers a request that no filter gets to see. Envoy still has it logged by the filter.
    pub(crate) fn refuse(
        &mut self,
        refusal: Refusal,
        headers: HeaderMap,
        around: &mut Surroundings<'_>,
    ) {
        self.details = refusal.details.to_owned();
        self.answered_by = AnsweredBy::Host;
        self.request.ended = !refusal.closes();
        self.message(Direction::Request, around).headers = headers;
        self.send_directly(LocalReply::from_refusal(refusal), around);
        self.conclude(around);
    }

    /// Answers a request in the host's name; nothing of the filter runs.
    pub(crate) fn fail_closed(&mut self, around: &mut Surroundings<'_>) {
        self.abandoned = true;
        self.answer_as_host(503, "", "wasm_fail_stream", around);
    }

    /// Sends the upstream's reply into the filter. An upstream may answer before it has the whole request.
    pub(crate) fn reply(&mut self, reply: Reply, around: &mut Surroundings<'_>) {
        if self.phase == Phase::Finished || self.response_started || self.upstream.is_none() {
            return;
        }
        if let Some(reason) = reply.failure {
            self.answer_without_upstream(reason, around);
            return;
        }
        let status = reply.status;
        let settings = &around.settings.front;
        let (mut headers, mut parts) = front::reply(reply, settings, self.head, self.upgrades);
        let request = &self.message(Direction::Request, around).headers;
        let ends = front::ends_handshake(request, status) && self.upgrades;
        self.details = if ends {
            let had_body = !matches!(status, 204 | 304);
            headers.remove("content-length");
            if had_body {
                headers.append("content-length", "0");
            }
            parts = VecDeque::from([Part::Headers(true)]);
            "websocket_handshake_unsuccessful".to_owned()
        } else {
            "via_upstream".to_owned()
        };
        self.answered_by = AnsweredBy::Upstream;
        self.duplex = !self.request.ended;
        self.respond(headers, parts, around);
    }

    /// Takes one more part of a reply that came without its end, or of an upgraded connection.
    pub(crate) fn reply_part(&mut self, part: Part, around: &mut Surroundings<'_>) {
        if self.answered_by == AnsweredBy::Upstream && self.flows(Direction::Response) {
            self.response.incoming.push_back(part);
            self.pump(Direction::Response, around);
        }
    }

    /// The upstream breaks its reply off.
    pub(crate) fn reply_breaks(&mut self, around: &mut Surroundings<'_>) {
        if self.answered_by == AnsweredBy::Upstream && self.flows(Direction::Response) {
            let details = "upstream_reset_after_response_started{connection_termination}";
            if self.response.headers_sent {
                self.end_without_response(details, around);
            } else {
                self.answer_without_upstream("connection termination", around);
            }
        }
    }

    /// The client goes away.
    pub(crate) fn disconnect(&mut self, around: &mut Surroundings<'_>) {
        self.end_without_response("downstream_remote_disconnect", around);
    }

    /// Does what a callback of another context asked for.
    pub(crate) fn apply(&mut self, asked: Deferred, around: &mut Surroundings<'_>) {
        if self.phase != Phase::Finished {
            self.asked.push(asked);
            self.settle(around);
        }
    }

    /// The stream's end, or its state if it has not ended.
    pub(crate) fn into_exchange(mut self, vm: Option<&mut Vm>) -> Exchange {
        if let Some(vm) = vm {
            self.detach(vm);
        }
        if let Some(context) = self.detached.take() {
            self.filter_state = context.filter_state;
        }
        let filter_state = self
            .filter_state
            .into_iter()
            .map(|(path, value)| (format!("wasm.{}", String::from_utf8_lossy(&path)), value))
            .collect();
        Exchange {
            response: self.client,
            answered_by: self.answered_by,
            details: self.details,
            local_response: self.local_response,
            upstream: self.upstream,
            filter_state,
            log: self.log,
            trace: self.trace,
            callbacks: self.callbacks,
            trap: self.trap,
            worker: self.worker,
            context: self.context,
        }
    }

    /// Runs a callback in the stream's context; what it logged and asked for is kept. A guest that does not export it
    /// answers "continue", as does a stream without a VM.
    fn callback(
        &mut self,
        around: &mut Surroundings<'_>,
        export: Export,
        args: &[u32],
    ) -> Result<u32, Died> {
        if self.abandoned {
            return Ok(0);
        }
        if self.orphaned {
            return if around.settings.fail_open {
                Ok(0)
            } else {
                Err(Died)
            };
        }
        let (Some(vm), None) = (around.vm.as_mut(), &self.detached) else {
            return Ok(0);
        };
        let was_dead = vm.failure().is_some();
        if was_dead && around.settings.fail_open {
            return Ok(0);
        }
        let mut all = [self.context; 1 + MAX_ARGS];
        let count = args.len().min(MAX_ARGS);
        all[1..=count].copy_from_slice(&args[..count]);
        let outcome = vm.call(export, self.context, &all[..=count]);
        vm.move_callbacks(&mut self.callbacks);
        self.trace.extend_from_slice(&vm.state().trace);
        for line in around.journal.collect(vm.state_mut()) {
            if line.stream == Some(self.id) {
                self.log.push(line);
            }
        }
        for (context, asked) in vm.state_mut().deferred.drain(..) {
            if context == self.context {
                self.asked.push(asked);
            } else {
                around.elsewhere.push((context, asked));
            }
        }
        match outcome {
            Ok(returned) => Ok(returned.unwrap_or(0)),
            Err(dead) => {
                if !was_dead {
                    self.trap = Some(dead.0);
                }
                Err(Died)
            }
        }
    }

    fn context<'a>(
        &'a mut self,
        around: &'a mut Surroundings<'_>,
    ) -> Option<&'a mut StreamContext> {
        match (&mut self.detached, around.vm.as_mut()) {
            (Some(context), _) => Some(context),
            (None, Some(vm)) => vm
                .state_mut()
                .streams
                .get_mut(&self.context)
                .map(AsMut::as_mut),
            (None, None) => None,
        }
    }

    fn message<'a>(
        &'a mut self,
        direction: Direction,
        around: &'a mut Surroundings<'_>,
    ) -> &'a mut Message {
        let context = self
            .context(around)
            .expect("a stream's context is in its VM or with the stream");
        match direction {
            Direction::Request => &mut context.request,
            Direction::Response => &mut context.response,
        }
    }

    /// Whether parts of this direction still pass.
    fn flows(&self, direction: Direction) -> bool {
        let with_the_response =
            direction == Direction::Request && self.phase == Phase::Response && self.duplex;
        self.phase == direction.phase() || with_the_response
    }

    fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}

impl Direction {
    fn phase(self) -> Phase {
        self.pick(Phase::Request, Phase::Response)
    }

    fn pick<T>(self, request: T, response: T) -> T {
        match self {
            Self::Request => request,
            Self::Response => response,
        }
    }
}

fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
