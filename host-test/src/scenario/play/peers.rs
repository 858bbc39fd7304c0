//! The upstream's part in a scenario: who answers, and when.

use std::time::Duration;

use super::super::format::{Headers, MoreReply, PartContent, PeerReply, PeerResponse, ReplyPart};
use super::super::upstream::ROUTE_TIMEOUT;
use super::{Impossible, MAX_EVENTS_PER_STEP, Player};
use crate::clock::nanoseconds;
use crate::exchange::StreamId;
use crate::headers::HeaderMap;
use crate::host::StreamState;
use crate::request::Reply;

use std::sync::PoisonError;

/// Something of the upstream that takes its time.
pub(super) struct OnTheWay {
    due: u64,
    stream: StreamId,
    what: Coming,
}

/// What comes from the upstream.
enum Coming {
    /// A response with what follows it, and until when it has to be whole.
    Response(PeerResponse, u64),
    /// A connection that breaks, or none at all.
    Failure(Reply),
    /// A part of a response.
    Part(PartContent),
    /// The end of a response that has no trailers.
    End,
    /// Envoy's route has waited long enough.
    Late,
}

impl Player<'_> {
    /// The upstream replies by hand, to a request that waits for it or that is still on its way.
    pub(super) fn reply(&mut self, name: &str, reply: &PeerReply) -> Result<(), Impossible> {
        let id = self.stream(name)?.id;
        let waits = match self.host.state(id) {
            StreamState::AwaitingUpstream(_) => true,
            StreamState::Paused => self
                .host
                .snapshot(id)
                .is_some_and(|seen| seen.upstream.is_some() && seen.response.is_none()),
            _ => false,
        };
        if !waits {
            return Err(Impossible(
                "the stream does not wait for its upstream".to_owned(),
            ));
        }
        let now = self.host.monotonic_clock();
        let late = now.saturating_add(nanoseconds(ROUTE_TIMEOUT));
        match reply {
            PeerReply::Response(response) => self.respond(id, response, late),
            PeerReply::Refused => self.give(id, Reply::refused()),
            _ => self.give(id, Reply::reset()),
        }
        self.pump();
        self.wait(id);
        Ok(())
    }

    /// The upstream sends more of a reply.
    pub(super) fn reply_body(&mut self, name: &str, more: &MoreReply) -> Result<(), Impossible> {
        let id = self.unfinished_reply(name)?;
        for chunk in &more.chunks {
            self.host.reply_body(id, chunk, false);
        }
        if more.resets() {
            self.host.reply_breaks(id);
        } else if !more.trailers.is_empty() {
            self.host.reply_trailers(id, more.trailers.iter().collect());
        } else if more.end {
            self.host.reply_body(id, "", true);
        }
        self.pump();
        if more.end {
            self.wait(id);
        }
        Ok(())
    }

    /// The upstream sends a METADATA frame in a reply.
    pub(super) fn reply_metadata(
        &mut self,
        name: &str,
        entries: &Headers,
    ) -> Result<(), Impossible> {
        let id = self.unfinished_reply(name)?;
        self.host.reply_metadata(id, entries.iter());
        self.pump();
        Ok(())
    }

    /// The stream of this name, if a reply to it is under way.
    fn unfinished_reply(&self, name: &str) -> Result<StreamId, Impossible> {
        let played = self.stream(name)?;
        if played.replies && self.host.state(played.id) != StreamState::Finished {
            Ok(played.id)
        } else {
            Err(Impossible(
                "the stream has no reply that was not finished".to_owned(),
            ))
        }
    }

    /// Lets time move on as long as the stream waits for something that is on its way.
    pub(super) fn wait(&mut self, id: StreamId) {
        for _ in 0..MAX_EVENTS_PER_STEP {
            let own = self.on_the_way.iter().filter(|coming| coming.stream == id);
            let own = own.map(|coming| coming.due).min();
            let due = match self.host.state(id) {
                StreamState::Finished => return,
                StreamState::Upgraded(_) => {
                    self.host.end_upgrade(id);
                    return;
                }
                StreamState::AwaitingUpstream(_) => own,
                StreamState::Paused => self.host.next_reply().into_iter().chain(own).min(),
            };
            let Some(due) = due else { return };
            self.advance_to(due);
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        let target = self.host.monotonic_clock().saturating_add(nanoseconds(by));
        self.advance_to(target);
    }

    fn advance_to(&mut self, target: u64) {
        loop {
            let of_upstream = self.on_the_way.iter().map(|coming| coming.due);
            let next = of_upstream.chain(self.host.next_due()).min();
            let Some(due) = next.filter(|due| *due <= target) else {
                break;
            };
            self.host_advances_to(due);
            self.deliver(due);
            self.pump();
        }
        self.host_advances_to(target);
    }

    fn host_advances_to(&mut self, target: u64) {
        let now = self.host.monotonic_clock();
        self.host
            .advance(Duration::from_nanos(target.saturating_sub(now)));
    }

    /// Gives the streams what is there now, in the order in which it was sent.
    fn deliver(&mut self, now: u64) {
        while let Some(index) = self.on_the_way.iter().position(|coming| coming.due <= now) {
            let OnTheWay { stream, what, .. } = self.on_the_way.remove(index);
            match what {
                Coming::Response(response, late) => self.respond(stream, &response, late),
                Coming::Failure(reply) => self.give(stream, reply),
                Coming::Part(part) => self.pass(stream, &part),
                Coming::End => self.host.reply_body(stream, "", true),
                Coming::Late => {
                    self.host
                        .answer(stream, 504, "upstream request timeout", "response_timeout");
                }
            }
        }
    }

    /// Asks the upstream's rules for every request that has arrived there.
    pub(super) fn pump(&mut self) {
        for _ in 0..MAX_EVENTS_PER_STEP {
            let mut waiting = self.streams.iter_mut().filter_map(|played| {
                if played.asked || played.ended.is_some() {
                    return None;
                }
                match self.host.state(played.id) {
                    StreamState::AwaitingUpstream(request) => Some((played, request)),
                    _ => None,
                }
            });
            let Some((played, request)) = waiting.next() else {
                return;
            };
            played.asked = true;
            let id = played.id;
            drop(waiting);
            let cluster = request.cluster.as_ref();
            let reply = match cluster.and_then(|cluster| self.clusters.get(cluster)) {
                Some(cluster) => {
                    let mut peer = cluster.lock().unwrap_or_else(PoisonError::into_inner);
                    peer.answer(&request.headers)
                }
                None => self.upstream.answer(&request.headers),
            };
            let now = self.host.monotonic_clock();
            let late = now.saturating_add(nanoseconds(ROUTE_TIMEOUT));
            let (delay, what) = match reply {
                // The upstream waits for the rest of the request.
                _ if request.starved => (ROUTE_TIMEOUT, Coming::Late),
                PeerReply::Response(response) => (response.delay, Coming::Response(response, late)),
                PeerReply::Reset(delay) => (delay, Coming::Failure(Reply::reset())),
                PeerReply::Refused => (Duration::ZERO, Coming::Failure(Reply::refused())),
                PeerReply::Timeout => (ROUTE_TIMEOUT, Coming::Late),
                PeerReply::Manual => continue,
            };
            self.send(id, now.saturating_add(nanoseconds(delay)), late, what);
            if delay.is_zero() {
                self.deliver(now);
            }
        }
    }

    /// Sends something on its way. What would be there after the route's timeout is not there at all.
    fn send(&mut self, stream: StreamId, due: u64, late: u64, what: Coming) {
        let (due, what) = match what {
            what if due < late => (due, what),
            _ => (late, Coming::Late),
        };
        self.on_the_way.push(OnTheWay { due, stream, what });
    }

    /// Gives a stream a response, and sends on its way what follows.
    fn respond(&mut self, id: StreamId, response: &PeerResponse, late: u64) {
        self.give(id, response.reply());
        if self.host.is_stalled(id) {
            // What is missing never comes.
            self.send(id, late, late, Coming::Late);
            if let Some(played) = self.streams.iter_mut().find(|played| played.id == id) {
                played.asked = true;
            }
            return;
        }
        if matches!(self.host.state(id), StreamState::AwaitingUpstream(_)) {
            // The host has followed a redirect: nobody reads the rest.
            return;
        }
        let mut due = self.host.monotonic_clock();
        let mut ended = response.unfinished || response.parts.is_empty();
        for ReplyPart { delay, content } in &response.parts {
            due = due.saturating_add(nanoseconds(*delay));
            self.send(id, due, late, Coming::Part(content.clone()));
            ended |= !matches!(content, PartContent::Body(_));
        }
        if !ended {
            self.send(id, due, late, Coming::End);
        }
    }

    fn give(&mut self, stream: StreamId, reply: Reply) {
        if let Some(played) = self.streams.iter_mut().find(|played| played.id == stream) {
            // The filter may send it to the upstream again.
            played.asked = false;
            played.replies = true;
        }
        self.host.upstream_replies(stream, reply);
    }

    fn pass(&mut self, stream: StreamId, part: &PartContent) {
        match part {
            PartContent::Body(body) => self.host.reply_body(stream, body, false),
            PartContent::Trailers(trailers) => {
                let trailers: HeaderMap = trailers.iter().collect();
                self.host.reply_trailers(stream, trailers);
            }
            PartContent::Reset => self.host.reply_breaks(stream),
        }
    }
}
