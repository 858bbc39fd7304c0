//! The service behind the gateway: a real HTTP server that remembers exactly what reached it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Result;
use crate::message::Headers;

/// The header by which a request is found again at the upstream and in the access log. The gateways pass it on.
pub const MARKER: &str = "x-test-case";

/// The header by which a test has the upstream answer with a redirect: the value of `Location`.
pub const REDIRECT: &str = "x-test-redirect";

/// One request as the upstream saw it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The HTTP method.
    pub method: String,
    /// The request target as it came: path and query.
    pub target: String,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// `Host` or `:authority`.
    pub authority: Option<String>,
    /// Header fields; those of one name stand together, in their order.
    pub headers: Headers,
    /// The body, once all of it has come.
    pub body: Option<Vec<u8>>,
    /// Trailer fields, once the body has ended.
    pub trailers: Headers,
}

impl Received {
    /// The value of [`MARKER`].
    pub fn marker(&self) -> Option<String> {
        self.headers.text(MARKER)
    }
}

/// An echo server on a free port of 127.0.0.1 that speaks HTTP/1.1 and HTTP/2 without TLS. Stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    server: JoinHandle<()>,
}

impl Upstream {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let ledger = Arc::new(Ledger::default());
        let server = tokio::spawn(serve(listener, Arc::clone(&ledger)));
        Ok(Self {
            address,
            ledger,
            server,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything received so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.ledger.requests().clone()
    }

    /// What came with one marker, in order of arrival.
    pub fn with_marker(&self, marker: &str) -> Vec<Received> {
        self.received()
            .into_iter()
            .filter(|received| received.marker().as_deref() == Some(marker))
            .collect()
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.ledger.connections.load(Ordering::Relaxed)
    }

    /// Connections on which something came that is not HTTP. Bytes that nobody could read are a leak too.
    pub fn unreadable(&self) -> Vec<String> {
        lock(&self.ledger.unreadable).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Debug, Default)]
struct Ledger {
    requests: Mutex<Vec<Received>>,
    unreadable: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl Ledger {
    fn requests(&self) -> MutexGuard<'_, Vec<Received>> {
        lock(&self.requests)
    }
}

/// A test that panicked while it held the lock has failed already; the record is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, ledger: Arc<Ledger>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        ledger.connections.fetch_add(1, Ordering::Relaxed);
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let echoing = Arc::clone(&ledger);
            let service = service_fn(move |request| echo(request, Arc::clone(&echoing)));
            let mut connection = auto::Builder::new(TokioExecutor::new());
            connection.http2().enable_connect_protocol();
            let served = connection
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served
                && let Some(error) = error.downcast_ref::<hyper::Error>()
                && error.is_parse()
            {
                lock(&ledger.unreadable).push(error.to_string());
            }
        });
    }
}

async fn echo(
    mut request: hyper::Request<Incoming>,
    ledger: Arc<Ledger>,
) -> std::result::Result<hyper::Response<Full<Bytes>>, Infallible> {
    let upgraded = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let received = Received {
        method: head.method.to_string(),
        target: head
            .uri
            .path_and_query()
            .map_or_else(|| head.uri.to_string(), ToString::to_string),
        version: head.version,
        authority: head
            .uri
            .authority()
            .map(ToString::to_string)
            .or_else(|| Some(head.headers.get("host")?.to_str().ok()?.to_owned())),
        headers: fields(&head.headers),
        body: None,
        trailers: Headers::default(),
    };
    let answer = echo_body(&received);
    // Recorded before the body has come: headers that reached the upstream have reached it, whatever follows.
    let index = {
        let mut requests = ledger.requests();
        requests.push(received);
        requests.len() - 1
    };
    let mut response = hyper::Response::new(Full::new(Bytes::from(answer)));
    if head.method == Method::CONNECT {
        // Extended CONNECT (RFC 8441): HTTP/2's way to upgrade.
        *response.body_mut() = Full::default();
        tokio::spawn(echo_bytes(upgraded));
        return Ok(response);
    }
    if let Some(protocol) = head.headers.get("upgrade") {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.body_mut() = Full::default();
        response
            .headers_mut()
            .insert("connection", "upgrade".parse().expect("a constant"));
        response.headers_mut().insert("upgrade", protocol.clone());
        tokio::spawn(echo_bytes(upgraded));
        return Ok(response);
    }
    if let Ok(body) = body.collect().await {
        let trailers = body.trailers().map(fields).unwrap_or_default();
        if let Some(received) = ledger.requests().get_mut(index) {
            received.trailers = trailers;
            received.body = Some(body.to_bytes().to_vec());
        }
    }
    if let Some(location) = head.headers.get(REDIRECT) {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert("location", location.clone());
    }
    response.headers_mut().insert(
        "content-type",
        "application/json".parse().expect("a constant"),
    );
    Ok(response)
}

/// Sends back whatever comes on an upgraded connection.
async fn echo_bytes(upgraded: OnUpgrade) {
    if let Ok(upgraded) = upgraded.await {
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        // It ends when the other side goes away, in whatever way.
        let _ = tokio::io::copy(&mut from, &mut to).await;
    }
}

/// The body of every echo. It holds what a person who tries the demo wants to see: the call, and who the gateway says
/// is calling.
pub(crate) fn echo_body(received: &Received) -> String {
    let identity: BTreeMap<_, _> = received
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with(b"x-postern-"))
        .map(|(name, value)| {
            (
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value),
            )
        })
        .collect();
    serde_json::json!({
        "upstream": "echo",
        "method": received.method,
        "path": received.target,
        "identity": identity,
        "authorization": if received.headers.has("authorization") { "present" } else { "absent" },
    })
    .to_string()
}

fn fields(map: &HeaderMap) -> Headers {
    map.iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Protocol, raw_http1, send};
    use crate::message::Request;
    use crate::wait::until;

    #[tokio::test]
    async fn what_was_sent_is_what_was_received_over_both_protocols() -> Result<()> {
        let upstream = Upstream::start().await?;
        for (protocol, marker) in Protocol::ALL.into_iter().zip(["one", "two"]) {
            let request = Request::post("/a/%61?q=1")
                .header(MARKER, marker)
                .header("x-bin", b"a\xff\tb".as_slice())
                .header("x-twice", "1")
                .header("x-twice", "2")
                .body("hello")
                .trailer("x-last", "bye");

            let response = send(upstream.address(), protocol, &request).await?;

            assert_eq!(response.status, 200);
            let received = upstream.with_marker(marker);
            let [received] = received.as_slice() else {
                panic!("one request, not {received:?}");
            };
            assert_eq!(received.target, "/a/%61?q=1");
            assert_eq!(received.headers.only("x-bin"), Some(b"a\xff\tb".as_slice()));
            assert_eq!(received.headers.all("x-twice").count(), 2);
            assert_eq!(received.body.as_deref(), Some(b"hello".as_slice()));
            assert_eq!(received.trailers.text("x-last").as_deref(), Some("bye"));
        }
        Ok(())
    }

    #[tokio::test]
    async fn bytes_that_are_not_http_are_remembered_too() -> Result<()> {
        let upstream = Upstream::start().await?;

        let answer = raw_http1(upstream.address(), b"GET \x01 HTTP/1.1\r\n\r\n", false).await?;

        assert_eq!(answer.status, 400);
        assert!(upstream.received().is_empty());
        until("the record of it", async || Ok(upstream.unreadable().pop())).await?;
        Ok(())
    }
}
