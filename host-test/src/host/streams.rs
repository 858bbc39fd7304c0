//! Streams as a caller drives them: opened, fed, answered, finished.

use crate::client::Home;
use crate::exchange::{Exchange, Response, StreamId, UpstreamRequest};
use crate::filter_state::FilterStates;
use crate::front::{self, Metadata, Part};
use crate::headers::HeaderMap;
use crate::plugins::PluginId;
use crate::request::{Reply, Request};
use crate::state::Common;
use crate::stream::{Phase, Stream, StreamInfo};

use super::Host;

/// A guest that makes a new call on every reply, and never lets the stream go on, is given up after so many.
const MAX_REPLIES_PER_REQUEST: usize = 10_000;

/// How far a stream has come.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamState {
    /// The filter holds it, and something has to happen first: a reply, a tick, a disconnect.
    Paused,
    /// The upstream has the whole request and has not replied. Only with [`HostBuilder::manual_upstream`](crate::HostBuilder::manual_upstream).
    AwaitingUpstream(UpstreamRequest),
    /// The upstream has granted an upgrade, and the client got this response. What follows on the connection comes with
    /// [`Host::send_body`] and [`Host::reply_body`]; [`Host::end_upgrade`] tells that it is over.
    Upgraded(Response),
    /// It has ended.
    Finished,
}

impl Host {
    /// Sends a request through the plugin and waits for its end. Virtual time moves on only if the filter waits for the reply of
    /// a cluster. With [`HostBuilder::manual_upstream`](crate::HostBuilder::manual_upstream), a stream that got to the upstream ends there.
    pub fn request(&mut self, plugin: PluginId, request: Request) -> Exchange {
        self.request_through(&[plugin], request)
    }

    /// Sends a request through a filter chain of several plugins, in this order; the response comes back the other way. See
    /// [`request`](Self::request).
    pub fn request_through(&mut self, chain: &[PluginId], request: Request) -> Exchange {
        let stream = self.open_through(chain, request);
        for _ in 0..MAX_REPLIES_PER_REQUEST {
            if self.state(stream) != StreamState::Paused || !self.advance_to_next_reply() {
                break;
            }
        }
        self.end_upgrade(stream);
        self.finish(stream)
    }

    /// Opens a stream and lets it run as far as it can: to its end, to a pause, or to an upstream that the caller plays.
    pub fn open(&mut self, plugin: PluginId, request: Request) -> StreamId {
        self.open_through(&[plugin], request)
    }

    /// Opens a stream through a filter chain of several plugins. See [`open`](Self::open).
    pub fn open_through(&mut self, chain: &[PluginId], mut request: Request) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        let home = request.connection.home(Home {
            number: id.0,
            worker: self.next_worker,
        });
        let worker = request.worker.unwrap_or(home.worker) % self.worker_count;
        self.next_worker = self.next_worker.wrapping_add(1);
        let filter_state = FilterStates::on(request.connection.state.clone());
        let info = StreamInfo {
            id,
            source: request.source,
            protocol: if request.http2 { "HTTP/2" } else { "HTTP/1.1" },
            started: self.clock.wall(),
            connection: home.number,
            common: Common::with(filter_state),
            properties: std::mem::take(&mut request.properties),
        };
        let filters = self.filters(chain, worker);
        let stream = Box::new(Stream::new(info, chain.to_vec(), filters, worker));
        self.streams.insert(id, stream);

