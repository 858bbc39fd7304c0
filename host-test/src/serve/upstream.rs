//! Requests on their way to the upstream, and its responses.
//!
//! Each goes out on a connection of its own, in exactly the bytes that the filter left: the HTTP library would refuse some of
//! them, and drop most trailers. The library still reads the response. It believes that it sent a request of its own, which
//! nobody ever gets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderMap as HttpHeaders;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::codec::{Framing, request_head};
use crate::exchange::UpstreamRequest;
use crate::headers::HeaderMap;

use super::outlet::Outlet;

const READ_SIZE: usize = 16 * 1024;

/// A request that is under way, and the response to it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) parts: Outlet<Part>,
    pub(super) events: Receiver<Event>,
}

/// What follows the head of a request.
#[derive(Debug)]
pub(super) enum Part {
    Data(Vec<u8>),
    /// The end of the request, with trailers or without any.
    End(HeaderMap),
}

/// What the upstream does.
#[derive(Debug)]
pub(super) enum Event {
    /// The head of the response, and whether it is all of it.
    Head(StatusCode, HttpHeaders, bool),
    Data(Bytes),
    Trailers(HttpHeaders),
    End,
    /// There is no connection.
    Refused,
    /// The connection has ended before the response has.
    Broken,
}

impl Upstream {
    /// Sends the head of a request; its body is to follow in parts. When this is dropped, the connection is closed.
    pub(super) fn open(request: &UpstreamRequest, upstream: &Uri) -> Self {
        let (head, framing) = request_head(&request.headers, request.bodyless);
        let (parts, outgoing) = Outlet::new();
        let (sender, events) = channel(1);
        let upstream = upstream.clone();
        let to_head = request.headers.get(":method") == Some(b"HEAD");
        tokio::spawn(async move {
            let work = connect(upstream, head, framing, to_head, outgoing, &sender);
            tokio::select! {
                () = work => {}
                // Nobody waits for the response any more.
                () = sender.closed() => {}
            }
        });
        Self { parts, events }
    }
}

async fn connect(
    upstream: Uri,
    head: Vec<u8>,
    framing: Framing,
    to_head: bool,
    outgoing: Receiver<Part>,
    events: &Sender<Event>,
) {
    let host = upstream.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = upstream.port_u16().unwrap_or(80);
    let stream = match TcpStream::connect((host, port)).await {
        Ok(stream) => stream,
        Err(error) => {
            eprintln!("[warning] {upstream} takes no connection: {error}");
            let _nobody_waits = events.send(Event::Refused).await;
            return;
        }
    };
    // Parts go out as they come, however small they are.
    let _slower = stream.set_nodelay(true);
    let (reader, mut writer) = stream.into_split();
    let sending = async {
        // An upstream that does not want the rest may have answered all the same.
        let _unwanted = send(&mut writer, head, framing, outgoing).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sending => {}
        () = receive(reader, framing, to_head, events) => {}
    }
}

async fn send(
    writer: &mut OwnedWriteHalf,
    head: Vec<u8>,
    framing: Framing,
    mut outgoing: Receiver<Part>,
) -> io::Result<()> {
    writer.write_all(&head).await?;
    while let Some(part) = outgoing.recv().await {
        let bytes = match part {
            Part::Data(bytes) => framing.data(bytes),
            Part::End(trailers) => framing.end(&trailers),
        };
        writer.write_all(&bytes).await?;
    }
    Ok(())
}

async fn receive(reader: OwnedReadHalf, framing: Framing, to_head: bool, events: &Sender<Event>) {
    let mut response = match first(reader, to_head).await {
        Ok(response) => response,
        Err(error) => {
            eprintln!("[warning] the upstream did not answer: {error}");
            let _nobody_waits = events.send(Event::Broken).await;
            return;
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked it to, unless the request was an upgrade.
        let upgraded = match framing {
            Framing::Upgrade => hyper::upgrade::on(&mut response).await.ok(),
            _ => None,
        };
        let Some(upgraded) = upgraded else {
            let _nobody_waits = events.send(Event::Broken).await;
            return;
        };
        let head = Event::Head(response.status(), response.headers().clone(), false);
        if events.send(head).await.is_ok() {
            read_upgraded(upgraded, events).await;
        }
        return;
    }
    let (head, body) = response.into_parts();
    let ends = body.is_end_stream();
    if events
        .send(Event::Head(head.status, head.headers, ends))
        .await
        .is_ok()
        && !ends
    {
        read_body(body, events).await;
    }
}

async fn first(
    reader: OwnedReadHalf,
    to_head: bool,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(ReadOnly(reader))).await?;
    tokio::spawn(async move {
        // What goes wrong is told to whoever waits for the response.
        let _ended = connection.with_upgrades().await;
    });
    let mut stand_in = Request::new(Empty::<Bytes>::new());
    if to_head {
        *stand_in.method_mut() = Method::HEAD;
    }
    Ok(sender.send_request(stand_in).await?)
}

async fn read_body(mut body: Incoming, events: &Sender<Event>) {
    loop {
        let event = match body.frame().await {
            None => Event::End,
            Some(Err(_)) => Event::Broken,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if bytes.is_empty() => continue,
                Ok(bytes) => Event::Data(bytes),
                Err(frame) => Event::Trailers(frame.into_trailers().unwrap_or_default()),
            },
        };
        let last = !matches!(event, Event::Data(_));
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}

async fn read_upgraded(upgraded: Upgraded, events: &Sender<Event>) {
    let mut connection = TokioIo::new(upgraded);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let event = match connection.read(&mut buffer).await {
            Ok(length @ 1..) => Event::Data(Bytes::copy_from_slice(&buffer[..length])),
            Ok(0) | Err(_) => Event::End,
        };
        let last = matches!(event, Event::End);
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}

/// The receiving half of a connection. What the library writes is dropped: it is not the request.
#[derive(Debug)]
struct ReadOnly(OwnedReadHalf);

impl AsyncRead for ReadOnly {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ReadOnly {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
