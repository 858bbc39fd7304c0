//! What a filter does with the parts of a message: it sees them, holds them, and lets them go.

use crate::front::{Metadata, Part};
use crate::functions::Export;
use crate::state::Deferred;

use super::filter::{Hold, Trailers};
use super::{Direction, Stream, Surroundings, word};

/// The action of every callback in which a local response was asked for: all of Envoy's kinds of callbacks take it for a stop.
const STOPPED: u32 = 4;

impl Stream {
    /// Gives the chain one part after another, until the stream has moved on.
    pub(super) fn pump(&mut self, direction: Direction, around: &mut Surroundings<'_>) {
        while self.flows(direction) {
            let Some(part) = self.flow(direction).incoming.pop_front() else {
                return;
            };
            self.note(direction, &part);
            match part {
                Part::Headers(end) => {
                    let flow = self.flow(direction);
                    (flow.bodyless, flow.ended) = (end, end);
                    self.enter_headers(direction, 0, end, around);
                }
                Part::Body(bytes, end) => {
                    self.flow(direction).ended = end;
                    self.enter_body(direction, 0, bytes, end, around);
                }
                Part::Metadata(entries) => self.enter_metadata(direction, 0, entries, around),
                Part::Trailers(trailers) => {
                    self.flow(direction).ended = true;
                    *self.trailers(direction, around) = trailers;
                    self.enter_trailers(direction, 0, around);
                }
            }
        }
    }

    /// What a part says of the stream, whoever sees it.
    fn note(&self, direction: Direction, part: &Part) {
        let mut facts = self.info.common.lock();
        match (direction, part) {
            (Direction::Request, Part::Body(bytes, _)) => facts.received += bytes.len() as u64,
            (Direction::Request, _) | (_, Part::Metadata(_)) => {}
            (Direction::Response, Part::Headers(end) | Part::Body(_, end)) => {
                facts.response_complete = *end;
            }
            (Direction::Response, Part::Trailers(_)) => facts.response_complete = true,
        }
    }

    /// A filter gets the headers.
    pub(super) fn filter_headers(
        &mut self,
        direction: Direction,
        place: usize,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        let filter = self.filter_in(direction, place);
        self.create(filter, around);
        self.bring_headers(direction, filter, around);
        let pass = self.filters[filter].pass(direction);
        (pass.headers_seen, pass.ended) = (true, end);
        let count = word(self.headers(direction, around).len());
        if let Some(message) = self.message(filter, direction, around) {
            message.headers_visible = true;
        }
        let export = direction.pick(Export::RequestHeaders, Export::ResponseHeaders);
        let args = [count, u32::from(end)];
        let Some(action) = self.ask(direction, filter, export, &args, around) else {
            return;
        };
        let hold = match action {
            0 | 2 => Hold::Nothing,
            1 if self.filters[filter].stops_only_headers() => Hold::Seen,
            _ => Hold::All,
        };
        if hold == Hold::Nothing
            && let Some(message) = self.message(filter, direction, around)
        {
            message.headers_visible = false;
        }
        let pass = self.filters[filter].pass(direction);
        (pass.hold, pass.headers_passed) = (hold, hold == Hold::Nothing);
        self.settle(around);
        if hold != Hold::All {
            self.drain_metadata(direction, place, around);
        }
        if hold == Hold::Nothing {
            self.enter_headers(direction, place + 1, end, around);
        }
    }

