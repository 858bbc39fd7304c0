//! Requests with header values that are not UTF-8: what a guest that reads text does with them.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Code, Diagnostic};
use crate::builder::{Cluster, FailurePolicy, Parts, Upstream};
use crate::callout::CalloutReply;
use crate::clock::Clock;
use crate::headers::HeaderMap;
use crate::host::Host;
use crate::journal::Journal;
use crate::plugin::Plugin;
use crate::plugins::{ConfigRefused, PluginId};
use crate::request::{Reply, Request};
use crate::shared::SharedState;

/// Bytes that no UTF-8 text has.
const HOSTILE: &[u8] = b"\xff\xfe";
/// A header that no guest looks for by name; one that reads them all meets it.
const EXTRA: &str = "x-hostile";
/// Headers that say how the message is read: with other bytes it is another message, or none.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What is spoilt in one repetition.
#[derive(Clone, Copy, Debug)]
enum Spoilt {
    Nothing,
    RequestHeader(usize),
    OneMoreRequestHeader,
    RequestTrailers,
    Path,
    ResponseHeaders,
    OneMoreResponseHeader,
    CallReplies,
}

/// The scripted peers of a host, lent to another host.
struct Lent {
    upstream: Arc<Mutex<Upstream>>,
    clusters: BTreeMap<String, Arc<Mutex<Cluster>>>,
}

impl Host {
    /// Repeats a request again and again, each time with bytes in one place that are not UTF-8: in each header value, in one
    /// more header, in trailers, in the path over HTTP/2, in the response of the upstream, in replies of clusters. What
    /// kills the guest is a finding, [`Code::NotUtf8`]: Envoy lets such bytes through, and the Rust SDK's getters for
    /// `String` panic on them.
    ///
    /// The repetitions run in a host of their own with the same configuration; only the upstream's and clusters' closures
    /// are called. Logs, metrics, shared data and VMs of this host stay as they are.
    ///
    /// # Errors
    ///
    /// If the plugin does not accept its configuration there.
    pub fn try_hostile_bytes(
        &mut self,
        plugin: PluginId,
        request: &Request,
    ) -> Result<(), ConfigRefused> {
        let Some(plugin) = self.plugin(plugin) else {
            return Ok(());
        };
        let plugin = plugin.failure_policy(FailurePolicy::FailClosed);
        let lent = self.lend();
        let found = self.repeat(&plugin, request, &lent);
        self.take_back(lent);
        self.journal.report.add(found?);
        Ok(())
    }

    fn repeat(
        &mut self,
        plugin: &Plugin,
        request: &Request,
        lent: &Lent,
    ) -> Result<Vec<Diagnostic>, ConfigRefused> {
        let mut findings = Vec::new();
        // A guest that dies of the request as it is does not die of the bytes.
        if self
            .death(plugin, request, Spoilt::Nothing, lent)?
            .is_some()
        {
            return Ok(findings);
        }
        for spoilt in places(request) {
            if let Some(mut death) = self.death(plugin, request, spoilt, lent)? {
                death.code = Code::NotUtf8;
                death.detail = spoilt.place(request);
                findings.push(death);
            }
        }
        Ok(findings)
    }

    /// What the guest died of in a repetition, if it did.
    fn death(
        &self,
        plugin: &Plugin,
        request: &Request,
        spoilt: Spoilt,
        lent: &Lent,
    ) -> Result<Option<Diagnostic>, ConfigRefused> {
        let mut host = Self::assemble(Parts {
            template: plugin.clone(),
            log_level: self.log_level.get(),
            trace: false,
            workers: 1,
            main_thread_vm: false,
            drain_time: self.drain_time,
            clock: Clock::simulated(self.clock.wall()),
            randomness: self.randomness,
            stream: self.settings.clone(),
            limits: self.limits,
            canary: false,
            shared: SharedState::new(),
            upstream: lent.upstream(spoilt),
            // Whatever the route, the one upstream answers in a repetition.
            upstream_clusters: BTreeMap::new(),
            clusters: lent.clusters(spoilt),
            grpc_peers: BTreeMap::new(),
            offered: Arc::clone(&self.offered),
            journal: Journal::default(),
            diagnostics: true,
        });
        let plugin = host.add_plugin_with(plugin.clone())?;
        host.request(plugin, spoilt.request(request.clone()));
        let mut findings = host.take_diagnostics().into_iter();
        Ok(findings.find(|finding| finding.code == Code::Died))
    }

    fn lend(&mut self) -> Lent {
        let clusters = mem::take(&mut self.clusters);
        Lent {
            upstream: Arc::new(Mutex::new(mem::replace(
                &mut self.upstream,
                Upstream::Manual,
            ))),
            clusters: clusters
                .into_iter()
                .map(|(name, cluster)| (name, Arc::new(Mutex::new(cluster))))
                .collect(),
        }
    }

