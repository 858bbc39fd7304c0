//! How a stream is moved: with which filters, by whose answer, and what that lets go.

use std::collections::BTreeSet;

use crate::builder::{FailurePolicy, Upstream};
use crate::exchange::{Response, StreamId, UpstreamRequest};
use crate::plugin::PluginSettings;
use crate::plugins::PluginId;
use crate::request::Reply;
use crate::stream::{Departed, Direction, Filter, Phase, Stream, Surroundings};

use super::Host;

/// What Envoy answers if the upstream has not.
const UPSTREAM_TIMEOUT: &str = "upstream request timeout";

/// What a stream has let go, and what it still takes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) for_upstream: Departed<UpstreamRequest>,
    pub(crate) for_client: Departed<Response>,
    /// Bytes that the filter holds back.
    pub(crate) request_held: usize,
    pub(crate) response_held: usize,
    /// Whether more of the request is taken.
    pub(crate) takes_request: bool,
    pub(crate) finished: bool,
}

impl Host {
    /// Takes what a stream has let go since the last time.
    pub(crate) fn progress(&mut self, stream: StreamId) -> Progress {
        let mut progress = Progress::default();
        self.look_at(stream, |stream, around| {
            progress = Progress {
                for_upstream: stream.take_for_upstream(),
                for_client: stream.take_for_client(),
                request_held: stream.held(Direction::Request, around),
                response_held: stream.held(Direction::Response, around),
                takes_request: stream.takes_request(),
                finished: stream.phase() == Phase::Finished,
            }
        });
        progress
    }

    /// Takes the streams that something has happened to.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<StreamId> {
        std::mem::take(&mut self.moved)
    }

    /// How many streams are open or wait to be taken.
    pub(crate) fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// What each plugin of a chain has for a new stream. One that fails open and has no VM is left out; one that is not there
    /// any more lets nothing pass.
    pub(super) fn filters(&mut self, chain: &[PluginId], worker: usize) -> Vec<Filter> {
        let mut filters = Vec::with_capacity(chain.len());
        for plugin in chain {
            let home = self.root_for_stream(*plugin, worker);
            let settings = match self.plugins.get(plugin) {
                Some(plugin) => plugin.settings,
                None => PluginSettings::default(),
            };
            if home.is_some() || settings.policy != FailurePolicy::FailOpen {
                filters.push(Filter::new(settings, home));
            }
        }
        filters
    }

    /// Lets the scripted upstream answer every stream that waits for it; false if none does.
    pub(crate) fn ask_upstream(&mut self) -> bool {
        let waiting = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.phase() == Phase::Upstream);
        let waiting: Vec<StreamId> = waiting.map(|(id, _)| *id).collect();
        let mut answered = false;
        for id in &waiting {
            let Some(request) = self.streams.get(id).and_then(|stream| stream.upstream()) else {
                continue;
            };
            let cluster = request.cluster.as_ref();
            let cluster = cluster.and_then(|cluster| self.upstream_clusters.get_mut(cluster));
            if request.starved
                && (cluster.is_some() || matches!(self.upstream, Upstream::Scripted(_)))
            {
                // It waits for the rest, and the host in vain for it.
                answered = true;
                self.with_stream(*id, |stream, around| {
                    stream.answer_as_host(504, UPSTREAM_TIMEOUT, "response_timeout", around);
                });
                continue;
            }
            let reply = match (cluster, &mut self.upstream) {
                (Some(upstream), _) | (None, Upstream::Scripted(upstream)) => upstream(request),
                (None, Upstream::Manual) => continue,
            };
            answered = true;
            self.reply(*id, reply);
            if self
                .streams
                .get(id)
                .is_some_and(|stream| stream.is_stalled())
            {
                self.with_stream(*id, |stream, around| {
                    stream.answer_as_host(504, UPSTREAM_TIMEOUT, "response_timeout", around);
                });
            }
        }
        answered
    }

    /// Gives a reply to a stream, or follows it where it leads.
    pub(super) fn reply(&mut self, id: StreamId, reply: Reply) {
        let stream = self.streams.get_mut(&id);
        let Some(reply) = stream.and_then(|stream| stream.read(reply)) else {
            return;
        };
        let routes = &self.settings.routes;
        let followed = self
            .streams
            .get(&id)
            .and_then(|stream| stream.followed(&reply, routes));
        let Some((chain, worker, admitted)) = followed else {
            self.with_stream(id, |stream, around| stream.reply(reply, around));
            return;
        };
        self.with_stream(id, |stream, around| stream.leave(around));
        let filters = self.filters(&chain, worker);
        self.with_stream(id, |stream, around| {
            stream.start_again(filters, admitted, around);
        });
    }

    /// Moves a stream.
    pub(crate) fn with_stream(
        &mut self,
        id: StreamId,
        action: impl FnOnce(&mut Stream, &mut Surroundings<'_>),
    ) {
        if matches!(self.upstream, Upstream::Manual) {
            self.moved.insert(id);
        }
        self.look_at(id, action);
    }

    /// Does something with a stream that does not move it.
    fn look_at(&mut self, id: StreamId, action: impl FnOnce(&mut Stream, &mut Surroundings<'_>)) {
        // Moving one stream touches no other.
        let mut streams = std::mem::take(&mut self.streams);
        if let Some(stream) = streams.get_mut(&id) {
            self.surround(&mut **stream, action);
        }
        self.streams = streams;
    }

    pub(crate) fn surround<T>(
        &mut self,
        stream: &mut T,
        action: impl FnOnce(&mut T, &mut Surroundings<'_>),
    ) {
        let mut around = Surroundings {
            vms: &mut self.vms,
            journal: &mut self.journal,
            settings: &self.settings,
            wall_clock: self.clock.wall(),
            elsewhere: &mut self.elsewhere,
            traps: 0,
        };
        action(stream, &mut around);
        self.traps += around.traps;
    }
}
