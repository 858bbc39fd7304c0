//! What a client sends.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::attributes::{PropertyValue, Setting, Settings};
use crate::client::ClientConnection;
use crate::codec::{self, Judged, Reading};
use crate::front::Refusal;
use crate::headers::HeaderMap;

/// A request as the client puts it on the wire. What the filter sees of it is what Envoy makes of it: names in lower case,
/// `host` as `:authority`, an absolute target split, some headers joined, others removed.
///
/// ```
/// use postern_host::Request;
/// let request = Request::post("/orders?page=2")
///     .authority("api.example.com")
///     .header("Authorization", "Bearer abc")
///     .header("x-raw", b"\xff\xfe")
///     .body(r#"{"a":1}"#);
/// # let _ = request;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until a host gets it"]
pub struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Option<Vec<u8>>,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) scheme: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<Vec<u8>>,
    pub(crate) trailers: HeaderMap,
    pub(crate) unfinished: bool,
    /// The parser has given up already.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) http2: bool,
    pub(crate) worker: Option<usize>,
    pub(crate) source: SocketAddr,
    pub(crate) connection: ClientConnection,
    pub(crate) properties: Settings,
}

impl Request {
    /// A request with this method and target (`/path?query`, or an absolute `http://host/path`), to the authority
    /// `localhost`, over HTTP/1.1.
    pub fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.as_ref().to_vec(),
            target: Some(target.as_ref().to_vec()),
            authority: Some(b"localhost".to_vec()),
            scheme: None,
            headers: Vec::new(),
            body: Vec::new(),
            trailers: HeaderMap::new(),
            unfinished: false,
            refusal: None,
            http2: false,
            worker: None,
            source: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 40_000)),
            connection: ClientConnection::new(),
            properties: Settings::default(),
        }
    }

    /// A property that guests read on this request's stream, before what the host was built with and what it would compute:
    /// see [`HostBuilder::property`](crate::HostBuilder::property).
    pub fn property(mut self, path: &str, value: impl Into<PropertyValue>) -> Self {
        let path = Settings::split(path);
        self.properties.set(path, Setting::Value(value.into()));
        self
    }

    /// A property that guests do not find on this request's stream, with everything under it.
    pub fn without_property(mut self, path: &str) -> Self {
        let path = Settings::split(path);
        self.properties.set(path, Setting::Absent);
        self
    }

    /// A GET request.
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// A POST request.
    pub fn post(target: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target)
    }

    /// A PUT request.
    pub fn put(target: impl AsRef<[u8]>) -> Self {
        Self::new("PUT", target)
    }

    /// A DELETE request.
    pub fn delete(target: impl AsRef<[u8]>) -> Self {
        Self::new("DELETE", target)
    }

    /// An OPTIONS request.
    pub fn options(target: impl AsRef<[u8]>) -> Self {
        Self::new("OPTIONS", target)
    }

    /// A CONNECT request, which has an authority and no path.
    pub fn connect(authority: impl AsRef<[u8]>) -> Self {
        Self::new("CONNECT", "").authority(authority).without_path()
    }

    /// The authority: the `Host` header of HTTP/1.1, `:authority` of HTTP/2.
    pub fn authority(mut self, authority: impl AsRef<[u8]>) -> Self {
        self.authority = Some(authority.as_ref().to_vec());
        self
    }

    /// No authority at all.
    pub fn without_authority(mut self) -> Self {
        self.authority = None;
        self
    }

    /// No path at all.
    pub fn without_path(mut self) -> Self {
        self.target = None;
        self
    }

    /// The scheme; `http` without this.
    pub fn scheme(mut self, scheme: impl AsRef<[u8]>) -> Self {
        self.scheme = Some(scheme.as_ref().to_vec());
        self
    }

    /// One more header behind the others. A `host` header in HTTP/1.1 joins the authority.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The whole body, with a `content-length` unless one was given.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(b"content-length"))
        {
            self = self.header("content-length", body.len().to_string());
        }
        self.chunk(body)
    }

    /// One more part of a streamed body. The filter is called once for each part.
    pub fn chunk(mut self, part: impl AsRef<[u8]>) -> Self {
        self.body.push(part.as_ref().to_vec());
        self
    }

    /// One more trailer. Over HTTP/1.1 they are dropped unless the host was built with trailers, as in Envoy.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.append(name, value);
        self
    }

    /// More of the body is on its way: it comes with [`Host::send_body`](crate::Host::send_body) and
    /// [`Host::send_trailers`](crate::Host::send_trailers), which also tell its end.
    pub fn unfinished(mut self) -> Self {
        self.unfinished = true;
        self
    }

    /// What was no request to the parser.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::get("/")
        }
    }

    /// Over HTTP/2 instead of HTTP/1.1.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// On this worker instead of the next in turn.
    pub fn on_worker(mut self, worker: usize) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Over this connection, on the worker that serves it.
    pub fn over(mut self, connection: &ClientConnection) -> Self {
        self.connection = connection.clone();
        self
    }

    /// From this address; 127.0.0.1:40000 without this.
    pub fn from_address(mut self, source: SocketAddr) -> Self {
        self.source = source;
        self
    }
}