    /// A filter gets a part of the body.
    pub(super) fn filter_body(
        &mut self,
        direction: Direction,
        place: usize,
        bytes: Vec<u8>,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        let filter = self.filter_in(direction, place);
        let pass = self.filters[filter].pass(direction);
        pass.ended |= end;
        if pass.hold == Hold::All {
            pass.unseen.get_or_insert_default().extend(bytes);
            return;
        }
        pass.holds_body = true;
        let Some(message) = self.message(filter, direction, around) else {
            // Without a context there is nowhere to keep it, and nobody to ask.
            self.lost(direction, place, bytes, end, around);
            return;
        };
        message.body.extend(bytes);
        message.body_visible = true;
        message.may_add_trailers = end;
        let length = message.body.len();
        let size = word(length);
        let export = direction.pick(Export::RequestBody, Export::ResponseBody);
        let args = [size, u32::from(end)];
        if end {
            self.bring_trailers(direction, filter, around);
        }
        let Some(action) = self.ask(direction, filter, export, &args, around) else {
            return;
        };
        let added = end && self.added_trailers(direction, filter, around);
        match action {
            0 => {
                if let Some(message) = self.message(filter, direction, around) {
                    message.body_visible = false;
                }
            }
            1 if length > around.settings.buffer_limit => {
                self.answer_too_large(direction, around);
                return;
            }
            1 => {
                let aside = std::mem::take(&mut self.filters[filter].pass(direction).aside);
                if let Some(message) = self.message(filter, direction, around) {
                    message.body.splice(..0, aside);
                }
            }
            // "Stop and apply back-pressure" has no limit of its own: whoever sends is not read any more.
            2 => {
                let message = self.message(filter, direction, around);
                let seen = message.map(|message| std::mem::take(&mut message.body));
                let aside = &mut self.filters[filter].pass(direction).aside;
                aside.extend(seen.unwrap_or_default());
            }
            _ => {
                // "Stop and do not buffer": what the filter did not keep is gone, but for the end.
                self.filters[filter].pass(direction).holds_body = end;
                if let Some(message) = self.message(filter, direction, around) {
                    message.body.clear();
                }
            }
        }
        if action == 0 {
            if added {
                self.filters[filter].pass(direction).trailers = Trailers::Held;
            }
            self.settle_except_resuming(direction, filter, around);
            self.release(direction, place, around);
        } else {
            self.filters[filter].pass(direction).hold = Hold::Seen;
            self.settle(around);
            if added {
                // Envoy hands new trailers on whatever the filter answers: they overtake a body that it holds.
                self.filters[filter].pass(direction).trailers = Trailers::Passed;
                self.enter_trailers(direction, place + 1, around);
            }
        }
    }

    /// Whether the guest has written trailers at the end of a body, where there were none.
    fn added_trailers(
        &mut self,
        direction: Direction,
        filter: usize,
        around: &mut Surroundings<'_>,
    ) -> bool {
        let message = self.message(filter, direction, around);
        message.is_some_and(|message| {
            std::mem::take(&mut message.may_add_trailers) && message.trailers_visible
        })
    }

    /// A filter gets the trailers.
    pub(super) fn filter_trailers(
        &mut self,
        direction: Direction,
        place: usize,
        around: &mut Surroundings<'_>,
    ) {
        let filter = self.filter_in(direction, place);
        let pass = self.filters[filter].pass(direction);
        pass.ended = true;
        if pass.hold == Hold::All {
            pass.trailers = Trailers::Unseen;
            return;
        }
        pass.trailers = Trailers::Held;
        self.bring_trailers(direction, filter, around);
        let count = word(self.trailers(direction, around).len());
        if let Some(message) = self.message(filter, direction, around) {
            message.trailers_visible = true;
        }
        let export = direction.pick(Export::RequestTrailers, Export::ResponseTrailers);
        let Some(action) = self.ask(direction, filter, export, &[count], around) else {
            return;
        };
        if action == 0 {
            if let Some(message) = self.message(filter, direction, around) {
                message.trailers_visible = false;
            }
            self.settle_except_resuming(direction, filter, around);
            self.release(direction, place, around);
        } else {
            self.filters[filter].pass(direction).hold = Hold::All;
            self.settle(around);
        }
    }

