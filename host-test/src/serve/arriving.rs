//! What a client sends behind the head of its request.

use std::error::Error as _;
use std::io;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::HeaderMap as HttpHeaders;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::convert::Frames;

const READ_SIZE: usize = 16 * 1024;

type Client = TokioIo<Upgraded>;

/// A body on its way in, or the connection that came in its place.
pub(super) enum Arriving {
    Nothing,
    Body {
        body: Incoming,
        http2: bool,
    },
    /// The connection changes its protocol. Whoever writes to the client waits for its half.
    Upgrading(OnUpgrade, Option<oneshot::Sender<WriteHalf<Client>>>),
    Upgraded(ReadHalf<Client>),
}

/// What came.
#[derive(Debug)]
pub(super) enum Sent {
    /// Bytes, and whether they are the last ones.
    Data(Bytes, bool),
    Trailers(HttpHeaders),
    /// Something that is no HTTP.
    Broken,
    /// The client is gone.
    Gone,
}

impl Arriving {
    /// The body of a request.
    pub(super) fn new(body: Incoming, http2: bool) -> Self {
        if body.is_end_stream() {
            Self::Nothing
        } else {
            Self::Body { body, http2 }
        }
    }

    /// Whether nothing follows the head.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// What comes next. Nothing is lost if this is given up half way.
    pub(super) async fn next(&mut self) -> Sent {
        match self {
            Self::Nothing => std::future::pending().await,
            Self::Body { body, http2 } => {
                let sent = match body.frame().await {
                    None => Sent::Data(Bytes::new(), true),
                    Some(Err(error)) => fault(&error),
                    Some(Ok(frame)) => match frame.into_data() {
                        // HTTP/2 tells the end with the last bytes, HTTP/1 behind them.
                        Ok(bytes) => Sent::Data(bytes, *http2 && body.is_end_stream()),
                        Err(frame) => Sent::Trailers(frame.into_trailers().unwrap_or_default()),
                    },
                };
                if !matches!(sent, Sent::Data(_, false)) {
                    *self = Self::Nothing;
                }
                sent
            }
            Self::Upgrading(upgrade, writer) => {
                let Ok(client) = upgrade.await else {
                    *self = Self::Nothing;
                    return Sent::Gone;
                };
                let (reader, half) = tokio::io::split(TokioIo::new(client));
                if let Some(writer) = writer.take() {
                    // The writer ends with the stream, and so does the need for this half.
                    let _over = writer.send(half);
                }
                *self = Self::Upgraded(reader);
                Box::pin(self.next()).await
            }
            Self::Upgraded(reader) => {
                let mut buffer = vec![0; READ_SIZE];
                match reader.read(&mut buffer).await {
                    Ok(length @ 1..) => {
                        Sent::Data(Bytes::copy_from_slice(&buffer[..length]), false)
                    }
                    Ok(0) | Err(_) => {
                        *self = Self::Nothing;
                        Sent::Gone
                    }
                }
            }
        }
    }
}

/// Writes what goes to the client of an upgraded connection, and closes it behind the last byte.
pub(super) async fn write_upgraded(
    writer: oneshot::Receiver<WriteHalf<Client>>,
    mut frames: Receiver<Frames>,
) {
    let Ok(mut writer) = writer.await else {
        return;
    };
    while let Some(frame) = frames.recv().await {
        let bytes = frame.ok().and_then(|frame| frame.into_data().ok());
        let Some(bytes) = bytes else { break };
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    // It may have been closed from the other side.
    let _closed = writer.shutdown().await;
}

/// Bytes that do not parse are the client's fault; everything else is its end.
fn fault(error: &hyper::Error) -> Sent {
    let parsing = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    if cause.is_some_and(|cause| parsing.contains(&cause.kind())) {
        Sent::Broken
    } else {
        Sent::Gone
    }
}
