//! The way between a guest's calls and the peers: what a peer says becomes a series of callbacks, as Envoy makes them
//! (Envoy `async_client_impl.cc`, `context.cc`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Command, GrpcCall, GrpcEvent, GrpcPeer, GrpcReply, Step, code};
use crate::headers::HeaderMap;

/// How Envoy words what goes wrong below gRPC; to each belong response code details, see [`told`].
const TIMEOUT: (&str, &str) = ("upstream request timeout", "response_timeout");
const REFUSED: (&str, &str) = (
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
    "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
);
const RESET_BEFORE_HEADERS: (&str, &str) = (
    "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
    "upstream_reset_before_response_started{remote_reset}",
);
const RESET_AFTER_HEADERS: &str = "upstream_reset_after_response_started{remote_reset}";
const VIA_UPSTREAM: &str = "via_upstream";

/// Something on its way to a guest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Incoming {
    InitialMetadata(HeaderMap),
    Message(Vec<u8>),
    TrailingMetadata(HeaderMap),
    /// Status and message.
    Close(u32, String),
}

/// The calls and streams of one worker on the side of the peers.
#[derive(Debug, Default)]
pub(crate) struct Exchanges(BTreeMap<u32, Exchange>);

#[derive(Debug)]
struct Exchange {
    call: GrpcCall,
    root: u32,
    headers_sent: bool,
    ended: bool,
    /// The message that is kept until the status comes: a unary call is told both at once.
    message: Option<Vec<u8>>,
    deadline_set: bool,
}

