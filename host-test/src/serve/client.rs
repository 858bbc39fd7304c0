//! The client's connection: heads are taken out on their way to the HTTP library.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::front::Refusal;
use crate::headers::HeaderMap;

use super::chunks::{Chunks, Progress};
use super::convert::Unsendable;
use super::head::{self, Framing, Head, MAX_HEAD};

/// What HTTP/2 with prior knowledge begins with (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Envoy's default `delayed_close_timeout`: a client that still sends gets to read the answer before the connection is reset.
const DELAYED_CLOSE: Duration = Duration::from_secs(1);
const READ_SIZE: usize = 16 * 1024;
/// So many random bytes are in no body by chance.
const MARKER_SIZE: usize = 32;

/// The heads of one connection, in the order in which the library asks for their requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    waiting: VecDeque<Head>,
    upgraded: Option<bool>,
    reader: Option<Waker>,
    /// What the last chunk of the response is to be replaced with: its data, and the lines of the trailers.
    trailers: Option<(Vec<u8>, Vec<u8>)>,
}

/// A connection whose heads of HTTP/1 go to [`Heads`]. HTTP/2 passes as it is.
#[derive(Debug)]
pub(super) struct ClientStream {
    inner: TcpStream,
    heads: Heads,
    state: State,
    /// What the client sent and was not looked at.
    received: Vec<u8>,
    /// What the library may have.
    ready: Vec<u8>,
    client_ended: bool,
    closing: Option<Pin<Box<Sleep>>>,
    /// What the library wrote while trailers wait for their place.
    held: Vec<u8>,
    /// What has to go out before anything else does.
    outgoing: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Start,
    Head,
    Body(u64),
    Chunks(Chunks),
    /// An upgrade was asked for.
    Undecided,
    /// HTTP/2.
    Frames,
    /// The protocol that was upgraded to.
    Upgraded,
    /// What follows is not looked at.
    Closing,
}

impl Heads {
    /// The head of the request that the library hands over now.
    pub(super) fn next(&self) -> Option<Head> {
        self.lock().waiting.pop_front()
    }

    /// Tells whether the upgrade that was asked for is granted.
    pub(super) fn decide(&self, upgraded: bool) {
        let mut shared = self.lock();
        shared.upgraded = Some(upgraded);
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
    }

