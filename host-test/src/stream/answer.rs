//! What the upstream and the client get, and how a stream ends.

use std::collections::VecDeque;

use crate::exchange::{AnsweredBy, LocalResponse, Response, UpstreamRequest};
use crate::front::{self, Part};
use crate::functions::Export;
use crate::headers::HeaderMap;
use crate::local_reply::LocalReply;

use super::{Direction, Phase, Stream, Surroundings};

impl Stream {
    /// False if there is nowhere to send it.
    pub(super) fn send_request_headers(&mut self, around: &mut Surroundings<'_>) -> bool {
        let timeout = around.settings.front.envoy_headers;
        let headers = &mut self.message(Direction::Request, around).headers;
        if headers.get(":method") == Some(b"CONNECT") {
            // Envoy's routes match CONNECT only where they are told to.
            self.answer_as_host(404, "", "route_not_found", around);
            return false;
        }
        if timeout {
            // The router's default timeout. It is there when the request is logged, too.
            headers.replace("x-envoy-expected-rq-timeout-ms", "15000");
        }
        let headers = headers.clone();
        self.upstream = Some(UpstreamRequest {
            headers,
            bodyless: self.request.bodyless,
            ..UpstreamRequest::default()
        });
        true
    }

    pub(super) fn send_response_headers(&mut self, around: &mut Surroundings<'_>) {
        // Envoy does not read on after an early answer, so the connection cannot be used again.
        let unread = !self.http2 && !self.request.ended;
        let upgrades = self.upgrades;
        let wall_clock = around.wall_clock;
        let headers = &mut self.message(Direction::Response, around).headers;
        let switches = upgrades && headers.get(":status") == Some(b"101");
        let closes = unread && !switches;
        front::send(headers, wall_clock, closes, upgrades);
        let (status, headers) = front::to_client(headers);
        self.client = Some(Response {
            status,
            headers,
            closes,
            ..Response::default()
        });
    }

    pub(super) fn answer_as_filter(
        &mut self,
        local: LocalResponse,
        details: &str,
        around: &mut Surroundings<'_>,
    ) {
        let reply = LocalReply::from_filter(&local, self.grpc);
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

    /// The filter holds back more than it may (Envoy `requestDataTooLarge` and `responseDataTooLarge`).
    pub(super) fn answer_too_large(&mut self, direction: Direction, around: &mut Surroundings<'_>) {
        let (status, body, details) = match direction {
            Direction::Request => (413, "Payload Too Large", "request_payload_too_large"),
            Direction::Response => (500, "Internal Server Error", "response_payload_too_large"),
        };
        self.answer_as_host(status, body, details, around);
    }

    /// Answers in place of the upstream (Envoy `FilterManager::sendLocalReply`): through the filter's response callbacks
    /// while there is no response yet, past them while its headers are held, and by a reset once they have left.
    fn answer(
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
        self.message(Direction::Response, around).headers = headers;
        self.pump(Direction::Response, around);
    }

    pub(super) fn send_directly(&mut self, reply: LocalReply, around: &mut Surroundings<'_>) {
        self.message(Direction::Response, around).headers = reply.headers;
        self.send_response_headers(around);
        if let Some(client) = &mut self.client {
            client.complete = true;
            if !self.head {
                client.body = reply.body;
            }
        }
    }

    /// The stream's end, in Envoy's order: log, done, delete. Whether the guest is done is not asked for streams.
    pub(super) fn conclude(&mut self, around: &mut Surroundings<'_>) {
        self.phase = Phase::Finished;
        let details = self.details.clone();
        if let Some(context) = self.context(around) {
            context.logging = true;
            context.details = details;
        }
        for export in [Export::Log, Export::Done, Export::Delete] {
            // The response has left: a guest that dies now only hurts the streams behind this one.
            let _too_late = self.callback(around, export, &[]);
        }
        self.asked.clear();
        if std::mem::take(&mut self.attached)
            && let Some(vm) = around.vm.as_mut()
            && let Some(context) = vm.state_mut().streams.remove(&self.context)
        {
            self.filter_state = context.filter_state;
        }
    }
}
