//! One stream between the client, the filter and the upstream: whatever comes goes to the filter, and whatever the filter lets
//! go goes on. Nothing is read while what was read before waits to be sent, or is held back past the limit.

use std::time::Duration;

use hyper::Response;
use hyper::body::Frame;
use hyper::upgrade::OnUpgrade;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::exchange::{self, Exchange, UpstreamRequest};
use crate::host::Progress;
use crate::request::Reply;
use crate::stream::Departed;

use super::arriving::{Arriving, Sent, write_upgraded};
use super::client::Heads;
use super::convert::{self, Body, Frames};
use super::gateway::Settings;
use super::outlet::Outlet;
use super::running::OpenStream;
use super::upstream::{Event, Part, Upstream};

/// Envoy's default `stream_idle_timeout`: how long nothing may happen to a stream.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// A stream on its way.
pub(super) struct Driver {
    open: OpenStream,
    settings: Settings,
    http2: bool,
    /// The way of trailers to a client of HTTP/1.
    heads: Heads,
    upgrade: OnUpgrade,
    /// Where the head of the response goes, as long as there is none.
    head: Option<oneshot::Sender<Response<Body>>>,
    from_client: Arriving,
    to_client: Option<Outlet<Frames>>,
    upstream: Option<Upstream>,
    /// Whether the upstream has the whole request, and when its response must have ended.
    request_sent: bool,
    deadline: Option<Instant>,
    last_event: Instant,
}

/// Something that happens to a stream.
enum Happening {
    Moved,
    Client(Sent),
    ClientGone,
    Upstream(Option<Event>),
    Late,
    Idle { takes_request: bool },
}

impl Driver {
    /// A stream that was just opened. The head of the response comes out of the other end.
    pub(super) fn new(
        open: OpenStream,
        settings: Settings,
        http2: bool,
        heads: Heads,
        from_client: Arriving,
        upgrade: OnUpgrade,
    ) -> (Self, oneshot::Receiver<Response<Body>>) {
        let (head, response) = oneshot::channel();
        let driver = Self {
            open,
            settings,
            http2,
            heads,
            upgrade,
            head: Some(head),
            from_client,
            to_client: None,
            upstream: None,
            request_sent: false,
            deadline: None,
            last_event: Instant::now(),
        };
        (driver, response)
    }

    /// Drives the stream to its end, and says what came of it.
    pub(super) async fn run(mut self) -> Exchange {
        loop {
            let mut progress = self.open.progress();
            self.pass_to_upstream(std::mem::take(&mut progress.for_upstream));
            let for_client = std::mem::take(&mut progress.for_client);
            self.pass_to_client(for_client, progress.finished);
            if progress.finished {
                break;
            }
            let happening = self.next(&progress).await;
            self.handle(happening);
        }
        self.upstream = None;
        // The callbacks have run; what the client still has to read is nobody's business but its own.
        let exchange = self.open.finish();
        if let Some(mut to_client) = self.to_client.take() {
            let _gone = to_client.flush().await;
        }
        exchange
    }

    fn pass_to_upstream(&mut self, departed: Departed<UpstreamRequest>) {
        if let Some(request) = departed.head {
            self.upstream = Some(Upstream::open(&request, &self.settings.upstream));
        }
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        if !departed.body.is_empty() {
            upstream.parts.push(Part::Data(departed.body));
        }
        if departed.ended && !self.request_sent {
            self.request_sent = true;
            upstream.parts.push(Part::End(departed.trailers));
            let timeout = self.settings.upstream_timeout;
            self.deadline = timeout.map(|timeout| Instant::now() + timeout);
        }
    }

    fn pass_to_client(&mut self, departed: Departed<exchange::Response>, finished: bool) {
        if let Some(response) = &departed.head {
            // A client of HTTP/2 takes a body where none may be for an error of the connection.
            let bodyless = response.bodyless
                || departed.ended && departed.body.is_empty() && departed.trailers.is_empty();
            self.begin_response(response, bodyless);
        }
        let Some(to_client) = &mut self.to_client else {
            return;
        };
        if !departed.body.is_empty() {
            to_client.push(Ok(Frame::data(departed.body.into())));
        }
        if finished && !departed.ended {
            to_client.push(Err(convert::Broken));
        } else if finished && !departed.trailers.is_empty() {
            let sent = if self.http2 {
                convert::headers(&departed.trailers).map(Frame::trailers)
            } else {
                let marker = self.heads.mark_trailers(&departed.trailers);
                marker.map(|marker| Frame::data(marker.into()))
            };
            match sent {
                Ok(frame) => to_client.push(Ok(frame)),
                Err(unsendable) => eprintln!("[error] {unsendable}"),
            }
        }
    }

