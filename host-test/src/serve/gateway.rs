//! One request's way from the client through the filter to the upstream and back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::HeaderMap as HttpHeaders;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;

use crate::exchange::{self, Exchange, StreamId};
use crate::front::Refusal;
use crate::host::{Host, StreamState};
use crate::plugins::PluginId;
use crate::request::Request;

use super::client::Heads;
use super::convert::{self, Body, Unsendable};
use super::head::Head;
use super::{MAX_BODY, lock, upstream};

/// Envoy's default `stream_idle_timeout`: how long a filter may hold a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How often a held request is looked at.
const HELD_INTERVAL: Duration = Duration::from_millis(10);

/// The filter between clients and the upstream.
pub(super) struct Gateway {
    host: Arc<Mutex<Host>>,
    plugin: PluginId,
    upstream: Uri,
}

/// Ends the stream of a client that went away.
struct OpenStream {
    host: Arc<Mutex<Host>>,
    stream: StreamId,
    taken: bool,
}

/// How a stream ended, as far as the gateway is concerned.
enum Outcome {
    Finished,
    /// The upstream granted an upgrade: the response, and the connection to it.
    Upgraded(exchange::Response, Upgraded),
}

/// A body on its way in.
struct Arriving {
    body: Incoming,
    http2: bool,
    length: usize,
}

/// Status, body and details of an answer that the host gives itself.
type HostAnswer = (u16, &'static str, &'static str);

const TOO_LARGE: HostAnswer = (413, "Payload Too Large", "request_payload_too_large");
const BROKEN: HostAnswer = (400, "Bad Request", "http1.codec_error");

enum Part {
    Data(Bytes, bool),
    Trailers(HttpHeaders),
}

impl Gateway {
    pub(super) fn new(host: Arc<Mutex<Host>>, plugin: PluginId, upstream: Uri) -> Self {
        Self {
            host,
            plugin,
            upstream,
        }
    }

