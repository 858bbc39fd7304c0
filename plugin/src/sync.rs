//! Policy sync: the calls that `postern_core::feed` asks for, and what becomes of their answers.

mod metrics;

use std::collections::BTreeMap;
use std::time::Duration;

use postern_core::api_token::Caller;
use postern_core::config::{ConfigFault, ConfigRule, SyncConfig};
use postern_core::feed::{
    Freshness, HeadRequest, MAX_HEAD, MAX_PAGE, Moment, News, Next, PageId, Signatures, Sync,
    TIMEOUT, WAIT, Work, is_clock_doubtful,
};
use postern_core::gate::{Gate, Standing};
use postern_core::headers::HeaderMap;
use postern_core::policy::document::Document;
use postern_core::time::{Seconds, Timestamp};
use proxy_wasm::traits::Context;
use zeroize::Zeroizing;

use crate::entropy::HostRandom;
use crate::host::{self, Level, Map};

use metrics::SyncMetrics;

/// Records of one step of work, a fraction of a millisecond.
const STEP: usize = 256;

/// How long one callback may work on the policy that is to come: requests of this worker wait for it.
const WORK: u64 = 4;

/// What a call was for.
enum Call {
    Head,
    Page(PageId),
}

/// Reads one feed.
pub(crate) struct Client {
    config: SyncConfig,
    credential: Zeroizing<String>,
    sync: Sync,
    calls: BTreeMap<u32, Call>,
    metrics: SyncMetrics,
    /// The log says once that something fails, and once that it works again.
    is_failing: bool,
    freshness: Freshness,
}

impl Client {
    /// What reads the feed, where the configuration names one.
    pub(crate) fn of(gate: &Gate) -> Result<Option<Self>, String> {
        let Some(config) = &gate.config().sync else {
            return Ok(None);
        };
        let name = &config.credential_env;
        let fault = |rule: ConfigRule| {
            let path = "sync.credential_env".to_owned();
            ConfigFault { path, rule }.to_string()
        };
        let credential = host::environment(name)
            .map(Zeroizing::new)
            .ok_or_else(|| fault(ConfigRule::CredentialMissing(name.clone())))?;
        if Caller::Gateway.inspect(credential.as_bytes()).is_none() {
            return Err(fault(ConfigRule::Credential(name.clone())));
        }
        Ok(Some(Self::new(config.clone(), credential)))
    }

    fn new(config: SyncConfig, credential: Zeroizing<String>) -> Self {
        Self {
            sync: Sync::new(config.source.clone()),
            config,
            credential,
            calls: BTreeMap::new(),
            metrics: SyncMetrics::define(),
            is_failing: false,
            freshness: Freshness::Never,
        }
    }

    /// Whether the wall clock is too far behind that of whoever made the policy.
    pub(crate) fn doubts(&self, wall: Timestamp) -> bool {
        let in_force = self.sync.in_force();
        in_force.is_some_and(|in_force| is_clock_doubtful(wall, in_force.issued_at))
    }

    /// Sends what is to be sent, works on what has come, and says whether there is more to work on.
    pub(crate) fn drive(&mut self, context: &dyn Context, gate: &mut Gate) -> bool {
        let Some(now) = moment() else { return false };
        loop {
            match self.sync.next(now, &mut HostRandom) {
                Ok(Next::Head(request)) => self.ask(context, now, &request),
                Ok(Next::Page(page)) => self.fetch(context, now, page),
                Ok(_) => break,
                Err(error) => {
                    self.fails(&error.to_string());
                    break;
                }
            }
        }
        let is_busy = self.work(gate, now);
        self.judge(gate, now);
        is_busy
    }

    /// Takes the answer to a call. Those of calls that are not ours are none of our business.
    pub(crate) fn arrived(&mut self, call: u32, body_size: usize) {
        let Some(now) = moment() else { return };
        match self.calls.remove(&call) {
            Some(Call::Head) => self.head_arrived(now, body_size),
            Some(Call::Page(page)) => self.page_arrived(now, page, body_size),
            None => {}
        }
    }

