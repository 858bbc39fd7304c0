//! What the upstream and the client get, and how a stream ends.

use std::collections::VecDeque;

use crate::exchange::{AnsweredBy, LocalResponse, Response, UpstreamRequest};
use crate::front::{self, Metadata, Part};
use crate::functions::Export;
use crate::headers::HeaderMap;
use crate::local_reply::LocalReply;
use crate::routes::Target;

use super::{Direction, Phase, Stream, Surroundings};

/// A response with this status that no upstream gave is taken for a sign of a message that cannot be framed: the connection ends
/// (Envoy `ConnectionManagerImpl::ActiveStream::onLocalReply`, unless `stream_error_on_invalid_http_message` is set).
const BAD_REQUEST: u32 = 400;

impl Stream {
    /// The request's headers have passed the chain.
    pub(super) fn send_request_headers(&mut self, end: bool, around: &mut Surroundings<'_>) {
        let settings = around.settings;
        let timeout = settings.front.envoy_headers;
        let headers = self.headers(Direction::Request, around);
        if headers.get(":method") == Some(b"CONNECT") {
            // Envoy's routes match CONNECT only where they are told to.
            self.answer_as_host(404, "", "route_not_found", around);
            return;
        }
        let told = !settings.front.envoy_headers || headers.contains("x-forwarded-proto");
        if !told || !headers.contains(":path") {
            // Envoy's routes find nothing without these (`VirtualHostImpl::getRouteFromEntries`).
            self.answer_as_host(404, "", "route_not_found", around);
            return;
        }
        let cluster = match settings.routes.find(headers).map(|route| &route.target) {
            Some(Target::Upstream) => None,
            Some(Target::Cluster(cluster)) if settings.routes.clusters.contains(cluster) => {
                Some(cluster.clone())
            }
            Some(Target::Cluster(_)) => {
                self.answer_as_host(503, "", "cluster_not_found", around);
                return;
            }
            Some(Target::Direct { status, body }) => {
                self.answer_as_host(*status, body, "direct_response", around);
                return;
            }
            None => {
                self.answer_as_host(404, "", "route_not_found", around);
                return;
            }
        };
        if timeout {
            // The router's default timeout. It is there when the request is logged, too.
            headers.replace("x-envoy-expected-rq-timeout-ms", "15000");
        }
        let headers = headers.clone();
        self.upstream = Some(UpstreamRequest {
            cluster,
            headers,
            bodyless: self.request.bodyless,
            ..UpstreamRequest::default()
        });
        self.sent_to_upstream(end, around);
    }

    pub(super) fn send_request_body(
        &mut self,
        bytes: Vec<u8>,
        end: bool,
        around: &Surroundings<'_>,
    ) {
        if let Some(upstream) = &mut self.upstream {
            upstream.body.extend(bytes);
        }
        self.sent_to_upstream(end, around);
    }

    pub(super) fn send_request_trailers(&mut self, around: &mut Surroundings<'_>) {
        let trailers = self.trailers(Direction::Request, around).clone();
        if let Some(upstream) = &mut self.upstream
            && !upstream.headers.contains("content-length")
        {
            // HTTP/1.1 has trailers behind chunks alone (RFC 9112, section 7.1.2).
            upstream.trailers = trailers;
        }
        self.sent_to_upstream(true, around);
    }

    /// Metadata have passed the chain. Only HTTP/2 can carry them to the client; upstreams here always can.
    pub(super) fn send_metadata(&mut self, direction: Direction, entries: Metadata) {
        match direction {
            Direction::Request => {
                if let Some(upstream) = &mut self.upstream {
                    upstream.metadata.push(entries);
                }
            }
            Direction::Response => {
                if let Some(client) = self.client.as_mut().filter(|_| self.http2) {
                    client.metadata.push(entries);
                }
            }
        }
    }

    fn sent_to_upstream(&mut self, end: bool, around: &Surroundings<'_>) {
        self.sent_at = around.wall_clock;
        if let Some(upstream) = &mut self.upstream {
            upstream.complete = end;
        }
        let whole = end || (self.upgrades && self.request.incoming.is_empty());
        if whole && self.phase == Phase::Request {
            self.phase = Phase::Upstream;
        }
    }

    /// The response's headers have passed the chain.
    pub(super) fn send_response_headers(&mut self, end: bool, around: &mut Surroundings<'_>) {
        // Envoy does not read on after an early answer, so the connection cannot be used again.
        let ends = !self.http2 && (self.last || !self.request.ended);
        let upgrades = self.upgrades;
        let wall_clock = around.wall_clock;
        let headers = self.headers(Direction::Response, around);
        let switches = upgrades && headers.get(":status") == Some(b"101");
        let closes = ends && !switches;
        front::send(headers, wall_clock, closes, upgrades);
        let (status, headers) = front::to_client(headers);
        self.client = Some(Response {
            status,
            headers,
            closes,
            ..Response::default()
        });
        self.sent_to_client(end, around);
    }

    pub(super) fn send_response_body(
        &mut self,
        bytes: Vec<u8>,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        self.info.common.lock().sent += bytes.len() as u64;
        if let Some(client) = &mut self.client {
            client.body.extend(bytes);
        }
        self.sent_to_client(end, around);
    }

    pub(super) fn send_response_trailers(&mut self, around: &mut Surroundings<'_>) {
        let trailers = self.trailers(Direction::Response, around).clone();
        let passes = around.settings.front.trailers;
        let http2 = self.http2;
        if let Some(client) = &mut self.client
            && (http2 || passes && !client.headers.contains("content-length"))
        {
            client.trailers = trailers;
        }
        self.sent_to_client(true, around);
    }

