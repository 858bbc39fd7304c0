//! How parts of a message go from one filter to the next: requests forward, responses back (Envoy `FilterManager`).

use super::filter::{Hold, Trailers};
use super::{Direction, Stream, Surroundings};
use crate::front::Metadata;

impl Stream {
    /// The filter at this place of the way.
    pub(super) fn filter_in(&self, direction: Direction, place: usize) -> usize {
        direction.pick(place, self.filters.len().saturating_sub(place + 1))
    }

    fn place_of(&self, direction: Direction, filter: usize) -> usize {
        self.filter_in(direction, filter)
    }

    /// A response does not go through filters that never saw the request.
    fn skips(&self, direction: Direction, place: usize) -> bool {
        direction == Direction::Response
            && !self.filters[self.filter_in(direction, place)].is_created()
    }

    /// Headers come to a place of the way, be it the end.
    pub(super) fn enter_headers(
        &mut self,
        direction: Direction,
        mut place: usize,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        while place < self.filters.len() && self.skips(direction, place) {
            place += 1;
        }
        if !self.flows(direction) {
            return;
        }
        if place < self.filters.len() {
            self.filter_headers(direction, place, end, around);
            return;
        }
        self.flow(direction).headers_sent = true;
        match direction {
            Direction::Request => self.send_request_headers(end, around),
            Direction::Response => self.send_response_headers(end, around),
        }
        for entries in std::mem::take(&mut self.flow(direction).metadata) {
            self.send_metadata(direction, entries);
        }
    }

    /// Metadata come to a place of the way, be it the end.
    pub(super) fn enter_metadata(
        &mut self,
        direction: Direction,
        mut place: usize,
        entries: Metadata,
        around: &mut Surroundings<'_>,
    ) {
        while place < self.filters.len() && self.skips(direction, place) {
            place += 1;
        }
        if !self.flows(direction) {
            return;
        }
        if place < self.filters.len() {
            self.filter_metadata(direction, place, entries, around);
        } else if self.flow(direction).headers_sent {
            self.send_metadata(direction, entries);
        } else {
            self.flow(direction).metadata.push(entries);
        }
    }

    /// A part of the body comes to a place of the way.
    pub(super) fn enter_body(
        &mut self,
        direction: Direction,
        mut place: usize,
        bytes: Vec<u8>,
        end: bool,
        around: &mut Surroundings<'_>,
    ) {
        while place < self.filters.len() && self.skips(direction, place) {
            place += 1;
        }
        if !self.flows(direction) {
            return;
        }
        if place < self.filters.len() {
            self.filter_body(direction, place, bytes, end, around);
            return;
        }
        match direction {
            Direction::Request => self.send_request_body(bytes, end, around),
            Direction::Response => self.send_response_body(bytes, end, around),
        }
    }

    /// Trailers come to a place of the way.
    pub(super) fn enter_trailers(
        &mut self,
        direction: Direction,
        mut place: usize,
        around: &mut Surroundings<'_>,
    ) {
        while place < self.filters.len() && self.skips(direction, place) {
            place += 1;
        }
        if !self.flows(direction) {
            return;
        }
        if place < self.filters.len() {
            self.filter_trailers(direction, place, around);
            return;
        }
        match direction {
            Direction::Request => self.send_request_trailers(around),
            Direction::Response => self.send_response_trailers(around),
        }
    }

    /// The filter lets the stream go on (Envoy `ActiveStreamFilterBase::commonContinue`).
    pub(super) fn resume(
        &mut self,
        direction: Direction,
        filter: usize,
        around: &mut Surroundings<'_>,
    ) {
        let flows = self.flows(direction);
        let pass = self.filters[filter].pass(direction);
        if flows && pass.headers_seen && pass.hold != Hold::Nothing {
            self.release(direction, self.place_of(direction, filter), around);
        }
    }

    /// Passes on everything that the filter has seen, and gives it what it has not seen.
    pub(super) fn release(
        &mut self,
        direction: Direction,
        place: usize,
        around: &mut Surroundings<'_>,
    ) {
        let filter = self.filter_in(direction, place);
        let pass = self.filters[filter].pass(direction);
        pass.hold = Hold::Nothing;
        let ended = pass.ended;
        let has_trailers = matches!(pass.trailers, Trailers::Held | Trailers::Unseen);
        let seen = std::mem::take(&mut pass.holds_body);
        let mut body = std::mem::take(&mut pass.aside);
        let unseen = pass.unseen.take();
        if !std::mem::replace(&mut pass.headers_passed, true) {
            let end = ended && !seen && unseen.is_none() && !has_trailers;
            self.enter_headers(direction, place + 1, end, around);
        }
        self.drain_metadata(direction, place, around);
        if seen && self.flows(direction) {
            let message = self.message(filter, direction, around);
            body.extend(
                message
                    .map(|message| std::mem::take(&mut message.body))
                    .unwrap_or_default(),
            );
            let end = ended && unseen.is_none() && !has_trailers;
            self.enter_body(direction, place + 1, body, end, around);
        }
        if let Some(unseen) = unseen {
            let end = ended && !has_trailers;
            self.enter_body(direction, place, unseen, end, around);
        }
        let pass = self.filters[filter].pass(direction);
        match pass.trailers {
            Trailers::Unseen => self.enter_trailers(direction, place, around),
            Trailers::Held => {
                pass.trailers = Trailers::Passed;
                self.enter_trailers(direction, place + 1, around);
            }
            Trailers::NotHere | Trailers::Passed => {}
        }
    }
}
