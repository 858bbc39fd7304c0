//! One stream's way through the filter chain, in the order and with the holding and releasing that Envoy has.

mod answer;
mod chain;
mod departed;
mod filter;
mod flow;
mod redirect;
mod snapshot;
mod wire;

use std::collections::VecDeque;

use crate::codec::Reading;
use crate::exchange::{
    AnsweredBy, Callback, Exchange, LocalResponse, LogLine, Response, StreamId, UpstreamRequest,
};
use crate::front::{self, Admitted, Metadata, Part, Refusal};
use crate::headers::{HeaderMap, Joining};
use crate::journal::Journal;
use crate::local_reply::LocalReply;
use crate::plugins::{PluginId, VmSlot};
use crate::request::Reply;
use crate::routes::Routes;
use crate::state::Deferred;

pub(crate) use departed::Departed;
pub(crate) use filter::{Filter, StreamInfo};

/// What a stream needs from its host while it moves.
pub(crate) struct Surroundings<'a> {
    /// All VMs of the host.
    pub(crate) vms: &'a mut [VmSlot],
    pub(crate) journal: &'a mut Journal,
    pub(crate) settings: &'a StreamSettings,
    pub(crate) wall_clock: u64,
    /// What callbacks asked to be done to other streams: VM, context and deed.
    pub(crate) elsewhere: &'a mut Vec<(usize, u32, Deferred)>,
    /// VMs that died meanwhile.
    pub(crate) traps: u64,
}

/// Settings of the filter chain.
#[derive(Clone, Debug)]
pub(crate) struct StreamSettings {
    pub(crate) front: front::FrontSettings,
    /// The bytes of a body that a filter may hold back (Envoy `per_connection_buffer_limit_bytes`).
    pub(crate) buffer_limit: usize,
    pub(crate) routes: Routes,
}

/// A stream.
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) worker: usize,
    info: StreamInfo,
    /// The plugins that the filters were made of.
    chain: Vec<PluginId>,
    filters: Vec<Filter>,
    phase: Phase,
    request: Flow,
    response: Flow,
    response_started: bool,
    /// The upstream answers while the request is still on its way: both directions flow.
    duplex: bool,
    /// How much the upstream and the client read of what is sent to them.
    upstream_reading: Reading,
    client_reading: Reading,
    response_has_body: bool,
    /// The upstream owes more of its reply, and nothing comes.
    stalled: bool,
    /// Whoever streams has taken the heads of the messages.
    upstream_head_taken: bool,
    client_head_taken: bool,
    grpc: bool,
    head: bool,
    http2: bool,
    /// The connection ends with this stream, whatever becomes of the request's body. Of no meaning in HTTP/2.
    last: bool,
    /// The request asks for an upgrade.
    upgrades: bool,
    upstream: Option<UpstreamRequest>,
    /// When the upstream got the last part of the request, on the wall clock.
    sent_at: u64,
    /// What upstreams got before, whose redirects were followed.
    redirected: Vec<UpstreamRequest>,
    client: Option<Response>,
    answered_by: AnsweredBy,
    details: String,
    local_response: Option<LocalResponse>,
    log: Vec<LogLine>,
    trace: Vec<String>,
    callbacks: Vec<Callback>,
    trap: Option<String>,
    /// What callbacks asked to be done, with the filter that it was asked for.
    asked: Vec<(usize, Deferred)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// The request is on its way, or held by a filter.
    Request,
    /// The upstream has the whole request.
    Upstream,
    /// The response is on its way, or held by a filter.
    Response,
    Finished,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// One direction of a stream.
#[derive(Debug)]
struct Flow {
    incoming: VecDeque<Part>,
    /// Headers and trailers while no filter has them.
    headers: HeaderMap,
    trailers: HeaderMap,
    /// The filters that have them.
    headers_at: Option<usize>,
    trailers_at: Option<usize>,
    /// All has left the last filter on its way as far as the headers are concerned.
    headers_sent: bool,
    /// The headers are all that there is.
    bodyless: bool,
    /// All of the message has come in.
    ended: bool,
    /// What has passed all filters before the headers have.
    metadata: Vec<Metadata>,
}

