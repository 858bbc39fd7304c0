//! One request's way from the client through the filter to the upstream and back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::HeaderMap as HttpHeaders;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::exchange::{Exchange, StreamId, UpstreamRequest};
use crate::host::{Host, StreamState};
use crate::plugins::PluginId;
use crate::request::Reply;

use super::convert::{self, Body, Unsendable};
use super::{MAX_BODY, lock};

/// Envoy's default `stream_idle_timeout`: how long a filter may hold a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How often a held request is looked at.
const HELD_INTERVAL: Duration = Duration::from_millis(10);

/// The filter between clients and the upstream.
pub(super) struct Gateway {
    host: Arc<Mutex<Host>>,
    plugin: PluginId,
    upstream: Uri,
    client: Client<HttpConnector, Body>,
}

/// Ends the stream of a client that went away.
struct OpenStream {
    host: Arc<Mutex<Host>>,
    stream: StreamId,
    taken: bool,
}

impl Gateway {
    pub(super) fn new(host: Arc<Mutex<Host>>, plugin: PluginId, upstream: Uri) -> Self {
        Self {
            host,
            plugin,
            upstream,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// An error breaks the connection off: that is what a client sees of a stream that is reset.
    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Unsendable> {
        if matches!(request.version(), Version::HTTP_09 | Version::HTTP_10) {
            return Ok(convert::plain(
                StatusCode::UPGRADE_REQUIRED,
                "Upgrade Required",
            ));
        }
        let (parts, body) = request.into_parts();
        let Some((body, trailers)) = collect(body).await else {
            return Ok(convert::plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "Payload Too Large",
            ));
        };
        let request = convert::request(&parts, &body, trailers.as_ref(), peer);
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
        self.drive(stream).await?;
        open.taken = true;
        let exchange: Exchange = self.with_host(move |host| host.finish(stream)).await?;
        Ok(convert::response(&exchange).unwrap_or_else(|unsendable| {
            eprintln!("[error] {unsendable} ({})", exchange.details);
            convert::plain(StatusCode::BAD_GATEWAY, "Bad Gateway")
        }))
    }

    async fn drive(&self, stream: StreamId) -> Result<(), Unsendable> {
        let started = Instant::now();
        loop {
            match self.with_host(move |host| host.state(stream)).await? {
                StreamState::Finished => return Ok(()),
                StreamState::AwaitingUpstream(request) => {
                    let reply = self.forward(&request).await;
                    self.with_host(move |host| host.upstream_replies(stream, reply))
                        .await?;
                }
                StreamState::Paused if started.elapsed() < IDLE_TIMEOUT => {
                    tokio::time::sleep(HELD_INTERVAL).await;
                }
                StreamState::Paused => self.with_host(move |host| host.disconnect(stream)).await?,
            }
        }
    }

    async fn forward(&self, request: &UpstreamRequest) -> Reply {
        let outgoing = match convert::upstream_request(request, &self.upstream) {
            Ok(outgoing) => outgoing,
            Err(unsendable) => {
                eprintln!("[error] {unsendable}");
                return Reply::reset();
            }
        };
        let (head, body) = match self.client.request(outgoing).await {
            Ok(response) => response.into_parts(),
            Err(error) => {
                eprintln!("[warning] the upstream did not answer: {error}");
                return Reply::reset();
            }
        };
        match collect(body).await {
            Some((body, trailers)) => {
                convert::reply(head.status, &head.headers, &body, trailers.as_ref())
            }
            None => Reply::new(502).body("the upstream's response is broken or too large"),
        }
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

impl Drop for OpenStream {
    fn drop(&mut self) {
        if !self.taken {
            let mut host = lock(&self.host);
            host.disconnect(self.stream);
            host.finish(self.stream);
        }
    }
}

/// The whole body and its trailers; nothing if it is too large or breaks off.
async fn collect(body: Incoming) -> Option<(Bytes, Option<HttpHeaders>)> {
    if body.size_hint().lower() > u64::try_from(MAX_BODY).unwrap_or(u64::MAX) {
        // The length was declared: there is no need to wait for the bytes.
        return None;
    }
    let collected = Limited::new(body, MAX_BODY).collect().await.ok()?;
    let trailers = collected.trailers().cloned();
    Some((collected.to_bytes(), trailers))
}