    fn ask(&mut self, context: &dyn Context, now: Moment, request: &HeadRequest) {
        let path = format!(
            "/v1/feeds/{}?after={}&epoch={}&nonce={}",
            self.config.source.feed, request.after, request.epoch, request.nonce
        );
        let wait = format!("wait={}", request.wait.as_secs());
        let mut extra = Vec::with_capacity(1);
        if request.wait.as_secs() > 0 {
            extra.push(("prefer", wait.as_str()));
        }
        match self.dispatch(context, &path, &extra, request.wait) {
            Some(call) => {
                self.metrics.polled();
                self.calls.insert(call, Call::Head);
            }
            None => self.head_failed(now, None, "the host does not take the call"),
        }
    }

    fn fetch(&mut self, context: &dyn Context, now: Moment, page: PageId) {
        let path = format!("/v1/feeds/{}/pages/{page}", self.config.source.feed);
        match self.dispatch(context, &path, &[], Seconds::new(0)) {
            Some(call) => {
                self.calls.insert(call, Call::Page(page));
            }
            None => self.page_failed(now, page, None, "the host does not take the call"),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "only the SDK can hand over the answer; the statuses that it expects are those that the ABI lists"
    )]
    fn dispatch(
        &self,
        context: &dyn Context,
        path: &str,
        extra: &[(&str, &str)],
        wait: Seconds,
    ) -> Option<u32> {
        let authorization = Zeroizing::new(format!("Bearer {}", self.credential.as_str()));
        let format = Document::FORMAT.to_string();
        let mut headers = vec![
            (":method", "GET"),
            (":path", path),
            (":authority", self.config.authority.as_str()),
            ("authorization", authorization.as_str()),
            ("postern-format", format.as_str()),
        ];
        headers.extend_from_slice(extra);
        // Above the wait that was asked for, and below the moment at which the answer is given up for lost.
        let timeout = Duration::from_secs(wait.as_secs() + TIMEOUT.as_secs() - 5);
        context
            .dispatch_http_call(&self.config.cluster, headers, None, Vec::new(), timeout)
            .ok()
    }

    fn head_arrived(&mut self, now: Moment, body_size: usize) {
        let answer = match Answer::read(body_size, MAX_HEAD) {
            Ok(answer) => answer,
            Err(failure) => return self.head_failed(now, failure.retry_after, &failure.text),
        };
        let taken = self
            .sync
            .on_head(now, &answer.body, &answer.signatures, &mut HostRandom);
        match taken {
            Ok(News::Reading(position)) => {
                host::log(
                    Level::Info,
                    &format!("postern: reading policy revision {position}"),
                );
                self.works();
            }
            Ok(_) => self.works(),
            Err(fault) => self.fails(&fault.to_string()),
        }
    }

    fn page_arrived(&mut self, now: Moment, page: PageId, body_size: usize) {
        let answer = match Answer::read(body_size, MAX_PAGE) {
            Ok(answer) => answer,
            Err(failure) => {
                return self.page_failed(now, page, failure.retry_after, &failure.text);
            }
        };
        match self.sync.on_page(now, page, answer.body, &mut HostRandom) {
            Ok(()) => self.metrics.page_applied(),
            Err(fault) => {
                self.metrics.page_refused();
                self.fails(&fault.to_string());
            }
        }
    }

    fn head_failed(&mut self, now: Moment, retry_after: Option<Seconds>, text: &str) {
        let noted = self.sync.on_head_failure(now, retry_after, &mut HostRandom);
        self.fails(&noted.map_or_else(|error| error.to_string(), |()| text.to_owned()));
    }

    fn page_failed(&mut self, now: Moment, page: PageId, retry_after: Option<Seconds>, text: &str) {
        let noted = self
            .sync
            .on_page_failure(now, page, retry_after, &mut HostRandom);
        self.fails(&noted.map_or_else(|error| error.to_string(), |()| text.to_owned()));
    }

