//! Answers in place of the upstream, and how a stream ends.

use std::collections::VecDeque;

use crate::exchange::{AnsweredBy, LocalResponse};
use crate::front::Part;
use crate::functions::Export;
use crate::headers::HeaderMap;
use crate::local_reply::LocalReply;
use crate::request::PROTOCOL_ERROR;

use super::{Direction, Phase, Stream, Surroundings};

/// A response with this status that no upstream gave is taken for a sign of a message that cannot be framed: the connection ends
/// (Envoy `ConnectionManagerImpl::ActiveStream::onLocalReply`, unless `stream_error_on_invalid_http_message` is set).
const BAD_REQUEST: u32 = 400;

impl Stream {
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
        body: impl AsRef<[u8]>,
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
        let status = if reason == PROTOCOL_ERROR { 502 } else { 503 };
        self.answer_as_host(status, &body, &details, around);
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
        let body = if self.head { Vec::new() } else { reply.body };
        self.write_response_head(body.is_empty(), around);
        self.write_response_body(body);
        self.end_response(around);
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