    /// A filter is told of metadata, which it can neither read nor hold (Envoy `FilterManager::decodeMetadata`). One that has
    /// not seen the headers, or has stopped everything, is told later.
    pub(super) fn filter_metadata(
        &mut self,
        direction: Direction,
        place: usize,
        entries: Metadata,
        around: &mut Surroundings<'_>,
    ) {
        let filter = self.filter_in(direction, place);
        let pass = self.filters[filter].pass(direction);
        if !pass.headers_seen || pass.hold == Hold::All {
            pass.metadata.push(entries);
            return;
        }
        let export = direction.pick(Export::RequestMetadata, Export::ResponseMetadata);
        let count = word(entries.len());
        if self
            .ask(direction, filter, export, &[count], around)
            .is_some()
        {
            self.settle(around);
            self.enter_metadata(direction, place + 1, entries, around);
        }
    }

    /// Tells a filter of the metadata that have waited for it.
    pub(super) fn drain_metadata(
        &mut self,
        direction: Direction,
        place: usize,
        around: &mut Surroundings<'_>,
    ) {
        let filter = self.filter_in(direction, place);
        let waiting = std::mem::take(&mut self.filters[filter].pass(direction).metadata);
        for entries in waiting {
            if self.flows(direction) {
                self.filter_metadata(direction, place, entries, around);
            }
        }
    }

    /// A body comes to a filter that has lost its context: it passes, or the stream fails.
    fn lost(
        &mut self,
        direction: Direction,
        place: usize,
        bytes: Vec<u8>,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        let filter = self.filter_in(direction, place);
        let export = direction.pick(Export::RequestBody, Export::ResponseBody);
        let args = [word(bytes.len()), u32::from(end)];
        if self.ask(direction, filter, export, &args, around).is_some() {
            self.enter_body(direction, place + 1, bytes, end, around);
        }
    }

    /// Runs a callback about a message. There is no answer if the callback decided the stream otherwise: Envoy ignores what
    /// it returned then.
    fn ask(
        &mut self,
        direction: Direction,
        filter: usize,
        export: Export,
        args: &[u32],
        around: &mut Surroundings<'_>,
    ) -> Option<u32> {
        let Ok(action) = self.callback(filter, export, args, around) else {
            self.fail_closed(filter, around);
            return None;
        };
        let stopped = self.was_stopped(filter, around);
        let answered = self
            .asked
            .iter()
            .any(|(_, asked)| matches!(asked, Deferred::LocalResponse(_) | Deferred::Close));
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
        let is_response =
            |(_, asked): &(usize, Deferred)| matches!(asked, Deferred::LocalResponse(_));
        let last = asked.iter().rev().find_map(|(_, asked)| match asked {
            Deferred::LocalResponse(local) => Some(local.details.clone()),
            _ => None,
        });
        if let (Some(first), Some(details)) = (asked.iter().position(is_response), last) {
            if let (_, Deferred::LocalResponse(local)) = asked.swap_remove(first) {
                self.answer_as_filter(local, &details, around);
            }
            return;
        }
        for (filter, action) in asked {
            match action {
                // The others are for connections: no request asks for them.
                Deferred::LocalResponse(_)
                | Deferred::ContinueDownstream
                | Deferred::CloseConnection => {}
                Deferred::ContinueRequest => self.resume(Direction::Request, filter, around),
                Deferred::ContinueResponse => self.resume(Direction::Response, filter, around),
                Deferred::Close => self.end_without_response("wasm_close_stream", around),
            }
        }
    }

    /// Settles when the filter itself has said "continue": to be asked to go on once more changes nothing.
    fn settle_except_resuming(
        &mut self,
        direction: Direction,
        filter: usize,
        around: &mut Surroundings<'_>,
    ) {
        self.asked.retain(|(asked_for, deed)| {
            let resumes = match deed {
                Deferred::ContinueRequest => direction == Direction::Request,
                Deferred::ContinueResponse => direction == Direction::Response,
                _ => false,
            };
            !resumes || *asked_for != filter
        });
        self.settle(around);
    }

    /// Does what a callback of another context asked for.
    pub(crate) fn apply(&mut self, filter: usize, asked: Deferred, around: &mut Surroundings<'_>) {
        if self.phase != super::Phase::Finished {
            self.asked.push((filter, asked));
            self.settle(around);
        }
    }
}