    fn work(&mut self, gate: &mut Gate, since: Moment) -> bool {
        loop {
            match gate.work(&mut self.sync, STEP, &mut HostRandom) {
                Work::Idle => return false,
                Work::Switched(in_force) => {
                    self.metrics.switched(&in_force, gate);
                    host::log(
                        Level::Info,
                        &format!(
                            "postern: policy revision {} is in force: {} tokens, {} keys, digest {}",
                            in_force.position,
                            gate.policy().token_count(),
                            gate.policy().keys().len(),
                            in_force.digest.to_hex()
                        ),
                    );
                }
                Work::Refused(refusal) => {
                    self.metrics.refused();
                    host::log(Level::Error, &format!("postern: policy {refusal}"));
                }
                _ => {}
            }
            let spent = moment().and_then(|now| now.since(since));
            if spent.is_none_or(|spent| spent >= WORK) {
                return true;
            }
        }
    }

    /// Says whether the policy is still good to decide by.
    fn judge(&mut self, gate: &mut Gate, now: Moment) {
        let freshness = self.sync.freshness(now);
        gate.stand(match freshness {
            Freshness::Never => Standing::NoPolicy,
            freshness if freshness.may_decide() => Standing::Good,
            _ => Standing::Stale,
        });
        let age = self
            .sync
            .in_force()
            .and_then(|in_force| now.since(in_force.contact));
        self.metrics.age(age.unwrap_or(0) / 1000);
        if freshness == self.freshness {
            return;
        }
        match freshness {
            Freshness::Late => host::log(
                Level::Warn,
                "postern: no contact with the feed for longer than warn_after; the policy may be old",
            ),
            Freshness::Stale => host::log(
                Level::Error,
                "postern: no contact with the feed for longer than deny_after; every request is refused until there is",
            ),
            _ => {}
        }
        self.freshness = freshness;
    }

    fn fails(&mut self, text: &str) {
        self.metrics.failed();
        if !self.is_failing {
            self.is_failing = true;
            host::log(
                Level::Warn,
                &format!("postern: the feed cannot be read: {text}"),
            );
        }
    }

    fn works(&mut self) {
        if self.is_failing {
            self.is_failing = false;
            host::log(Level::Info, "postern: the feed can be read again");
        }
    }
}

/// An answer that may be taken.
struct Answer {
    body: Vec<u8>,
    signatures: Vec<u8>,
}

/// Why an answer may not be taken.
struct Failure {
    text: String,
    retry_after: Option<Seconds>,
}

impl Failure {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            retry_after: None,
        }
    }
}

impl Answer {
    /// Reads the answer that the host has at hand: of a call that failed, Envoy shows a 503 or 504 of its own, or no
    /// headers at all.
    fn read(body_size: usize, longest: usize) -> Result<Self, Failure> {
        let pairs = host::header_pairs(Map::CallResponseHeaders)
            .map_err(|_| Failure::new("there is no answer"))?;
        let headers = HeaderMap::decode(&pairs).map_err(|_| Failure::new("there is no answer"))?;
        let value = |name: &[u8]| {
            let mut values = headers.iter().filter(|(other, _)| *other == name);
            values.next().map(|(_, value)| value)
        };
        let status = value(b":status").unwrap_or_default();
        if status != b"200" {
            let seconds = value(b"retry-after")
                .and_then(|value| std::str::from_utf8(value).ok())
                .and_then(|value| value.parse().ok());
            return Err(Failure {
                text: format!("it answers {}", String::from_utf8_lossy(status)),
                retry_after: seconds.map(Seconds::new),
            });
        }
        if body_size > longest {
            return Err(Failure::new("the answer is too long"));
        }
        let body = host::call_response_body(body_size)
            .map_err(|_| Failure::new("the answer cannot be read"))?;
        Ok(Self {
            body,
            signatures: value(Signatures::HEADER.as_bytes())
                .unwrap_or_default()
                .to_vec(),
        })
    }
}

fn moment() -> Option<Moment> {
    let nanoseconds = host::monotonic_clock().ok()?;
    Some(Moment::from_millis(nanoseconds / 1_000_000))
}

// What a request for news may take is part of what an operator is told about alarms: `warn_after` is longer.
const _: () = assert!(WAIT.as_secs() + TIMEOUT.as_secs() == 45);
