//! Redirects of the upstream that the host follows itself (Envoy `ActiveStream::recreateStream`).

use std::collections::VecDeque;

use crate::exchange::AnsweredBy;
use crate::front::{Admitted, Part};
use crate::headers::Joining;
use crate::plugins::PluginId;
use crate::request::Reply;
use crate::routes::Routes;
use crate::state::Common;

use super::filter::Filter;
use super::{Flow, Phase, Stream, Surroundings};

impl Stream {
    /// The request that is to be sent instead of passing this reply on, with the chain and the worker that it goes through.
    pub(crate) fn followed(
        &self,
        reply: &Reply,
        routes: &Routes,
    ) -> Option<(Vec<PluginId>, usize, Admitted)> {
        let upstream = self.upstream.as_ref()?;
        let location = reply
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(b"location"));
        if reply.status != 302 || reply.failure.is_some() || self.phase != Phase::Upstream {
            return None;
        }
        let followed = u32::try_from(self.redirected.len()).unwrap_or(u32::MAX);
        let route = routes.find(&upstream.headers)?;
        let headers = route.redirected(&upstream.headers, &location?.1, followed)?;
        let mut parts = VecDeque::from([Part::Headers(upstream.body.is_empty())]);
        if !upstream.body.is_empty() {
            // However it came, it goes on in one piece.
            parts.push_back(Part::Body(upstream.body.clone(), true));
        }
        let admitted = Admitted {
            headers,
            parts,
            closes: self.last,
        };
        Some((self.chain.clone(), self.worker, admitted))
    }

    /// Ends the stream as the filters know it: they hear nothing of the redirect.
    pub(crate) fn leave(&mut self, around: &mut Surroundings<'_>) {
        self.details = "internal_redirect".to_owned();
        self.conclude(around);
    }

    /// Lets the new request pass through new filters.
    pub(crate) fn start_again(
        &mut self,
        filters: Vec<Filter>,
        admitted: Admitted,
        around: &mut Surroundings<'_>,
    ) {
        self.redirected.extend(self.upstream.take());
        self.filters = filters;
        let kept = self.info.common.lock().filter_state.after_redirect();
        self.info.common = Common::with(kept);
        self.phase = Phase::Request;
        self.request = Flow::new(Joining::Request);
        self.response = Flow::new(Joining::Response);
        self.answered_by = AnsweredBy::Nobody;
        self.details.clear();
        self.begin(admitted, around);
    }
}
