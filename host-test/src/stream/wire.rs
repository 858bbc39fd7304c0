//! What leaves for the upstream and the client, as these read it.

use crate::codec::{self, Framing, Reading, Unsendable};
use crate::diagnostics::{Code, Diagnostic};
use crate::exchange::{AnsweredBy, Response, UpstreamRequest};
use crate::front::{self, Metadata};
use crate::functions::Export;
use crate::local_reply::LocalReply;
use crate::routes::Target;

use super::{Direction, Phase, Stream, Surroundings};

impl Stream {
    /// The request's headers have passed the chain.
    pub(super) fn send_request_headers(&mut self, end: bool, around: &mut Surroundings<'_>) {
        let settings = around.settings;
        let as_envoy = settings.front.envoy_headers;
        let headers = self.headers(Direction::Request, around);
        // Without the scheme that its front noted there, Envoy finds no route (`VirtualHostImpl::getRouteFromEntries`).
        let forwarded = headers.get("x-forwarded-proto").unwrap_or_default();
        let routable = !as_envoy || !forwarded.is_empty();
        let route = settings.routes.find(headers).filter(|_| routable);
        let fault = codec::request_fault(headers);
        self.found(Direction::Request, fault, around);
        if !routable {
            let fault = Some("`x-forwarded-proto` is missing");
            self.found(Direction::Request, fault, around);
        }
        let cluster = match route.map(|route| &route.target) {
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
        let headers = self.headers(Direction::Request, around);
        if as_envoy {
            // The router's default timeout. It is there when the request is logged, too.
            headers.replace("x-envoy-expected-rq-timeout-ms", "15000");
        }
        if let Err(unsendable) = codec::check_request(headers) {
            let details = unsendable.details("filter_removed_required_request_headers");
            self.answer_as_host(503, unsendable.text(), &details, around);
            return;
        }
        let headers = headers.clone();
        let bodyless = self.request.bodyless;
        let chunked = Framing::of(&headers, bodyless) == Framing::Chunked;
        self.upstream_reading = Reading::of_request(&headers, chunked, self.upgrades);
        self.upstream = Some(UpstreamRequest {
            cluster,
            headers,
            bodyless,
            ..UpstreamRequest::default()
        });
        self.sent_to_upstream(end, around);
    }

    pub(super) fn send_request_body(
        &mut self,
        bytes: Vec<u8>,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        if let Some(upstream) = &mut self.upstream {
            upstream.body.extend(self.upstream_reading.take(bytes));
        }
        self.sent_to_upstream(end, around);
    }

    pub(super) fn send_request_trailers(&mut self, around: &mut Surroundings<'_>) {
        let trailers = self.trailers(Direction::Request, around).clone();
        if let Some(upstream) = &mut self.upstream {
            // Only a request in chunks has room for them.
            if self.upstream_reading == Reading::All {
                upstream.trailers = codec::received_trailers(trailers, false);
            }
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

    fn sent_to_upstream(&mut self, end: bool, around: &mut Surroundings<'_>) {
        self.sent_at = around.wall_clock;
        if end {
            let fault = self.upstream_reading.fault();
            self.found(Direction::Request, fault, around);
        }
        if let Some(upstream) = &mut self.upstream {
            upstream.complete = end && self.upstream_reading.is_complete();
            upstream.starved = end && !upstream.complete;
        }
        let whole = end || (self.upgrades && self.request.incoming.is_empty());
        if whole && self.phase == Phase::Request {
            self.phase = Phase::Upstream;
        }
    }

    /// The response's headers have passed the chain.
    pub(super) fn send_response_headers(&mut self, end: bool, around: &mut Surroundings<'_>) {
        let headers = self.headers(Direction::Response, around);
        if codec::status(headers).is_none() {
            // Envoy `FilterManager::encodeHeaders`.
            let unsendable = Unsendable::Missing(":status");
            let fault = Some("`:status` is missing or no number");
            self.found(Direction::Response, fault, around);
            self.answered_by = AnsweredBy::Host;
            self.details = unsendable.details("filter_removed_required_response_headers");
            let reply = LocalReply::from_host(502, unsendable.text(), self.grpc);
            self.send_directly(reply, around);
            self.conclude(around);
            return;
        }
        self.write_response_head(end, around);
        if end {
            self.end_response(around);
            self.conclude(around);
        }
    }

    pub(super) fn send_response_body(
        &mut self,
        bytes: Vec<u8>,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        self.write_response_body(bytes);
        if end {
            self.end_response(around);
            self.conclude(around);
        }
    }

    pub(super) fn send_response_trailers(&mut self, around: &mut Surroundings<'_>) {
        let trailers = self.trailers(Direction::Response, around).clone();
        let passes = around.settings.front.trailers;
        if let Some(client) = &mut self.client {
            // Over HTTP/1.1, only a response in chunks has room for them.
            if self.http2 || passes && self.client_reading == Reading::All {
                client.trailers = codec::received_trailers(trailers, self.http2);
            }
        }
        self.end_response(around);
        self.conclude(around);
    }

    /// Sends the head of a response that has a status. `end`: there is no body.
    pub(super) fn write_response_head(&mut self, end: bool, around: &mut Surroundings<'_>) {
        // Envoy does not read on after an early answer, so the connection cannot be used again.
        let ends = !self.http2 && (self.last || !self.request.ended);
        let (upgrades, to_head, http2) = (self.upgrades, self.head, self.http2);
        let wall_clock = around.wall_clock;
        let headers = self.headers(Direction::Response, around);
        let status = codec::status(headers).unwrap_or(0);
        let switches = upgrades && status == 101;
        let closes = ends && !switches;
        front::send(headers, wall_clock, closes, upgrades);
        if http2 && !codec::leaves_over_http2(headers) {
            // What follows still passes the filters.
            self.client = None;
            let fault = codec::response_fault(status, Reading::All, false);
            self.found(Direction::Response, fault, around);
            return;
        }
        let codec::Received { headers, spilled } = codec::received(headers, http2);
        let mut reading = Reading::of_response(status, &headers, to_head, http2);
        if switches {
            reading = Reading::All;
        } else if reading == Reading::All && end {
            // The codec says that there is nothing.
            reading = Reading::Length(0);
        }
        let body = reading.take(spilled);
        self.client_reading = reading;
        self.client = Some(Response {
            status: u16::try_from(status).unwrap_or(0),
            headers: front::shown_to_tests(headers),
            body,
            closes,
            bodyless: reading == Reading::Nothing,
            ..Response::default()
        });
    }

    pub(super) fn write_response_body(&mut self, bytes: Vec<u8>) {
        let mut facts = self.info.common.lock();
        facts.sent += bytes.len() as u64;
        drop(facts);
        self.response_has_body |= !bytes.is_empty();
        if let Some(client) = &mut self.client {
            client.body.extend(self.client_reading.take(bytes));
        }
    }

    /// The whole response has left.
    pub(super) fn end_response(&mut self, around: &mut Surroundings<'_>) {
        let reading = self.client_reading;
        let has_body = self.response_has_body && !self.head;
        if let Some(client) = &mut self.client {
            client.complete = reading.is_complete();
            let status = u64::from(client.status);
            let granted = self.upgrades && status == 101;
            let fault = codec::response_fault(status, reading, has_body).filter(|_| !granted);
            self.found(Direction::Response, fault, around);
        } else {
            self.answered_by = AnsweredBy::Nobody;
        }
    }

    /// Tells the author of the filters that what they left is no HTTP; the last one on the way could have seen it.
    fn found(
        &self,
        direction: Direction,
        fault: Option<&'static str>,
        around: &mut Surroundings<'_>,
    ) {
        let Some(fault) = fault else { return };
        let mut way = (0..self.filters.len()).rev();
        let last = way.find_map(|place| {
            let filter = self.filter_in(direction, place);
            self.is_judged(filter, around).then_some(filter)
        });
        let Some(last) = last else { return };
        let export = direction.pick(Export::RequestHeaders, Export::ResponseHeaders);
        around.journal.report.add([Diagnostic {
            code: Code::HeaderNotSendable,
            callback: Some(export.name()),
            call: None,
            context: self.filters[last].context(),
            stream: Some(self.id),
            worker: self.worker,
            detail: fault.to_owned(),
            count: 1,
        }]);
    }
}