impl Stream {
    pub(crate) fn new(
        info: StreamInfo,
        chain: Vec<PluginId>,
        filters: Vec<Filter>,
        worker: usize,
    ) -> Self {
        Self {
            id: info.id,
            worker,
            http2: info.protocol != "HTTP/1.1",
            info,
            chain,
            filters,
            phase: Phase::Request,
            request: Flow::new(Joining::Request),
            response: Flow::new(Joining::Response),
            response_started: false,
            duplex: false,
            upstream_reading: Reading::All,
            client_reading: Reading::All,
            response_has_body: false,
            stalled: false,
            upstream_head_taken: false,
            client_head_taken: false,
            grpc: false,
            head: false,
            last: false,
            upgrades: false,
            upstream: None,
            sent_at: 0,
            redirected: Vec::new(),
            client: None,
            answered_by: AnsweredBy::Nobody,
            details: String::new(),
            local_response: None,
            log: Vec::new(),
            trace: Vec::new(),
            callbacks: Vec::new(),
            trap: None,
            asked: Vec::new(),
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn upstream(&self) -> Option<&UpstreamRequest> {
        self.upstream.as_ref()
    }

    /// Sends the request into the filter chain.
    pub(crate) fn begin(&mut self, admitted: Admitted, around: &mut Surroundings<'_>) {
        self.grpc = front::is_grpc(&admitted.headers);
        self.head = admitted.headers.get(":method") == Some(b"HEAD");
        self.last = admitted.closes;
        self.upgrades = !self.http2 && front::is_upgrade(&admitted.headers);
        self.request.incoming = admitted.parts;
        self.request.headers = admitted.headers;
        self.pump(Direction::Request, around);
    }

    /// Takes one more part of a request that came without its end, or of an upgraded connection. What comes behind an answer
    /// of a filter or the host is dropped.
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

    /// Answers a request that no filter gets to see. Envoy still has it logged by the filters.
    pub(crate) fn refuse(
        &mut self,
        refusal: Refusal,
        headers: HeaderMap,
        around: &mut Surroundings<'_>,
    ) {
        self.details = refusal.details.to_owned();
        if refusal == Refusal::RESET {
            self.phase = Phase::Finished;
            return;
        }
        self.answered_by = AnsweredBy::Host;
        self.request.ended = !refusal.closes();
        self.request.headers = headers;
        self.send_directly(LocalReply::from_refusal(refusal), around);
        self.conclude(around);
    }

    /// What Envoy reads of the upstream's reply; `None`: no final response comes.
    pub(crate) fn read(&mut self, reply: Reply) -> Option<Reply> {
        let replies = self.phase != Phase::Finished && !self.response_started;
        if !replies || self.upstream.is_none() {
            return Some(reply);
        }
        let read = reply.read(self.head);
        self.stalled = read.stalls;
        read.reply
    }

    /// Whether the upstream's reply promises more than will come, so that only the route's timeout ends the stream.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled && self.phase != Phase::Finished
    }

    /// Sends the upstream's reply into the filter chain. An upstream may answer before it has the whole request.
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
        let whole = self.upstream.as_ref().filter(|request| request.complete);
        let asked = front::Asked {
            head: self.head,
            upgrades: self.upgrades,
            http2: self.http2,
            took: whole.map(|_| around.wall_clock.saturating_sub(self.sent_at)),
        };
        let (mut headers, mut parts) = front::reply(reply, settings, asked);
        let request = self.headers(Direction::Request, around);
        let ends = front::ends_handshake(request, status) && self.upgrades;
        self.details = if ends {
            headers.remove("content-length");
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

    /// The stream's end, or its state if it has not ended.
    pub(crate) fn into_exchange(mut self, vms: &mut [VmSlot]) -> Exchange {
        for filter in 0..self.filters.len() {
            self.detach_filter(filter, vms);
        }
        let filter_state = self.named_filter_state();
        Exchange {
            response: self.client,
            answered_by: self.answered_by,
            details: self.details,
            local_response: self.local_response,
            upstream: self.upstream,
            redirected: self.redirected,
            filter_state,
            log: self.log,
            trace: self.trace,
            callbacks: self.callbacks,
            trap: self.trap,
            worker: self.worker,
            context: self.filters.first().map_or(0, Filter::context),
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

impl Flow {
    fn new(joining: Joining) -> Self {
        Self {
            incoming: VecDeque::new(),
            headers: HeaderMap::with_joining(joining),
            trailers: HeaderMap::new(),
            headers_at: None,
            trailers_at: None,
            headers_sent: false,
            bodyless: false,
            ended: false,
            metadata: Vec::new(),
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
