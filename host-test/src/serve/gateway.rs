//! One request's way from the client to its stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, StatusCode, Uri, Version};

use crate::front::Refusal;
use crate::request::Request;

use super::arriving::Arriving;
use super::client::Heads;
use super::convert::{self, Body, Unsendable};
use super::driver::Driver;
use super::head::Head;
use super::stats::Stats;
use super::traces::{self, Traces};
use super::worker::Worker;
use crate::client::ClientConnection;

/// The filter between clients and the upstream, on one worker.
pub(super) struct Gateway {
    pub(super) worker: Arc<Worker>,
    pub(super) index: usize,
    pub(super) settings: Settings,
    pub(super) stats: Arc<Stats>,
    pub(super) traces: Arc<Traces>,
}

/// What all streams have in common.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) upstream: Uri,
    /// How long the upstream may take from the end of the request to the end of the response.
    pub(super) upstream_timeout: Option<Duration>,
    /// No more is read of a message of which the filter holds more bytes.
    pub(super) buffer_limit: usize,
}

impl Gateway {
    /// An error breaks the connection off: that is what a client sees of a stream that is reset.
    pub(super) async fn serve(
        &self,
        mut incoming: hyper::Request<Incoming>,
        heads: &Heads,
        peer: SocketAddr,
        connection: &ClientConnection,
    ) -> Result<Response<Body>, Unsendable> {
        let upgrade = hyper::upgrade::on(&mut incoming);
        let (parts, body) = incoming.into_parts();
        if parts.version == Version::HTTP_2 {
            let request = convert::http2_request(&parts, peer).over(connection);
            return self.pass(request, body, upgrade, heads).await;
        }
        let head = match heads.next() {
            Some(Head::Request(head)) => head,
            Some(Head::Refused(refusal)) => {
                let refused = Request::refused(refusal);
                return self.pass(refused, body, upgrade, heads).await;
            }
            // The library sees a request where none was found: what came before was not framed as it seemed.
            None => {
                let refused = Request::refused(Refusal::CODEC_ERROR);
                return self.pass(refused, body, upgrade, heads).await;
            }
        };
        let request = convert::http1_request(&head, peer).over(connection);
        let response = self.pass(request, body, upgrade, heads).await;
        if head.is_upgrade() {
            let granted =
                |response: &Response<Body>| response.status() == StatusCode::SWITCHING_PROTOCOLS;
            heads.decide(response.as_ref().is_ok_and(granted));
        }
        response
    }

    /// Lets a request go its way, and waits for the head of the response.
    async fn pass(
        &self,
        mut request: Request,
        body: Incoming,
        upgrade: OnUpgrade,
        heads: &Heads,
    ) -> Result<Response<Body>, Unsendable> {
        let http2 = request.http2;
        let label = traces::label(&request.method, request.target.as_deref());
        let arriving = Arriving::new(body, http2);
        if !arriving.is_nothing() {
            request = request.unfinished();
        }
        let open = self.worker.running().open(request);
        let (settings, heads) = (self.settings.clone(), heads.clone());
        let (driver, head) = Driver::new(open, settings, http2, heads, arriving, upgrade);
        let (stats, traces) = (Arc::clone(&self.stats), Arc::clone(&self.traces));
        let number = stats.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let (index, begun) = (self.index, Instant::now());
        let open = stats.open_request();
        tokio::spawn(async move {
            let _open = open;
            let exchange = driver.run().await;
            let whole = exchange
                .response
                .as_ref()
                .filter(|response| response.complete);
            stats.count(whole.map_or(0, |response| response.status));
            traces.keep(number, index, label, begun.elapsed(), exchange);
        });
        head.await.map_err(|_| Unsendable::NoResponse)
    }
}