        let request_id = self.request_ids.uuid();
        let admitted = front::admit(request, &self.settings.front, &request_id);
        self.with_stream(id, |stream, around| match admitted {
            Err((refusal, headers)) => stream.refuse(refusal, headers, around),
            Ok(admitted) => stream.begin(admitted, around),
        });
        self.settle();
        id
    }

    /// How far a stream has come. A stream that this host does not know, or no more, has ended.
    pub fn state(&self, stream: StreamId) -> StreamState {
        match self.streams.get(&stream) {
            None => StreamState::Finished,
            Some(stream) => match (stream.phase(), stream.upstream()) {
                (Phase::Finished, _) => StreamState::Finished,
                (Phase::Upstream, Some(request)) => StreamState::AwaitingUpstream(request.clone()),
                _ => stream.upgraded().map_or(StreamState::Paused, |response| {
                    StreamState::Upgraded(response.clone())
                }),
            },
        }
    }

    /// One more part of the body of a request that was [unfinished](Request::unfinished); `end` says that nothing follows. An
    /// HTTP/1 codec tells the end with no bytes. A stream that was answered already takes no notice.
    pub fn send_body(&mut self, stream: StreamId, part: impl AsRef<[u8]>, end: bool) {
        let part = Part::Body(part.as_ref().to_vec(), end);
        self.with_stream(stream, |stream, around| stream.receive(part, around));
        self.settle();
    }

    /// The end of a request that was [unfinished](Request::unfinished), with trailers. Where the host lets no trailers
    /// through, that is an end like any other.
    pub fn send_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        let passes = self.settings.front.trailers;
        self.with_stream(stream, |stream, around| {
            let part = if !trailers.is_empty() && (passes || stream.is_http2()) {
                Part::Trailers(trailers)
            } else {
                Part::Body(Vec::new(), true)
            };
            stream.receive(part, around);
        });
        self.settle();
    }

    /// Whether the client of this stream speaks HTTP/2.
    pub(crate) fn is_http2(&self, stream: StreamId) -> bool {
        let stream = self.streams.get(&stream);
        stream.is_some_and(|stream| stream.is_http2())
    }

    /// A METADATA frame of HTTP/2 in a request that was [unfinished](Request::unfinished), where Envoy allows them
    /// (`allow_metadata`). Filters are told how many entries it has, in `proxy_on_request_metadata`, and can neither read nor hold
    /// it. HTTP/1.1 has no such frames: a stream of it takes no notice.
    pub fn send_metadata<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        stream: StreamId,
        entries: impl IntoIterator<Item = (N, V)>,
    ) {
        let part = metadata(entries);
        self.with_stream(stream, |stream, around| {
            if stream.is_http2() {
                stream.receive(part, around);
            }
        });
        self.settle();
    }

    /// A METADATA frame of HTTP/2 in a reply that was [unfinished](Reply::unfinished). Filters are told of it in
    /// `proxy_on_response_metadata`; a client of HTTP/1.1 does not get it.
    pub fn reply_metadata<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        stream: StreamId,
        entries: impl IntoIterator<Item = (N, V)>,
    ) {
        let part = metadata(entries);
        self.with_stream(stream, |stream, around| stream.reply_part(part, around));
        self.settle();
    }

    /// The upgraded connection of a stream is closed; other streams take no notice.
    pub fn end_upgrade(&mut self, stream: StreamId) {
        self.with_stream(stream, |stream, around| stream.end_upgrade(around));
        self.settle();
    }

    /// Answers in place of the upstream, as Envoy does when the client breaks off what it sends.
    pub(crate) fn answer(
        &mut self,
        stream: StreamId,
        status: u16,
        body: &'static str,
        details: &'static str,
    ) {
        self.with_stream(stream, |stream, around| {
            stream.answer_as_host(status, body, details, around);
        });
        self.settle();
    }

    /// Gives the upstream's reply to a stream that waits for it; other streams take no notice.
    pub fn upstream_replies(&mut self, stream: StreamId, reply: Reply) {
        self.reply(stream, reply);
        self.settle();
    }

    /// Whether the upstream's reply promises more than it has.
    pub(crate) fn is_stalled(&self, stream: StreamId) -> bool {
        let stream = self.streams.get(&stream);
        stream.is_some_and(|stream| stream.is_stalled())
    }

    /// One more part of the body of a reply that was [unfinished](Reply::unfinished), or of what the upstream sends on an
    /// upgraded connection; `end` says that nothing follows.
    pub fn reply_body(&mut self, stream: StreamId, part: impl AsRef<[u8]>, end: bool) {
        let part = Part::Body(part.as_ref().to_vec(), end);
        self.with_stream(stream, |stream, around| stream.reply_part(part, around));
        self.settle();
    }

    /// The end of a reply that was [unfinished](Reply::unfinished), with trailers.
    pub fn reply_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        let passes = self.settings.front.trailers && !trailers.is_empty();
        let part = if passes {
            Part::Trailers(trailers)
        } else {
            Part::Body(Vec::new(), true)
        };
        self.with_stream(stream, |stream, around| stream.reply_part(part, around));
        self.settle();
    }

    /// The upstream breaks off a reply that was [unfinished](Reply::unfinished).
    pub fn reply_breaks(&mut self, stream: StreamId) {
        self.with_stream(stream, |stream, around| stream.reply_breaks(around));
        self.settle();
    }

    /// The client goes away.
    pub fn disconnect(&mut self, stream: StreamId) {
        self.with_stream(stream, |stream, around| stream.disconnect(around));
        self.settle();
    }

    /// Takes what came of a stream. One that has not ended is given up, without any callback.
    ///
    /// # Panics
    ///
    /// If the stream is not of this host, or was taken before.
    pub fn finish(&mut self, stream: StreamId) -> Exchange {
        let stream = self
            .streams
            .remove(&stream)
            .expect("the stream is of this host and was not taken before");
        self.moved.remove(&stream.id);
        stream.into_exchange(&mut self.vms)
    }
}

fn metadata<N: AsRef<[u8]>, V: AsRef<[u8]>>(entries: impl IntoIterator<Item = (N, V)>) -> Part {
    let mut metadata = Metadata::new();
    for (name, value) in entries {
        let value = value.as_ref().to_vec();
        metadata.entry(name.as_ref().to_vec()).or_insert(value);
    }
    Part::Metadata(metadata)
}
