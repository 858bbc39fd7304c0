//! Requests to the admin service, and their answers.

use postern_core::config::SyncConfig;
use postern_core::feed::{HeadRequest, PageId, Signatures, TIMEOUT, WAIT};
use postern_core::headers::{HeaderMap, encode};
use postern_core::policy::document::Document;
use postern_core::time::Seconds;
use zeroize::Zeroizing;

use super::troubles::Kind;
use crate::host::{self, Map};

/// The answer to a call is given up by the host so much before [`postern_core::feed`] takes it for lost.
const MARGIN: u64 = 5;

/// What a call was for.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Head,
    Page(PageId),
    Report,
}

/// The way to the admin service, and the calls that are under way.
pub(super) struct Link {
    cluster: String,
    authority: String,
    feed: String,
    authorization: Zeroizing<String>,
    /// A handful at most.
    calls: Vec<(u32, Call)>,
}

/// The host has not taken a call.
pub(super) struct NotSent;

impl Link {
    pub(super) fn new(config: &SyncConfig, credential: &str) -> Self {
        Self {
            cluster: config.cluster.clone(),
            authority: config.authority.clone(),
            feed: config.source.feed.clone(),
            authorization: Zeroizing::new(format!("Bearer {credential}")),
            calls: Vec::new(),
        }
    }

    /// What a call was for; `None` if it is none of ours.
    pub(super) fn answered(&mut self, call: u32) -> Option<Call> {
        let place = self.calls.iter().position(|(other, _)| *other == call)?;
        Some(self.calls.swap_remove(place).1)
    }

    pub(super) fn ask_head(&mut self, request: &HeadRequest) -> Result<(), NotSent> {
        let path = format!(
            "/v1/feeds/{}?after={}&epoch={}&nonce={}",
            self.feed, request.after, request.epoch, request.nonce
        );
        let wait = request.wait.as_secs();
        let prefer = format!("wait={wait}");
        let preference = (wait > 0).then_some(("prefer", prefer.as_str()));
        // Whoever asks for everything may also have to wait: a big policy has to be put into pages first.
        self.send(Call::Head, &path, preference, None, WAIT)
    }

    pub(super) fn ask_page(&mut self, page: PageId) -> Result<(), NotSent> {
        let path = format!("/v1/feeds/{}/pages/{page}", self.feed);
        self.send(Call::Page(page), &path, None, None, Seconds::new(0))
    }

    pub(super) fn report(&mut self, report: &str) -> Result<(), NotSent> {
        let json = ("content-type", "application/json");
        let body = Some(report.as_bytes());
        self.send(
            Call::Report,
            "/v1/status",
            Some(json),
            body,
            Seconds::new(0),
        )
    }

    fn send(
        &mut self,
        call: Call,
        path: &str,
        more: Option<(&str, &str)>,
        body: Option<&[u8]>,
        wait: Seconds,
    ) -> Result<(), NotSent> {
        let formats = Document::FORMAT.to_string();
        let mut headers = vec![
            (":method", if body.is_some() { "POST" } else { "GET" }),
            (":path", path),
            (":authority", self.authority.as_str()),
            ("authorization", self.authorization.as_str()),
            ("postern-format", formats.as_str()),
        ];
        headers.extend(more);
        // Longer than the server may hold the request, and shorter than the answer is waited for.
        let timeout = (wait.as_secs() + TIMEOUT.as_secs() - MARGIN) * 1000;
        let headers = Zeroizing::new(encode(&headers));
        let body = body.unwrap_or_default();
        let number =
            host::http_call(&self.cluster, &headers, body, timeout as u32).map_err(|_| NotSent)?;
        self.calls.push((number, call));
        Ok(())
    }
}

/// An answer that may be taken.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) signatures: Vec<u8>,
}

/// Why an answer may not be taken.
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) retry_after: Option<Seconds>,
}

impl Failure {
    pub(super) fn new(kind: Kind, text: &str) -> Self {
        Self {
            kind,
            text: text.to_owned(),
            retry_after: None,
        }
    }
}

impl Answer {
    /// Reads the answer that the host has at hand: of a call that failed, Envoy shows a 503 or 504 of its own, or no
    /// headers at all.
    pub(super) fn read(body_size: usize, longest: usize) -> Result<Self, Failure> {
        let pairs = host::header_pairs(Map::CallResponseHeaders).unwrap_or_default();
        let none = |_| Failure::new(Kind::Unreachable, "there is no answer");
        let headers = HeaderMap::decode(&pairs).map_err(none)?;
        let value = |name: &[u8]| {
            let mut values = headers.iter().filter(|(other, _)| *other == name);
            values.next().map(|(_, value)| value)
        };
        let status = value(b":status").unwrap_or_default();
        if !matches!(status, b"200" | b"204") {
            let seconds = value(b"retry-after").and_then(|value| std::str::from_utf8(value).ok());
            let kind = match status {
                b"" | b"502" | b"503" | b"504" => Kind::Unreachable,
                _ => Kind::Status,
            };
            return Err(Failure {
                kind,
                text: format!("it answers {}", String::from_utf8_lossy(status)),
                retry_after: seconds
                    .and_then(|value| value.parse().ok())
                    .map(Seconds::new),
            });
        }
        if body_size > longest {
            return Err(Failure::new(Kind::Answer, "the answer is too long"));
        }
        let unread = |_| Failure::new(Kind::Unreachable, "the answer cannot be read");
        let body = host::response_body(body_size).map_err(unread)?;
        Ok(Self {
            body,
            signatures: value(Signatures::HEADER.as_bytes())
                .unwrap_or_default()
                .to_vec(),
        })
    }
}
