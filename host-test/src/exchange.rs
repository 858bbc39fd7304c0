//! What came of a request.

use std::collections::BTreeMap;

use crate::headers::HeaderMap;
use crate::status::LogLevel;

/// Names one stream of one host.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub(crate) u64);

/// Everything that came of one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// What the client received; `None` if it received nothing: the stream was reset, the client went away, or the filter
    /// paused it and nothing is left that could wake it.
    pub response: Option<Response>,
    /// Who made the response.
    pub answered_by: AnsweredBy,
    /// What Envoy's access log has as `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
    /// What the filter passed to `proxy_send_local_response`; the first one if it called several times in a callback, since
    /// that is what Envoy sends.
    pub local_response: Option<LocalResponse>,
    /// What the upstream received; `None`: nothing at all.
    pub upstream: Option<UpstreamRequest>,
    /// What upstreams received before that, and answered with a redirect that the host
    /// [followed](crate::Route::follow_redirects).
    pub redirected: Vec<UpstreamRequest>,
    /// What the filter left with `proxy_set_property`, under Envoy's names: `wasm.<path>`.
    pub filter_state: BTreeMap<String, Vec<u8>>,
    /// The lines that the guest logged in this stream's callbacks.
    pub log: Vec<LogLine>,
    /// What crossed the boundary in this stream's callbacks, in the format of Envoy's trace. Empty unless the host was built to
    /// trace.
    pub trace: Vec<String>,
    /// The callbacks that ran for this stream, in order, with what each cost.
    pub callbacks: Vec<Callback>,
    /// Why the VM died in one of this stream's callbacks, if it did.
    pub trap: Option<String>,
    /// The worker that served the stream.
    pub worker: usize,
    /// The id that the stream's context had in the VM; 0 if the VM never heard of it.
    pub context: u32,
}

impl Exchange {
    /// The response's status, or 0 if there was none.
    pub fn status(&self) -> u16 {
        self.response.as_ref().map_or(0, |response| response.status)
    }

    /// The first value of a response header.
    pub fn header(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.response.as_ref()?.headers.get(name)
    }

    /// The first value of a response header as text; bytes that are not UTF-8 are replaced.
    pub fn header_text(&self, name: impl AsRef<[u8]>) -> Option<String> {
        self.response.as_ref()?.headers.text(name)
    }

    /// The response body; empty if there was no response.
    pub fn body(&self) -> &[u8] {
        self.response
            .as_ref()
            .map_or(&[], |response| &response.body)
    }

    /// The response body as text; bytes that are not UTF-8 are replaced.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }

    /// The fuel that all callbacks of the stream burned together.
    pub fn fuel(&self) -> u64 {
        self.callbacks.iter().map(|callback| callback.fuel).sum()
    }

    /// The bytes that host functions moved in all callbacks of the stream.
    pub fn copied(&self) -> Copied {
        self.callbacks
            .iter()
            .fold(Copied::default(), |sum, callback| Copied {
                to_guest: sum.to_guest + callback.copied.to_guest,
                from_guest: sum.from_guest + callback.copied.from_guest,
            })
    }

    /// How often the guest called this host function in all callbacks of the stream.
    pub fn host_calls(&self, function: &str) -> u32 {
        self.callbacks
            .iter()
            .filter_map(|callback| callback.host_calls.get(function))
            .sum()
    }
}

/// The bytes that host functions moved across the boundary: what they wrote into the guest's memory and read from it,
/// results such as addresses and sizes included. A call that fails moves what it moved before it failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Copied {
    /// Written into the guest's memory.
    pub to_guest: u64,
    /// Read from the guest's memory.
    pub from_guest: u64,
}

/// Who made a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AnsweredBy {
    /// The upstream.
    Upstream,
    /// The filter, with `proxy_send_local_response`.
    Filter,
    /// The host itself, as Envoy would: it refused the request before the filter, the VM had died, or the upstream was not
    /// to be reached.
    Host,
    /// Nobody: there was no response, or not a whole one.
    Nobody,
}

/// A response as the client sees it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers without `:status`, and without `date`, `server` and `connection`, which Envoy writes anew.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// The entries of each METADATA frame of HTTP/2.
    pub metadata: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Whether the response came to the end that its headers tell, or the stream was reset in the middle of it.
    pub complete: bool,
    /// Whether Envoy closes the client's connection behind it, and says so with `connection: close`. Never over HTTP/2.
    pub closes: bool,
    /// Its client reads no body of it, whatever comes.
    pub(crate) bodyless: bool,
}

/// A request as the upstream received it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct UpstreamRequest {
    /// The cluster that the route led to; `None`: the upstream that there is without clusters.
    pub cluster: Option<String>,
    /// The headers with `:method`, `:path`, `:authority` and `:scheme`.
    pub headers: HeaderMap,
    /// As much of the body as arrived.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// The entries of each METADATA frame of HTTP/2.
    pub metadata: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Whether the request came to its end, as its headers tell that to the upstream.
    pub complete: bool,
    /// Whether that was with its headers: without any body, not even an empty one.
    pub(crate) bodyless: bool,
    /// All of it has left, and the upstream still waits: its headers promise more.
    pub(crate) starved: bool,
}

/// What a guest passed to `proxy_send_local_response`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LocalResponse {
    /// The HTTP status.
    pub status: u32,
    /// The response code details.
    pub details: String,
    /// The body.
    pub body: Vec<u8>,
    /// The headers.
    pub headers: HeaderMap,
    /// The gRPC status, or -1 to leave it to the host.
    pub grpc_status: i32,
}

/// A line that a guest logged, or that the host logs about it when a VM dies.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LogLine {
    /// The level.
    pub level: LogLevel,
    /// The text; bytes that are not UTF-8 are replaced.
    pub message: String,
    /// The worker whose VM logged it.
    pub worker: usize,
    /// The context in whose name it was logged.
    pub context: u32,
    /// The stream of that context, if it is one.
    pub stream: Option<StreamId>,
}

/// One callback into a guest and what it cost. The numbers are the same in every run.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Callback {
    /// The export's name, such as `proxy_on_request_headers`.
    pub name: &'static str,
    /// The context that it was called for.
    pub context: u32,
    /// Which plugin of the chain that context belongs to, counted from 0; 0 for root contexts too.
    pub filter: usize,
    /// The fuel burned, roughly one unit for each wasm instruction.
    pub fuel: u64,
    /// The host functions called and how often.
    pub host_calls: BTreeMap<&'static str, u32>,
    /// The bytes that those functions moved.
    pub copied: Copied,
    /// How often the host called the guest's allocator.
    pub allocations: u32,
    /// The bytes by which the guest's linear memory grew.
    pub memory_growth: u64,
    /// What it returned; `None` if it returns nothing, or trapped.
    pub returned: Option<u32>,
}
