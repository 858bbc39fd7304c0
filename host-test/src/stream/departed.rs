//! What leaves a stream bit by bit, for a front that does not wait for the whole of a message.

use crate::exchange::{Response, UpstreamRequest};
use crate::front::Part;
use crate::headers::HeaderMap;

use super::filter::Hold;
use super::{Direction, Phase, Stream, Surroundings};

/// What has left the filter in one direction since it was last taken.
#[derive(Debug)]
pub(crate) struct Departed<Head> {
    /// The start of the message, the first time; its body is empty.
    pub(crate) head: Option<Head>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// Whether nothing follows.
    pub(crate) ended: bool,
}

impl<Head> Default for Departed<Head> {
    fn default() -> Self {
        Self {
            head: None,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            ended: false,
        }
    }
}

impl Stream {
    /// Takes what the upstream is to get.
    pub(crate) fn take_for_upstream(&mut self) -> Departed<UpstreamRequest> {
        let Some(upstream) = &mut self.upstream else {
            return Departed::default();
        };
        let body = std::mem::take(&mut upstream.body);
        let first = !std::mem::replace(&mut self.upstream_head_taken, true);
        Departed {
            head: first.then(|| upstream.clone()),
            body,
            trailers: upstream.trailers.clone(),
            ended: upstream.complete || upstream.starved,
        }
    }

    /// Takes what the client is to get.
    pub(crate) fn take_for_client(&mut self) -> Departed<Response> {
        let Some(client) = &mut self.client else {
            return Departed::default();
        };
        let body = std::mem::take(&mut client.body);
        let first = !std::mem::replace(&mut self.client_head_taken, true);
        Departed {
            head: first.then(|| client.clone()),
            body,
            trailers: client.trailers.clone(),
            ended: client.complete,
        }
    }

    /// The bytes that wait in the host in this direction, because filters hold them back.
    pub(crate) fn held(&mut self, direction: Direction, around: &mut Surroundings<'_>) -> usize {
        if self.phase == Phase::Finished {
            return 0;
        }
        let flow = self.flow(direction);
        let mut held: usize = flow.incoming.iter().map(Part::len).sum();
        for filter in 0..self.filters.len() {
            let pass = self.filters[filter].pass(direction);
            held += pass.unseen.as_ref().map_or(0, Vec::len) + pass.aside.len();
            if pass.hold != Hold::Nothing {
                let message = self.message(filter, direction, around);
                held += message.map_or(0, |message| message.body.len());
            }
        }
        held
    }

    /// Whether more of the request is taken.
    pub(crate) fn takes_request(&self) -> bool {
        self.flows(Direction::Request) && !self.request.ended
    }
}