    /// Has the response under way end with these trailers. The result must be sent as the last part of its body: the library
    /// sends only trailers that were announced, and so gets to know of none.
    pub(super) fn mark_trailers(&self, trailers: &HeaderMap) -> Result<Vec<u8>, Unsendable> {
        let mut lines = Vec::new();
        for (name, value) in trailers.iter() {
            lines.extend([name, b": ", value, b"\r\n"].concat());
        }
        let mut marker = vec![0; MARKER_SIZE];
        getrandom::fill(&mut marker).map_err(|_| Unsendable::NoResponse)?;
        self.lock().trailers = Some((marker.clone(), lines));
        Ok(marker)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientStream {
    pub(super) fn new(inner: TcpStream, heads: Heads) -> Self {
        Self {
            inner,
            heads,
            state: State::Start,
            received: Vec::new(),
            ready: Vec::new(),
            client_ended: false,
            closing: None,
            held: Vec::new(),
            outgoing: Vec::new(),
        }
    }

    /// Makes bytes ready that may pass.
    fn advance(&mut self, cx: &Context<'_>) {
        while self.ready.is_empty() {
            if matches!(self.state, State::Undecided) {
                let mut shared = self.heads.lock();
                match shared.upgraded.take() {
                    Some(true) => self.state = State::Upgraded,
                    Some(false) => self.state = State::Head,
                    None => {
                        shared.reader = Some(cx.waker().clone());
                        return;
                    }
                }
            }
            if self.received.is_empty() {
                return;
            }
            match &mut self.state {
                State::Start if self.received.starts_with(HTTP2_PREFACE) => {
                    self.state = State::Frames;
                }
                State::Start if HTTP2_PREFACE.starts_with(&self.received) => return,
                State::Start => self.state = State::Head,
                State::Head => {
                    if !self.take_head() {
                        return;
                    }
                }
                State::Body(0) => self.state = State::Head,
                State::Body(left) => {
                    let passes = usize::try_from(*left)
                        .map_or(self.received.len(), |left| left.min(self.received.len()));
                    *left -= passes as u64;
                    self.let_pass(passes);
                }
                State::Chunks(chunks) => match chunks.pass(&self.received) {
                    Progress::More => self.let_pass(self.received.len()),
                    Progress::End(length) => {
                        self.state = State::Head;
                        self.let_pass(length);
                    }
                    Progress::Broken => {
                        // The library finds the fault as well, and its reader of the body gets to know.
                        self.state = State::Closing;
                        self.let_pass(self.received.len());
                    }
                },
                State::Frames | State::Upgraded => self.let_pass(self.received.len()),
                State::Undecided => return,
                State::Closing => {
                    self.received.clear();
                    return;
                }
            }
        }
    }

    fn let_pass(&mut self, length: usize) {
        self.ready.extend(self.received.drain(..length));
    }

    /// False if the head is not there as a whole.
    fn take_head(&mut self) -> bool {
        // Empty lines in front of a request are passed over (RFC 9112, section 2.2).
        let empty = self
            .received
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        self.received.drain(..empty);
        let parsed = match head::end(&self.received) {
            Some(length) => {
                let bytes: Vec<u8> = self.received.drain(..length).collect();
                head::read(&bytes)
            }
            None if self.received.len() > MAX_HEAD => head::refused(Refusal::TOO_LONG),
            None => return false,
        };
        self.state = match parsed.framing {
            Framing::Length(length) => State::Body(length),
            Framing::Chunked => State::Chunks(Chunks::default()),
            Framing::Upgrade => State::Undecided,
            Framing::Nothing => State::Closing,
        };
        self.heads.lock().waiting.push_back(parsed.head);
        self.ready = parsed.stand_in;
        true
    }

    /// Takes bytes of a response with trailers; false if there are none. When the marker has come, the trailers stand in its place.
    fn place_trailers(&mut self, bytes: &[u8]) -> bool {
        let mut shared = self.heads.lock();
        let Some((marker, lines)) = &shared.trailers else {
            return false;
        };
        self.held.extend_from_slice(bytes);
        let size = format!("{:X}\r\n", marker.len());
        let chunk = [size.as_bytes(), marker, b"\r\n0\r\n\r\n"].concat();
        let found = self
            .held
            .windows(chunk.len())
            .position(|part| part.eq_ignore_ascii_case(&chunk));
        if let Some(at) = found {
            let behind = self.held.split_off(at + chunk.len());
            self.held.truncate(at);
            self.outgoing = std::mem::take(&mut self.held);
            self.outgoing
                .extend([b"0\r\n", &lines[..], b"\r\n", &behind].concat());
            shared.trailers = None;
        }
        true
    }

    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.outgoing))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what the client sends behind an answer that did not wait for it, until it ends or the time is up.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closing = self
            .closing
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(DELAYED_CLOSE)));
        if closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut bytes = [0; READ_SIZE];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ_SIZE];
        loop {
            self.advance(cx);
            if !self.ready.is_empty() {
                let length = self.ready.len().min(buffer.remaining());
                buffer.put_slice(&self.ready[..length]);
                self.ready.drain(..length);
                return Poll::Ready(Ok(()));
            }
            match self.state {
                // To the library, an end would be a client that no longer waits for its answer.
                State::Closing => return Poll::Pending,
                State::Undecided if self.received.len() > MAX_HEAD => return Poll::Pending,
                _ if self.client_ended => return Poll::Ready(Ok(())),
                _ => {}
            }
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
            self.client_ended = read.filled().is_empty();
            self.received.extend_from_slice(read.filled());
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_outgoing(cx))?;
        if self.place_trailers(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(self.poll_outgoing(cx))?;
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
        }
        match self.state {
            State::Body(1..) | State::Chunks(_) | State::Closing => {
                ready!(self.poll_drained(cx));
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Ok(())),
        }
    }
}
