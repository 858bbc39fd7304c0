//! Calls that a guest dispatches to clusters, and the scripted replies.

use std::time::Duration;

use crate::codec::{self, Framing, Reading};
use crate::grpc::Incoming;
use crate::headers::HeaderMap;

/// A call that a guest dispatched with `proxy_http_call`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Callout {
    /// The cluster.
    pub cluster: String,
    /// The headers with `:method`, `:path` and `:authority`; if there is a body, with its length in place of any that the guest
    /// gave.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// The timeout; zero for none.
    pub timeout: Duration,
}

impl Callout {
    /// The headers that go out: with what Envoy's router adds.
    pub(crate) fn on_the_wire(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.replace("x-envoy-internal", "true");
        if !self.timeout.is_zero() {
            let timeout = self.timeout.as_millis().to_string();
            headers.replace("x-envoy-expected-rq-timeout-ms", timeout);
        }
        headers
    }

    /// What comes back, whatever the cluster does: Envoy does not send everything, and a cluster may wait for more than it gets.
    /// `None`: what the cluster says.
    pub(crate) fn foregone(&self) -> Option<CalloutReply> {
        let headers = self.on_the_wire();
        if let Err(unsendable) = codec::check_request(&headers) {
            return Some(CalloutReply::synthesized(503, unsendable.text()));
        }
        (!self.arrives()).then(CalloutReply::never)
    }

    /// Whether the call comes to an end for its cluster.
    pub(crate) fn arrives(&self) -> bool {
        let headers = self.on_the_wire();
        let framing = Framing::of(&headers, self.body.is_empty() && self.trailers.is_empty());
        let reading = Reading::of_request(&headers, framing == Framing::Chunked, false);
        reading.is_complete() || reading == Reading::Length(self.body.len() as u64)
    }
}

/// What a scripted cluster answers.
#[derive(Clone, Debug)]
#[must_use = "a reply does nothing until a cluster gives it"]
pub struct CalloutReply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    pub(crate) delay: Option<Duration>,
    pub(crate) reset: bool,
    /// The host makes it itself.
    pub(crate) synthesized: bool,
}

impl CalloutReply {
    /// A reply with this status.
    pub fn new(status: u16) -> Self {
        let mut headers = HeaderMap::new();
        headers.append(":status", status.to_string());
        Self {
            headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            delay: Some(Duration::ZERO),
            reset: false,
            synthesized: false,
        }
    }

    /// A stream reset: the guest sees no headers, no body and no trailers.
    pub fn reset() -> Self {
        Self {
            headers: HeaderMap::new(),
            reset: true,
            ..Self::new(503)
        }
    }

    /// A refused connection, as Envoy reports it: a 503 of its own making with 3 headers and a body of 98 bytes.
    pub fn refused() -> Self {
        Self::synthesized(
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
        )
    }

    /// A connection that ends instead of an answer, as Envoy reports it: a 503 of its own making.
    pub fn terminated() -> Self {
        Self::synthesized(
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        )
    }

    /// No answer. With a timeout the guest gets what Envoy makes of it: a 504 with 3 headers and a body of 24 bytes.
    /// Without one it waits forever.
    pub fn never() -> Self {
        Self {
            delay: None,
            ..Self::new(504)
        }
    }

    /// One more header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// One more trailer.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.append(name, value);
        self
    }

    /// Only after this time on the host's clock.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// What Envoy reads of it.
    pub(crate) fn read(mut self, head: bool) -> Self {
        if self.reset || self.synthesized {
            return self;
        }
        let delay = self.delay;
        let status = self.headers.text(":status");
        let status = status.and_then(|status| status.parse().ok()).unwrap_or(0);
        let is_header = |(name, _): &(&[u8], &[u8])| *name != b":status";
        let judged = codec::judge_reply(status, self.headers.iter().filter(is_header), head);
        let (headers, spilled, mut reading) = match judged {
            codec::Judged::Refused => {
                let refused = Self::synthesized(
                    502,
                    "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
                );
                return Self { delay, ..refused };
            }
            codec::Judged::Interim => return Self::never(),
            codec::Judged::Response(headers, spilled, reading) => (headers, spilled, reading),
        };
        self.headers.retain(|name| name == b":status");
        for (name, value) in headers {
            self.headers.append(name, value);
        }
        self.body = reading.take([spilled, self.body].concat());
        if !reading.is_complete() {
            return Self {
                delay: None,
                ..Self::reset()
            };
        }
        if reading == Reading::Nothing {
            self.trailers = HeaderMap::new();
        }
        self
    }

    pub(crate) fn timeout() -> Self {
        Self::synthesized(504, "upstream request timeout")
    }

    fn synthesized(status: u16, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let reply = Self {
            synthesized: true,
            ..Self::new(status)
        };
        reply
            .header("content-length", body.len().to_string())
            .header("content-type", "text/plain")
            .body(body)
    }
}

/// A call to a cluster that the caller plays: see [`HostBuilder::manual_cluster`](crate::HostBuilder::manual_cluster).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PendingCall {
    /// Names the call, for [`Host::call_replies`](crate::Host::call_replies).
    pub id: CallId,
    /// What the guest asked for.
    pub callout: Callout,
}

/// Names one call of one host.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub(crate) u64);

/// A call that waits for the host to ask the cluster.
#[derive(Debug)]
pub(crate) struct NewCallout {
    pub(crate) token: u32,
    pub(crate) root: u32,
    pub(crate) callout: Callout,
}

/// A reply on its way to the guest.
#[derive(Debug)]
pub(crate) struct PendingReply {
    pub(crate) due: u64,
    pub(crate) token: u32,
    pub(crate) root: u32,
    pub(crate) reply: Arrival,
}

/// What arrives.
#[derive(Debug)]
pub(crate) enum Arrival {
    Http(CalloutReply),
    Grpc(Incoming),
    /// The answer to a look-up, as the guest reads it.
    Dns(Vec<u8>),
    /// The timeout of a call that the caller has not answered.
    Unanswered(CallId),
}
