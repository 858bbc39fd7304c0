//! Who answers in a scenario: rules in turn, and replies that take their time.

use std::time::Duration;

use super::format::{PartContent, PeerReply, PeerResponse, Rule};
use crate::callout::{Callout, CalloutReply};
use crate::headers::HeaderMap;
use crate::request::Reply;

/// Envoy's default for `timeout` of a route.
pub(super) const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);

/// The rules of one peer, and how often each has answered.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    rules: Vec<(Rule, usize)>,
}

impl Peer {
    pub(super) fn new(rules: &[Rule]) -> Self {
        Self {
            rules: rules.iter().map(|rule| (rule.clone(), 0)).collect(),
        }
    }

    /// The reply to a request with these headers.
    pub(super) fn answer(&mut self, headers: &HeaderMap) -> PeerReply {
        if self.rules.is_empty() {
            return status(200);
        }
        let fits = |rule: &Rule| {
            let part = |name: &str| headers.get(name).unwrap_or_default();
            let fits = |text: &Option<super::format::Text>, name| {
                text.as_ref().is_none_or(|text| text.matches(part(name)))
            };
            fits(&rule.method, ":method") && fits(&rule.path, ":path")
        };
        match self.rules.iter_mut().find(|(rule, _)| fits(rule)) {
            Some((rule, given)) => {
                let reply = rule.replies.get(*given).or(rule.replies.last());
                *given += 1;
                reply.cloned().unwrap_or_else(|| status(200))
            }
            None => status(404),
        }
    }
}

fn status(status: u16) -> PeerReply {
    PeerReply::Response(PeerResponse {
        status,
        ..PeerResponse::default()
    })
}

impl PeerResponse {
    /// The reply of an upstream.
    pub(super) fn reply(&self) -> Reply {
        let mut reply = Reply::new(self.status);
        for (name, value) in self.headers.iter() {
            reply = reply.header(name, value);
        }
        if let Some(body) = &self.body {
            reply = reply.body(body);
        }
        for chunk in &self.chunks {
            reply = reply.chunk(chunk);
        }
        if self.unfinished || !self.parts.is_empty() {
            reply = reply.unfinished();
        }
        for (name, value) in self.trailers.iter() {
            reply = reply.trailer(name, value);
        }
        reply
    }
}

/// What a cluster answers to a call.
pub(super) fn callout_reply(peer: &mut Peer, callout: &Callout) -> CalloutReply {
    match peer.answer(&callout.headers) {
        // Envoy's router answers in place of a peer whose connection ends before it has.
        PeerReply::Reset(delay) => CalloutReply::terminated().after(delay),
        PeerReply::Refused => CalloutReply::refused(),
        PeerReply::Timeout | PeerReply::Manual => CalloutReply::never(),
        PeerReply::Response(response) => {
            let parts = response.parts.iter();
            let delay = response.delay + parts.map(|part| part.delay).sum::<Duration>();
            let mut reply = CalloutReply::new(response.status).after(delay);
            for (name, value) in response.headers.iter() {
                reply = reply.header(name, value);
            }
            let mut body = Vec::new();
            for part in response.body.iter().chain(&response.chunks) {
                body.extend_from_slice(part.as_slice());
            }
            // The guest gets the reply when it is whole.
            for part in &response.parts {
                match &part.content {
                    PartContent::Body(part) => body.extend_from_slice(part.as_slice()),
                    PartContent::Trailers(trailers) => {
                        for (name, value) in trailers.iter() {
                            reply = reply.trailer(name, value);
                        }
                    }
                    PartContent::Reset => return CalloutReply::reset().after(delay),
                }
            }
            if response.body.is_some() && !contains(&response, "content-length") {
                reply = reply.header("content-length", body.len().to_string());
            }
            let chunked =
                response.body.is_none() && !(body.is_empty() && response.trailers.is_empty());
            let framed = ["content-length", "transfer-encoding"];
            if chunked && !framed.iter().any(|name| contains(&response, name)) {
                reply = reply.header("transfer-encoding", "chunked");
            }
            for (name, value) in response.trailers.iter() {
                reply = reply.trailer(name, value);
            }
            reply.body(body)
        }
    }
}

fn contains(response: &PeerResponse, name: &str) -> bool {
    response
        .headers
        .iter()
        .any(|(other, _)| other.eq_ignore_ascii_case(name))
}