    fn sent_to_client(&mut self, end: bool, around: &mut Surroundings<'_>) {
        if let Some(client) = &mut self.client {
            client.complete = end;
        }
        if end {
            self.conclude(around);
        }
    }

    pub(super) fn answer_as_filter(
        &mut self,
        local: LocalResponse,
        details: &str,
        around: &mut Surroundings<'_>,
    ) {
        let reply = LocalReply::from_filter(&local, self.grpc);
        self.last |= local.status == BAD_REQUEST;
        self.local_response = Some(local);
        self.answer(reply, AnsweredBy::Filter, details, around);
    }

    pub(crate) fn answer_as_host(
        &mut self,
        status: u16,
        body: &str,
        details: &str,
        around: &mut Surroundings<'_>,
    ) {
        self.last |= u32::from(status) == BAD_REQUEST;
        self.answer(
            LocalReply::from_host(status, body, self.grpc),
            AnsweredBy::Host,
            details,
            around,
        );
    }

    /// There is no reply of the upstream (Envoy `Router::Filter::onUpstreamReset`).
    pub(super) fn answer_without_upstream(&mut self, reason: &str, around: &mut Surroundings<'_>) {
        let body = format!(
            "upstream connect error or disconnect/reset before headers. reset reason: {reason}"
        );
        let details = reason.replace(' ', "_");
        let details = format!("upstream_reset_before_response_started{{{details}}}");
        self.answer_as_host(503, &body, &details, around);
    }

    /// A filter holds back more than it may (Envoy `requestDataTooLarge` and `responseDataTooLarge`).
    pub(super) fn answer_too_large(&mut self, direction: Direction, around: &mut Surroundings<'_>) {
        let (status, body, details) = match direction {
            Direction::Request => (413, "Payload Too Large", "request_payload_too_large"),
            Direction::Response => (500, "Internal Server Error", "response_payload_too_large"),
        };
        self.answer_as_host(status, body, details, around);
    }

    /// Answers in place of the upstream (Envoy `FilterManager::sendLocalReply`): through the response callbacks while there is
    /// no response yet, past them while its headers are held, and by a reset once they have left.
    pub(super) fn answer(
        &mut self,
        mut reply: LocalReply,
        by: AnsweredBy,
        details: &str,
        around: &mut Surroundings<'_>,
    ) {
        if self.phase == Phase::Finished {
            return;
        }
        if self.response_started && self.response.headers_sent {
            self.answered_by = AnsweredBy::Nobody;
            self.details = details.to_owned();
            self.conclude(around);
            return;
        }
        self.answered_by = by;
        self.details = details.to_owned();
        self.duplex = false;
        if self.response_started {
            self.send_directly(reply, around);
            self.conclude(around);
        } else {
            let parts = reply.parts(self.head);
            self.respond(reply.headers, parts, around);
        }
    }

    pub(super) fn end_without_response(&mut self, details: &str, around: &mut Surroundings<'_>) {
        if self.phase != Phase::Finished {
            self.answered_by = AnsweredBy::Nobody;
            self.details = details.to_owned();
            self.conclude(around);
        }
    }

    pub(super) fn respond(
        &mut self,
        headers: HeaderMap,
        parts: VecDeque<Part>,
        around: &mut Surroundings<'_>,
    ) {
        self.phase = Phase::Response;
        self.response_started = true;
        self.response.incoming = parts;
        let code = headers.text(":status").and_then(|code| code.parse().ok());
        {
            let mut facts = self.info.common.lock();
            facts.code = code;
            facts.details.clone_from(&self.details);
        }
        *self.headers(Direction::Response, around) = headers;
        self.pump(Direction::Response, around);
    }

    pub(super) fn send_directly(&mut self, reply: LocalReply, around: &mut Surroundings<'_>) {
        let code = reply.headers.text(":status");
        self.info.common.lock().code = code.and_then(|code| code.parse().ok());
        *self.headers(Direction::Response, around) = reply.headers;
        self.send_response_headers(false, around);
        if let Some(client) = &mut self.client {
            client.complete = true;
            if !self.head {
                self.info.common.lock().sent += reply.body.len() as u64;
                client.body = reply.body;
            }
        }
    }

    /// The stream's end, in Envoy's order: every filter logs, then one after another is done and deleted. Whether a guest is
    /// done is not asked for streams. A filter that the stream never came to is told of it only now.
    pub(super) fn conclude(&mut self, around: &mut Surroundings<'_>) {
        self.phase = Phase::Finished;
        let details = self.details.clone();
        self.info.common.lock().details = details;
        for filter in 0..self.filters.len() {
            self.create(filter, around);
            self.bring_to_log(filter, around);
            // The response has left: a guest that dies now only hurts the streams behind this one.
            let _too_late = self.callback(filter, Export::Log, &[], around);
        }
        for filter in 0..self.filters.len() {
            self.bring_to_log(filter, around);
            for export in [Export::Done, Export::Delete] {
                let _too_late = self.callback(filter, export, &[], around);
            }
            self.delete(filter, around);
        }
        self.asked.clear();
    }

    /// What was sent and received may be read again when it is logged, in every filter.
    fn bring_to_log(&mut self, filter: usize, around: &mut Surroundings<'_>) {
        for direction in [Direction::Request, Direction::Response] {
            self.bring_headers(direction, filter, around);
            self.bring_trailers(direction, filter, around);
        }
        let details = self.details.clone();
        if let Some(context) = self.context_of(filter, around) {
            context.logging = true;
            context.details = details;
        }
    }
}