/// Why there is no reply if what came was none.
pub(crate) const PROTOCOL_ERROR: &str = "protocol error";

/// What Envoy reads of a reply.
pub(crate) struct Read {
    /// `None`: no final response.
    pub(crate) reply: Option<Reply>,
    /// Something is missing, and never comes.
    pub(crate) stalls: bool,
}

/// What the upstream answers.
#[derive(Clone, Debug)]
#[must_use = "a reply does nothing until an upstream gives it"]
pub struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<Vec<u8>>,
    pub(crate) trailers: HeaderMap,
    pub(crate) unfinished: bool,
    /// The headers are those of a real connection, framing included.
    pub(crate) as_received: bool,
    /// Why there is no reply, in Envoy's words.
    pub(crate) failure: Option<&'static str>,
}

impl Reply {
    /// What Envoy reads of it. `head`: it answers a HEAD request.
    pub(crate) fn read(mut self, head: bool) -> Read {
        let whole = |reply| Read {
            reply: Some(reply),
            stalls: false,
        };
        if self.as_received || self.failure.is_some() {
            return whole(self);
        }
        let is_framing = |name: &[u8]| {
            let framing = ["content-length", "transfer-encoding"];
            let mut framing = framing.iter();
            framing.any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
        };
        // What is sent in parts is in chunks, and some responses can have none.
        let chunked = self.body.iter().any(|part| !part.is_empty())
            && !self.headers.iter().any(|(name, _)| is_framing(name));
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_slice(), value.as_slice()));
        let judged = match codec::judge_reply(self.status, headers, head) {
            _ if self.status == 204 && chunked => Judged::Refused,
            judged => judged,
        };
        let (headers, spilled, mut reading) = match judged {
            Judged::Refused => {
                self.failure = Some(PROTOCOL_ERROR);
                return whole(self);
            }
            Judged::Interim => {
                return Read {
                    reply: None,
                    stalls: true,
                };
            }
            Judged::Response(headers, spilled, reading) => (headers, spilled, reading),
        };
        self.headers = headers;
        if !spilled.is_empty() {
            self.body.insert(0, spilled);
        }
        if self.unfinished || reading == Reading::Nothing {
            return whole(self);
        }
        let parts = std::mem::take(&mut self.body).into_iter();
        self.body = parts.map(|part| reading.take(part)).collect();
        self.unfinished = !reading.is_complete();
        Read {
            stalls: self.unfinished,
            reply: Some(self),
        }
    }

    /// A reply with this status and no body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            trailers: HeaderMap::new(),
            unfinished: false,
            as_received: false,
            failure: None,
        }
    }

    /// A reply with status 200.
    pub fn ok() -> Self {
        Self::new(200)
    }

    /// A connection that breaks instead of a reply. The client gets a 503 from the host.
    pub fn reset() -> Self {
        Self {
            failure: Some("connection termination"),
            ..Self::new(503)
        }
    }

    /// No connection at all. The client gets a 503 from the host.
    pub fn refused() -> Self {
        Self {
            failure: Some("remote connection failure"),
            ..Self::new(503)
        }
    }

    /// One more header behind the others.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The whole body, with a `content-length` unless one was given.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(b"content-length"))
        {
            self = self.header("content-length", body.len().to_string());
        }
        self.chunk(body)
    }

    /// One more part of a streamed body.
    pub fn chunk(mut self, part: impl AsRef<[u8]>) -> Self {
        self.body.push(part.as_ref().to_vec());
        self
    }

    /// More of the body is on its way: it comes with [`Host::reply_body`](crate::Host::reply_body) and
    /// [`Host::reply_trailers`](crate::Host::reply_trailers), which also tell its end.
    pub fn unfinished(mut self) -> Self {
        self.unfinished = true;
        self
    }

    /// One more trailer.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.append(name, value);
        self
    }
}
