//! How parts of a message pass the filter, are held and are let go.

use crate::front::Part;
use crate::functions::Export;
use crate::headers::HeaderMap;
use crate::state::Deferred;

use super::{Direction, Hold, Phase, STOPPED, Stream, Surroundings, word};

impl Stream {
    /// Gives the filter one part after another, until it holds the flow or the stream has moved on.
    pub(super) fn pump(&mut self, direction: Direction, around: &mut Surroundings<'_>) {
        while self.flows(direction) && self.flow(direction).hold != Hold::All {
            match self.flow(direction).incoming.pop_front() {
                Some(Part::Headers(end)) => self.headers(direction, end, around),
                Some(Part::Body(bytes, end)) => self.body(direction, bytes, end, around),
                Some(Part::Trailers(trailers)) => self.trailers(direction, trailers, around),
                None => return,
            }
        }
    }

    fn headers(&mut self, direction: Direction, end: bool, around: &mut Surroundings<'_>) {
        let flow = self.flow(direction);
        (flow.headers_seen, flow.bodyless, flow.ended) = (true, end, end);
        let message = self.message(direction, around);
        message.headers_visible = true;
        let count = word(message.headers.len());
        let export = direction.pick(Export::RequestHeaders, Export::ResponseHeaders);
        let Some(action) = self.ask(direction, export, &[count, u32::from(end)], around) else {
            return;
        };
        self.flow(direction).hold = match action {
            0 | 2 => Hold::Nothing,
            1 if around.settings.allow_on_headers_stop_iteration => Hold::Headers,
            _ => Hold::All,
        };
        if self.flow(direction).hold == Hold::Nothing {
            self.message(direction, around).headers_visible = false;
            self.release(direction, around);
        }
        self.settle(around);
    }

    fn body(
        &mut self,
        direction: Direction,
        bytes: Vec<u8>,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        self.flow(direction).ended = end;
        let message = self.message(direction, around);
        message.body.extend(bytes);
        message.body_visible = true;
        let length = message.body.len();
        let size = word(length);
        let export = direction.pick(Export::RequestBody, Export::ResponseBody);
        let Some(action) = self.ask(direction, export, &[size, u32::from(end)], around) else {
            return;
        };
        match action {
            0 => {
                self.flow(direction).hold = Hold::Nothing;
                self.message(direction, around).body_visible = false;
                self.release(direction, around);
            }
            1 if length > around.settings.buffer_limit => {
                self.answer_too_large(direction, around);
                return;
            }
            // "Stop and apply back-pressure" has no limit of its own: whoever sends is not read any more.
            1 | 2 => self.flow(direction).hold = Hold::Body,
            _ => {
                // "Stop and do not buffer": what the filter did not keep is gone.
                self.flow(direction).hold = Hold::Body;
                self.message(direction, around).body.clear();
            }
        }
        self.settle(around);
    }

    fn trailers(
        &mut self,
        direction: Direction,
        trailers: HeaderMap,
        around: &mut Surroundings<'_>,
    ) {
        let flow = self.flow(direction);
        (flow.trailers_seen, flow.ended) = (true, true);
        let count = word(trailers.len());
        let message = self.message(direction, around);
        message.trailers = trailers;
        message.trailers_visible = true;
        let export = direction.pick(Export::RequestTrailers, Export::ResponseTrailers);
        let Some(action) = self.ask(direction, export, &[count], around) else {
            return;
        };
        if action == 0 {
            self.flow(direction).hold = Hold::Nothing;
            self.message(direction, around).trailers_visible = false;
            self.release(direction, around);
        } else {
            self.flow(direction).hold = Hold::All;
        }
        self.settle(around);
    }

    /// Runs a callback about a message. There is no answer if the callback decided the stream otherwise: Envoy ignores what
    /// it returned then.
    fn ask(
        &mut self,
        direction: Direction,
        export: Export,
        args: &[u32],
        around: &mut Surroundings<'_>,
    ) -> Option<u32> {
        let Ok(action) = self.callback(around, export, args) else {
            self.fail_closed(around);
            return None;
        };
        let stopped = around
            .vm
            .as_mut()
            .is_some_and(|vm| std::mem::take(&mut vm.state_mut().stop_iteration));
        let answered = self
            .asked
            .iter()
            .any(|asked| matches!(asked, Deferred::LocalResponse(_) | Deferred::Close));
        if answered {
            self.settle(around);
        }
        let action = if stopped { STOPPED } else { action };
        (!answered && self.flows(direction)).then_some(action)
    }

    /// Does what callbacks have asked for, in their order. Of several local responses the first one is sent, under the
    /// details of the last one.
    pub(super) fn settle(&mut self, around: &mut Surroundings<'_>) {
        let mut asked = std::mem::take(&mut self.asked);
        let is_response = |asked: &Deferred| matches!(asked, Deferred::LocalResponse(_));
        let last = asked.iter().rev().find_map(|asked| match asked {
            Deferred::LocalResponse(local) => Some(local.details.clone()),
            _ => None,
        });
        if let (Some(first), Some(details)) = (asked.iter().position(is_response), last) {
            if let Deferred::LocalResponse(local) = asked.swap_remove(first) {
                self.answer_as_filter(local, &details, around);
            }
            return;
        }
        for action in asked {
            match action {
                Deferred::LocalResponse(_) => {}
                Deferred::ContinueRequest => self.resume(Direction::Request, around),
                Deferred::ContinueResponse => self.resume(Direction::Response, around),
                Deferred::Close => self.end_without_response("wasm_close_stream", around),
            }
        }
    }

    fn resume(&mut self, direction: Direction, around: &mut Surroundings<'_>) {
        if self.flows(direction) && self.flow(direction).headers_seen {
            self.flow(direction).hold = Hold::Nothing;
            self.release(direction, around);
            self.pump(direction, around);
        }
    }

    /// Sends on everything that the filter has seen.
    pub(super) fn release(&mut self, direction: Direction, around: &mut Surroundings<'_>) {
        if !self.flow(direction).headers_sent {
            self.flow(direction).headers_sent = true;
            match direction {
                Direction::Request if !self.send_request_headers(around) => return,
                Direction::Request => {}
                Direction::Response => self.send_response_headers(around),
            }
        }
        let (trailers_seen, ended) = (
            self.flow(direction).trailers_seen,
            self.flow(direction).ended,
        );
        let message = self.message(direction, around);
        let body = std::mem::take(&mut message.body);
        let trailers = if trailers_seen {
            message.trailers.clone()
        } else {
            HeaderMap::new()
        };
        match direction {
            Direction::Request => {
                if let Some(upstream) = &mut self.upstream {
                    upstream.body.extend(body);
                    upstream.trailers = trailers;
                    upstream.complete = ended;
                }
                let whole = ended || (self.upgrades && self.request.incoming.is_empty());
                if whole && self.phase == Phase::Request {
                    self.phase = Phase::Upstream;
                }
            }
            Direction::Response => {
                if let Some(client) = &mut self.client {
                    client.body.extend(body);
                    client.trailers = trailers;
                    client.complete = ended;
                }
                if ended {
                    self.conclude(around);
                }
            }
        }
    }
}