    /// An error breaks the connection off: that is what a client sees of a stream that is reset.
    pub(super) async fn serve(
        &self,
        mut incoming: hyper::Request<Incoming>,
        heads: &Heads,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Unsendable> {
        let upgrade = hyper::upgrade::on(&mut incoming);
        let (parts, body) = incoming.into_parts();
        if parts.version == Version::HTTP_2 {
            let request = convert::http2_request(&parts, peer);
            return self.pass(request, body, upgrade).await;
        }
        let head = match heads.next() {
            Some(Head::Request(head)) => head,
            Some(Head::Refused(refusal)) => {
                return self.pass(Request::refused(refusal), body, upgrade).await;
            }
            // The library sees a request where none was found: what came before was not framed as it seemed.
            None => {
                let refused = Request::refused(Refusal::CODEC_ERROR);
                return self.pass(refused, body, upgrade).await;
            }
        };
        let response = self
            .pass(convert::http1_request(&head, peer), body, upgrade)
            .await;
        if head.is_upgrade() {
            let granted =
                |response: &Response<Body>| response.status() == StatusCode::SWITCHING_PROTOCOLS;
            heads.decide(response.as_ref().is_ok_and(granted));
        }
        response
    }

    /// Lets a request go its way.
    async fn pass(
        &self,
        mut request: Request,
        body: Incoming,
        upgrade: OnUpgrade,
    ) -> Result<Response<Body>, Unsendable> {
        let http2 = request.http2;
        let arriving = (!body.is_end_stream()).then_some(Arriving {
            body,
            http2,
            length: 0,
        });
        if arriving.is_some() {
            request = request.unfinished();
        }
        let plugin = self.plugin;
        let shared = Arc::clone(&self.host);
        // Made together with the stream, so that a client that leaves at this very moment leaves no stream behind.
        let open = move |host: &mut Host| OpenStream {
            stream: host.open(plugin, request),
            host: shared,
            taken: false,
        };
        let mut open = self.with_host(open).await?;
        let stream = open.stream;
        match self.drive(stream, arriving).await? {
            Outcome::Finished => {}
            Outcome::Upgraded(granted, upstream) => {
                tokio::spawn(tunnel(open, upgrade, upstream));
                return convert::switching(&granted);
            }
        }
        open.taken = true;
        let exchange: Exchange = self.with_host(move |host| host.finish(stream)).await?;
        let sent = exchange
            .response
            .as_ref()
            .filter(|response| response.complete)
            .ok_or(Unsendable::NoResponse);
        let response = sent.and_then(|sent| convert::response(sent, http2));
        Ok(response.unwrap_or_else(|unsendable| {
            eprintln!("[error] {unsendable} ({})", exchange.details);
            convert::bad_gateway(http2)
        }))
    }

    async fn drive(
        &self,
        stream: StreamId,
        mut arriving: Option<Arriving>,
    ) -> Result<Outcome, Unsendable> {
        let mut last_event = Instant::now();
        let mut upgraded = None;
        loop {
            match self.with_host(move |host| host.state(stream)).await? {
                StreamState::Finished => return Ok(Outcome::Finished),
                StreamState::AwaitingUpstream(request) => {
                    let (reply, connection) = upstream::forward(&request, &self.upstream).await;
                    upgraded = connection;
                    self.with_host(move |host| host.upstream_replies(stream, reply))
                        .await?;
                }
                StreamState::Upgraded(response) => {
                    let connection = upgraded.ok_or(Unsendable::NoResponse)?;
                    return Ok(Outcome::Upgraded(response, connection));
                }
                StreamState::Paused if last_event.elapsed() >= IDLE_TIMEOUT => {
                    // Whose turn it was (Envoy `Http::Utility::maybeRequestTimeoutCode`).
                    let status = if arriving.is_some() { 408 } else { 504 };
                    let timeout = (status, "stream timeout", "stream_idle_timeout");
                    self.answer(stream, timeout).await?;
                }
                StreamState::Paused => {
                    let Some(body) = &mut arriving else {
                        tokio::time::sleep(HELD_INTERVAL).await;
                        continue;
                    };
                    let part = tokio::select! {
                        part = body.next() => part,
                        () = tokio::time::sleep(HELD_INTERVAL) => continue,
                    };
                    last_event = Instant::now();
                    match part {
                        Ok(Part::Data(bytes, end)) => {
                            if end {
                                arriving = None;
                            }
                            self.with_host(move |host| host.send_body(stream, bytes, end))
                                .await?;
                        }
                        Ok(Part::Trailers(trailers)) => {
                            arriving = None;
                            let trailers = convert::trailers(&trailers);
                            self.with_host(move |host| host.send_trailers(stream, trailers))
                                .await?;
                        }
                        Err(answer) => self.answer(stream, answer).await?,
                    }
                }
            }
        }
    }

    async fn answer(&self, stream: StreamId, answer: HostAnswer) -> Result<(), Unsendable> {
        let (status, body, details) = answer;
        self.with_host(move |host| host.answer(stream, status, body, details))
            .await
    }

    /// Works with the host on a thread where waiting for it, and for a guest that takes its time, holds nobody up.
    async fn with_host<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Host) -> T + Send + 'static,
    ) -> Result<T, Unsendable> {
        let host = Arc::clone(&self.host);
        let done = tokio::task::spawn_blocking(move || work(&mut lock(&host))).await;
        done.map_err(|_| Unsendable::NoResponse)
    }
}

impl Arriving {
    /// The next part. HTTP/2 tells the end with the last bytes, HTTP/1 behind them.
    async fn next(&mut self) -> Result<Part, HostAnswer> {
        // A length that was declared: there is no need to wait for the bytes.
        let declared = u64::try_from(self.length)
            .unwrap_or(u64::MAX)
            .saturating_add(self.body.size_hint().lower());
        if declared > u64::try_from(MAX_BODY).unwrap_or(u64::MAX) {
            return Err(TOO_LARGE);
        }
        let Some(frame) = self.body.frame().await else {
            return Ok(Part::Data(Bytes::new(), true));
        };
        let frame = frame.map_err(|_| BROKEN)?;
        match frame.into_data() {
            Ok(bytes) => {
                self.length += bytes.len();
                if self.length > MAX_BODY {
                    return Err(TOO_LARGE);
                }
                let end = self.http2 && self.body.is_end_stream();
                Ok(Part::Data(bytes, end))
            }
            Err(frame) => Ok(Part::Trailers(frame.into_trailers().unwrap_or_default())),
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if !self.taken {
            let mut host = lock(&self.host);
            host.end_upgrade(self.stream);
            host.disconnect(self.stream);
            host.finish(self.stream);
        }
    }
}

/// Copies bytes between client and upstream until both have ended. The stream ends with this.
async fn tunnel(open: OpenStream, client: OnUpgrade, upstream: Upgraded) {
    if let Ok(client) = client.await {
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        // How such a connection ends is between the two.
        let _ended = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    }
    drop(open);
}