    fn begin_response(&mut self, response: &exchange::Response, bodyless: bool) {
        let Some(head) = self.head.take() else {
            return;
        };
        let switches = response.status == 101 && !bodyless;
        let (outlet, frames) = Outlet::new();
        let (made, frames) = if switches {
            (convert::switching(response), Some(frames))
        } else if bodyless {
            (
                convert::response(response, convert::empty(), self.http2),
                None,
            )
        } else {
            let body = convert::streamed(frames);
            (convert::response(response, body, self.http2), None)
        };
        let made = match made {
            Ok(made) => {
                self.to_client = (!bodyless).then_some(outlet);
                made
            }
            Err(unsendable) => {
                eprintln!("[error] {unsendable}");
                convert::bad_gateway(self.http2)
            }
        };
        if let Some(frames) = frames {
            self.switch(frames);
        }
        // A client that is gone is noticed as its body is dropped.
        let _gone = head.send(made);
    }

    /// Both directions of the client's connection carry another protocol from now on.
    fn switch(&mut self, frames: Receiver<Frames>) {
        let (sender, writer) = oneshot::channel();
        self.from_client = Arriving::Upgrading(self.upgrade.clone(), Some(sender));
        tokio::spawn(write_upgraded(writer, frames));
    }

    async fn next(&mut self, progress: &Progress) -> Happening {
        let limit = self.settings.buffer_limit;
        let (parts, events) = match &mut self.upstream {
            Some(upstream) => (Some(&mut upstream.parts), Some(&mut upstream.events)),
            None => (None, None),
        };
        let sent = parts.as_ref().is_none_or(|parts| parts.is_clear());
        let received = self.to_client.as_ref().is_none_or(Outlet::is_clear);
        let takes_request = progress.takes_request;
        let reads_client = takes_request && sent && progress.request_held <= limit;
        let reads_upstream = received && progress.response_held <= limit;
        tokio::select! {
            () = self.open.moved() => Happening::Moved,
            sent = self.from_client.next(), if reads_client => Happening::Client(sent),
            event = receive(events), if reads_upstream => Happening::Upstream(event),
            happening = serve_client(&mut self.to_client, &mut self.head) => happening,
            () = flush(parts), if !sent => Happening::Moved,
            () = until(self.deadline) => Happening::Late,
            () = until(Some(self.last_event + IDLE_TIMEOUT)) => Happening::Idle { takes_request },
        }
    }

    fn handle(&mut self, happening: Happening) {
        if matches!(happening, Happening::Client(_) | Happening::Upstream(_)) {
            self.last_event = Instant::now();
        }
        self.open.with(|host, stream| match happening {
            Happening::Moved => {}
            Happening::Client(Sent::Data(bytes, end)) => host.send_body(stream, bytes, end),
            Happening::Client(Sent::Trailers(trailers)) => {
                host.send_trailers(stream, convert::trailers(&trailers));
            }
            Happening::Client(Sent::Broken) => {
                host.answer(stream, 400, "Bad Request", "http1.codec_error");
            }
            Happening::Client(Sent::Gone) | Happening::ClientGone => {
                host.end_upgrade(stream);
                host.disconnect(stream);
            }
            Happening::Upstream(Some(Event::Head(status, headers, ends))) => {
                let reply = convert::reply(status, &headers, ends);
                host.upstream_replies(stream, reply);
            }
            Happening::Upstream(Some(Event::Data(bytes))) => host.reply_body(stream, bytes, false),
            Happening::Upstream(Some(Event::Trailers(trailers))) => {
                host.reply_trailers(stream, convert::trailers(&trailers));
            }
            Happening::Upstream(Some(Event::End)) => {
                host.end_upgrade(stream);
                host.reply_body(stream, "", true);
            }
            Happening::Upstream(Some(Event::Refused)) => {
                host.upstream_replies(stream, Reply::refused());
            }
            Happening::Upstream(Some(Event::Broken) | None) => {
                host.upstream_replies(stream, Reply::reset());
                host.reply_breaks(stream);
            }
            Happening::Late => {
                host.answer(stream, 504, "upstream request timeout", "response_timeout");
            }
            // Whose turn it was (Envoy `Http::Utility::maybeRequestTimeoutCode`).
            Happening::Idle { takes_request } => {
                let status = if takes_request { 408 } else { 504 };
                host.answer(stream, status, "stream timeout", "stream_idle_timeout");
            }
        });
    }
}

async fn receive(events: Option<&mut Receiver<Event>>) -> Option<Event> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn flush(parts: Option<&mut Outlet<Part>>) {
    if let Some(parts) = parts {
        // An upstream that takes no more may have answered; its events tell.
        let _unwanted = parts.flush().await;
    }
}

/// Sends the client what waits for it, and notices when it goes away.
async fn serve_client(
    to_client: &mut Option<Outlet<Frames>>,
    head: &mut Option<oneshot::Sender<Response<Body>>>,
) -> Happening {
    match (to_client, head) {
        (Some(outlet), _) if !outlet.is_clear() => match outlet.flush().await {
            Ok(()) => Happening::Moved,
            Err(_) => Happening::ClientGone,
        },
        (Some(outlet), _) => {
            outlet.closed().await;
            Happening::ClientGone
        }
        (None, Some(head)) => {
            head.closed().await;
            Happening::ClientGone
        }
        (None, None) => std::future::pending().await,
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