    /// All hosts that borrowed the peers are gone, so they come back whole.
    fn take_back(&mut self, lent: Lent) {
        if let Some(upstream) = Arc::into_inner(lent.upstream) {
            self.upstream = upstream
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.clusters = lent
            .clusters
            .into_iter()
            .filter_map(|(name, cluster)| {
                let cluster = Arc::into_inner(cluster)?;
                Some((
                    name,
                    cluster.into_inner().unwrap_or_else(PoisonError::into_inner),
                ))
            })
            .collect();
    }
}

impl Lent {
    fn upstream(&self, spoilt: Spoilt) -> Upstream {
        let lent = Arc::clone(&self.upstream);
        Upstream::Scripted(Box::new(move |request| {
            let mut upstream = lent.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = match &mut *upstream {
                Upstream::Scripted(upstream) => upstream(request),
                Upstream::Manual => Reply::ok(),
            };
            spoilt.reply(reply)
        }))
    }

    fn clusters(&self, spoilt: Spoilt) -> BTreeMap<String, Cluster> {
        let wrapped = self.clusters.iter().map(|(name, lent)| {
            let lent = Arc::clone(lent);
            let cluster = Cluster::Scripted(Box::new(move |call| {
                let mut cluster = lent.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut *cluster {
                    Cluster::Scripted(cluster) => spoilt.call_reply(cluster(call)),
                    // Nobody is there to play it.
                    Cluster::Manual => CalloutReply::never(),
                }
            }));
            (name.clone(), cluster)
        });
        wrapped.collect()
    }
}

impl Spoilt {
    fn request(self, mut request: Request) -> Request {
        match self {
            Self::RequestHeader(index) => {
                if let Some((_, value)) = request.headers.get_mut(index) {
                    value.extend_from_slice(HOSTILE);
                }
            }
            Self::OneMoreRequestHeader => return request.header(EXTRA, HOSTILE),
            Self::RequestTrailers => request.trailers = spoil(&request.trailers),
            Self::Path => {
                if let Some(target) = &mut request.target {
                    target.extend_from_slice(HOSTILE);
                }
            }
            _ => {}
        }
        request
    }

    fn reply(self, mut reply: Reply) -> Reply {
        match self {
            Self::ResponseHeaders => {
                for (name, value) in &mut reply.headers {
                    if !is_framing(name) {
                        value.extend_from_slice(HOSTILE);
                    }
                }
            }
            Self::OneMoreResponseHeader => return reply.header(EXTRA, HOSTILE),
            _ => {}
        }
        reply
    }

    fn call_reply(self, mut reply: CalloutReply) -> CalloutReply {
        if matches!(self, Self::CallReplies) && !reply.headers.is_empty() {
            reply.headers = spoil(&reply.headers);
            return reply.header(EXTRA, HOSTILE);
        }
        reply
    }

    fn place(self, request: &Request) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::RequestHeader(index) => {
                let name = request.headers.get(index).map(|(name, _)| name.as_slice());
                let name = String::from_utf8_lossy(name.unwrap_or_default());
                format!("request header `{}`", name.to_ascii_lowercase())
            }
            Self::OneMoreRequestHeader => format!("one more request header, `{EXTRA}`"),
            Self::RequestTrailers => "request trailers".to_owned(),
            Self::Path => "`:path`".to_owned(),
            Self::ResponseHeaders => "response headers".to_owned(),
            Self::OneMoreResponseHeader => format!("one more response header, `{EXTRA}`"),
            Self::CallReplies => "headers of a call's reply".to_owned(),
        }
    }
}

fn places(request: &Request) -> Vec<Spoilt> {
    let headers = (0..request.headers.len())
        .filter(|index| !is_framing(&request.headers[*index].0))
        .map(Spoilt::RequestHeader);
    let mut places: Vec<Spoilt> = headers.collect();
    places.push(Spoilt::OneMoreRequestHeader);
    if !request.trailers.is_empty() {
        places.push(Spoilt::RequestTrailers);
    }
    if request.http2 {
        // The parser of HTTP/1 refuses them.
        places.push(Spoilt::Path);
    }
    places.extend([
        Spoilt::ResponseHeaders,
        Spoilt::OneMoreResponseHeader,
        Spoilt::CallReplies,
    ]);
    places
}

fn spoil(map: &HeaderMap) -> HeaderMap {
    map.iter()
        .map(|(name, value)| {
            let keeps = name.starts_with(b":") || is_framing(name);
            let end: &[u8] = if keeps { b"" } else { HOSTILE };
            (name.to_vec(), [value, end].concat())
        })
        .collect()
}

fn is_framing(name: &[u8]) -> bool {
    FRAMING
        .iter()
        .any(|other| other.as_bytes().eq_ignore_ascii_case(name))
}