/// What a peer is told, as long as it is not known of which call.
#[derive(Clone, Copy, Debug)]
enum News<'a> {
    Call(&'a [u8]),
    Opened,
    Message(&'a [u8]),
    HalfClosed,
    Cancelled,
}

impl<'a> News<'a> {
    fn about(self, call: &'a GrpcCall) -> GrpcEvent<'a> {
        match self {
            Self::Call(message) => GrpcEvent::Call(call, message),
            Self::Opened => GrpcEvent::Opened(call),
            Self::Message(message) => GrpcEvent::Message(call, message),
            Self::HalfClosed => GrpcEvent::HalfClosed(call),
            Self::Cancelled => GrpcEvent::Cancelled(call),
        }
    }
}

/// What came of a command.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// After how long what reaches the guest, under which id and for which root context.
    pub(crate) arrivals: Vec<(Duration, u32, u32, Incoming)>,
    /// The id of which nothing that is still on its way is to arrive.
    pub(crate) cancelled: Option<u32>,
}

impl Exchanges {
    /// Nothing of what was open concerns anybody any more: the VM is another one.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Does what the guest asked for.
    pub(crate) fn run(
        &mut self,
        command: Command,
        peers: &mut BTreeMap<String, GrpcPeer>,
    ) -> Outcome {
        match command {
            Command::NoCluster { id, root } => Outcome {
                arrivals: vec![(
                    Duration::ZERO,
                    id,
                    root,
                    Incoming::Close(code::UNAVAILABLE, "Cluster not available".to_owned()),
                )],
                cancelled: None,
            },
            Command::Open {
                id,
                root,
                call,
                message,
            } => {
                self.0.insert(
                    id,
                    Exchange {
                        call,
                        root,
                        headers_sent: false,
                        ended: false,
                        message: None,
                        deadline_set: false,
                    },
                );
                let news = message.as_deref().map_or(News::Opened, News::Call);
                self.tell(id, peers, news)
            }
            Command::Send { id, message, end } => {
                let mut outcome = self.tell(id, peers, News::Message(&message));
                if end {
                    let more = self.tell(id, peers, News::HalfClosed);
                    outcome.arrivals.extend(more.arrivals);
                }
                outcome
            }
            Command::Close(id) => self.tell(id, peers, News::HalfClosed),
            Command::Cancel(id) => {
                self.tell(id, peers, News::Cancelled);
                self.0.remove(&id);
                Outcome {
                    arrivals: Vec::new(),
                    cancelled: Some(id),
                }
            }
        }
    }

    fn tell(&mut self, id: u32, peers: &mut BTreeMap<String, GrpcPeer>, news: News<'_>) -> Outcome {
        let Some(exchange) = self.0.get_mut(&id) else {
            return Outcome::default();
        };
        let reply = match peers.get_mut(&exchange.call.cluster) {
            Some(peer) => peer(&news.about(&exchange.call)),
            None => GrpcReply::no_grpc(),
        };
        let mut arrivals = Vec::new();
        for (delay, step) in reply.steps {
            exchange.take(delay, step, &mut arrivals);
        }
        if !exchange.deadline_set && !exchange.call.timeout.is_zero() {
            exchange.deadline_set = true;
            exchange.meet_deadline(&mut arrivals);
        }
        Outcome {
            arrivals: arrivals
                .into_iter()
                .map(|(delay, incoming)| (delay, id, exchange.root, incoming))
                .collect(),
            cancelled: None,
        }
    }
}

impl Exchange {
    fn take(&mut self, delay: Duration, step: Step, arrivals: &mut Vec<(Duration, Incoming)>) {
        if self.ended {
            return;
        }
        if self.call.is_stream {
            self.take_on_stream(delay, step, arrivals);
        } else {
            self.take_on_call(delay, step, arrivals);
        }
    }

    /// A unary call is told of its message if all went well, and of the status otherwise: never of metadata.
    fn take_on_call(
        &mut self,
        delay: Duration,
        step: Step,
        arrivals: &mut Vec<(Duration, Incoming)>,
    ) {
        let end = match step {
            Step::InitialMetadata(_) => return,
            Step::Message(message) if self.message.is_none() => {
                self.message = Some(message);
                return;
            }
            // More than one message is no answer to a unary call, and nor is none.
            Step::Message(_) | Step::NoGrpc => {
                Incoming::Close(code::INTERNAL, told("", VIA_UPSTREAM))
            }
            Step::Status(code::OK, ..) => match self.message.take() {
                Some(message) => Incoming::Message(message),
                None => Incoming::Close(code::INTERNAL, told("", VIA_UPSTREAM)),
            },
            Step::Status(status, message, _) => {
                Incoming::Close(status, told(&message, VIA_UPSTREAM))
            }
            Step::Reset if self.message.is_some() => {
                Incoming::Close(code::INTERNAL, told("", RESET_AFTER_HEADERS))
            }
            Step::Reset => unavailable(RESET_BEFORE_HEADERS),
            Step::Refuse => unavailable(REFUSED),
        };
        self.ended = true;
        arrivals.push((delay, end));
    }

    fn take_on_stream(
        &mut self,
        delay: Duration,
        step: Step,
        arrivals: &mut Vec<(Duration, Incoming)>,
    ) {
        let headers_sent = std::mem::replace(&mut self.headers_sent, true);
        let mut push = |incoming| arrivals.push((delay, incoming));
        match step {
            Step::InitialMetadata(_) if headers_sent => {}
            Step::InitialMetadata(metadata) => {
                push(Incoming::InitialMetadata(response_headers(&metadata)));
            }
            Step::Message(message) => {
                if !headers_sent {
                    let headers = response_headers(&HeaderMap::new());
                    push(Incoming::InitialMetadata(headers));
                }
                push(Incoming::Message(message));
            }
            Step::Status(status, message, trailers) => {
                let closing = told(&message, VIA_UPSTREAM);
                let metadata = trailing_metadata(status, &message, &trailers);
                self.end(headers_sent, metadata, (status, closing), delay, arrivals);
            }
            Step::Refuse => self.end_locally(REFUSED, delay, arrivals),
            Step::Reset if !headers_sent => {
                self.end_locally(RESET_BEFORE_HEADERS, delay, arrivals);
            }
            Step::Reset => {
                let closing = (code::INTERNAL, told("", RESET_AFTER_HEADERS));
                self.end(true, HeaderMap::new(), closing, delay, arrivals);
            }
            Step::NoGrpc => {
                let mut headers = HeaderMap::new();
                headers.append(":status", "200");
                push(Incoming::InitialMetadata(headers));
                let closing = (code::INTERNAL, told("", VIA_UPSTREAM));
                self.end(true, HeaderMap::new(), closing, delay, arrivals);
            }
        }
    }

    /// Envoy answers in the peer's place, in the way of gRPC.
    fn end_locally(
        &mut self,
        (message, details): (&str, &str),
        delay: Duration,
        arrivals: &mut Vec<(Duration, Incoming)>,
    ) {
        let metadata = trailing_metadata(code::UNAVAILABLE, message, &HeaderMap::new());
        let closing = (code::UNAVAILABLE, told(message, details));
        self.end(false, metadata, closing, delay, arrivals);
    }

    fn end(
        &mut self,
        headers_sent: bool,
        metadata: HeaderMap,
        (status, message): (u32, String),
        delay: Duration,
        arrivals: &mut Vec<(Duration, Incoming)>,
    ) {
        self.ended = true;
        let mut trailing = HeaderMap::new();
        if !headers_sent {
            // A response of headers alone: all of it is trailing metadata, and the initial metadata is empty.
            arrivals.push((delay, Incoming::InitialMetadata(HeaderMap::new())));
            for (name, value) in [(":status", "200"), ("content-type", "application/grpc")] {
                trailing.append(name, value);
            }
        }
        for (name, value) in metadata.iter() {
            trailing.append(name, value);
        }
        arrivals.push((delay, Incoming::TrailingMetadata(trailing)));
        arrivals.push((delay, Incoming::Close(status, message)));
    }

    /// What would come later than the timeout does not come; Envoy answers in its place.
    fn meet_deadline(&mut self, arrivals: &mut Vec<(Duration, Incoming)>) {
        let timeout = self.call.timeout;
        let in_time = self.ended && arrivals.iter().all(|(delay, _)| *delay < timeout);
        if !in_time {
            self.ended = true;
            arrivals.clear();
            arrivals.push((timeout, unavailable(TIMEOUT)));
        }
    }
}

/// What `proxy_get_status` says: Envoy puts its response code details behind the peer's message.
fn told(message: &str, details: &str) -> String {
    if message.is_empty() {
        details.to_owned()
    } else {
        format!("{message}{{{details}}}")
    }
}

fn unavailable((message, details): (&str, &str)) -> Incoming {
    Incoming::Close(code::UNAVAILABLE, told(message, details))
}

fn response_headers(metadata: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(":status", "200"), ("content-type", "application/grpc")] {
        if !metadata.contains(name) {
            headers.append(name, value);
        }
    }
    for (name, value) in metadata.iter() {
        headers.append(name, value);
    }
    headers.append("x-envoy-upstream-service-time", "0");
    headers
}

fn trailing_metadata(status: u32, message: &str, trailers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    metadata.append("grpc-status", status.to_string());
    if !message.is_empty() {
        metadata.append("grpc-message", message);
    }
    for (name, value) in trailers.iter() {
        metadata.append(name, value);
    }
    metadata
}
