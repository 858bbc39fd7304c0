//! A gateway that is the test host, in this process, with the same upstream as a function.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::Version;
use postern_host::{
    AnsweredBy, Code, Exchange, Fault, HeaderMap, Host, Metric, Module, PluginId, Reply,
    Request as HostRequest, UpstreamRequest,
};

use super::secrets::Secrets;
use super::{Answer, Setup};
use crate::artefacts;
use crate::client::Protocol;
use crate::envoy::{FailurePolicy, Logged, Update};
use crate::message::{Headers, Request, Response};
use crate::upstream::{Received, echo_body};
use crate::{Error, Result};

/// What the test host finds in the filter and is meant to be so.
const ALLOWED: &[Code] = &[
    // The filter is for Envoy. `docs/host/lint.md` has what other hosts do.
    Code::NotPortable,
];
/// What it may find more where host functions were made to fail.
const ALLOWED_UNDER_FAULTS: &[Code] = &[
    // The filter declares its imports itself, and takes any number for a status.
    Code::StatusUnknownToSdk,
    // An answer that cannot be sent leaves the stream where it is: nothing may pass.
    Code::PauseWithoutWakeup,
];

/// The test host with everything that it has recorded.
pub struct HostGateway {
    host: Host,
    plugins: BTreeMap<String, PluginId>,
    upstream: Vec<Received>,
    records: Vec<String>,
    environment: BTreeMap<String, String>,
    secrets: Secrets,
    faulty: bool,
    /// The filter is the one that dies when it is told to.
    dies: bool,
}

impl fmt::Debug for HostGateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostGateway")
            .finish_non_exhaustive()
    }
}

impl HostGateway {
    /// Starts it, with two workers as Envoy has here.
    ///
    /// # Errors
    ///
    /// When the module cannot be loaded or a configuration is refused.
    pub fn start(setup: &Setup) -> Result<Self> {
        let module = compiled(&setup.wasm)?;
        let mut builder = Host::builder(&module)
            .vm_id("postern")
            .workers(2)
            .wall_clock_secs(setup.clock)
            .trailers(true)
            .allow_on_headers_stop_iteration(setup.allow_on_headers_stop_iteration)
            .upgrade_types(["websocket", "CONNECT"])
            .trace(true)
            .failure_policy(match setup.failure_policy {
                FailurePolicy::Reload => postern_host::FailurePolicy::FailReload,
                FailurePolicy::Closed => postern_host::FailurePolicy::FailClosed,
            })
            // Envoy waits for a second since the start of the VM; tests of what comes after do not.
            .reload_backoff(Duration::ZERO)
            .upstream(echo);
        for code in ALLOWED {
            builder = builder.allow(*code);
        }
        for (name, value) in &setup.environment {
            builder = builder.environment(name.as_str(), value.as_str());
        }
        let mut host = builder.build();
        let mut plugins = BTreeMap::new();
        for (name, config) in &setup.plugins {
            let plugin = host
                .add_plugin(config)
                .map_err(|refused| Error::Host(refused.to_string()))?;
            plugins.insert(name.clone(), plugin);
        }
        Ok(Self {
            host,
            plugins,
            upstream: Vec::new(),
            records: Vec::new(),
            environment: setup.environment.clone(),
            faulty: false,
            dies: artefacts::is_test_trap(&setup.wasm),
            secrets: Secrets::of(setup),
        })
    }

    /// Sets the wall clock, in seconds since the Unix epoch.
    pub fn set_clock(&mut self, seconds: u64) {
        self.host.set_wall_clock(seconds * 1_000_000_000);
    }

    /// Moves the clocks on.
    pub fn advance(&mut self, span: Duration) {
        self.host.advance(span);
    }

    /// Makes host calls fail until [`Self::clear_faults`].
    ///
    /// # Errors
    ///
    /// When there is no such host call.
    pub fn inject(&mut self, fault: Fault) -> Result<()> {
        self.faulty = true;
        self.host.inject(fault).map_err(host)
    }

    /// Ends all faults.
    pub fn clear_faults(&mut self) {
        self.host.clear_faults();
    }

    /// The names and kinds of all metrics that the filter has defined.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.host.metrics()
    }

    /// How many VMs have been started so far.
    pub fn vm_starts(&self) -> u64 {
        self.host.vm_starts()
    }

    pub(super) fn send(
        &mut self,
        plugin: &str,
        protocol: Protocol,
        request: &Request,
        marker: String,
    ) -> Result<Answer> {
        let exchange = self.exchange(plugin, protocol, request)?;
        let upstream: Vec<Received> = exchange
            .upstream
            .as_ref()
            .map(received)
            .into_iter()
            .collect();
        let response = exchange.response.as_ref().ok_or_else(|| {
            let nobody = exchange.answered_by == AnsweredBy::Nobody;
            Error::Host(format!(
                "no answer (nobody: {nobody}); {}",
                exchange.details
            ))
        })?;
        self.upstream.extend(upstream.clone());
        Ok(Answer {
            response: Response {
                status: response.status,
                headers: fields(&response.headers),
                body: response.body.clone(),
                trailers: fields(&response.trailers),
            },
            upstream,
            marker,
            logged: Some(logged(&exchange, response.status)),
        })
    }

    fn exchange(
        &mut self,
        plugin: &str,
        protocol: Protocol,
        request: &Request,
    ) -> Result<Exchange> {
        let plugin = *self
            .plugins
            .get(plugin)
            .ok_or_else(|| Error::Fixture(format!("no plugin {plugin}")))?;
        let exchange = self.host.request(plugin, convert(protocol, request));
        self.keep_records();
        Ok(exchange)
    }

    fn keep_records(&mut self) {
        let lines = self.host.take_logs().into_iter().map(|line| line.message);
        self.records.extend(lines);
        self.records.extend(self.host.take_trace());
    }

    pub(super) fn swap(&mut self, plugin: &str, config: &str) -> Result<Update> {
        let id = *self
            .plugins
            .get(plugin)
            .ok_or_else(|| Error::Fixture(format!("no plugin {plugin}")))?;
        for roots in self.environment.values() {
            self.secrets.add_derived(roots, config);
        }
        let update = match self.host.configure(id, config) {
            Ok(()) => Update::Accepted,
            Err(refused) => Update::Refused(
                refused
                    .log
                    .iter()
                    .map(|line| format!("{}\n", line.message))
                    .collect(),
            ),
        };
        self.host.drain();
        self.keep_records();
        Ok(update)
    }

    pub(super) fn secrets(&mut self) -> &mut Secrets {
        &mut self.secrets
    }

    pub(super) fn records(&self) -> String {
        self.records.join("\n")
    }

    pub(super) fn upstream(&self) -> Vec<Received> {
        self.upstream.clone()
    }

    pub(super) fn traps(&self) -> u64 {
        self.host.traps()
    }
}

/// Every test is a test for secrets in records, and for what the filter gets away with, whatever else it is about.
impl Drop for HostGateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for received in &self.upstream {
            self.secrets.add_received(received);
        }
        self.keep_records();
        assert_eq!(self.secrets.found_in(&self.records()), Vec::<String>::new());
        let mut findings = self.host.take_diagnostics();
        findings.retain(|finding| {
            !(self.faulty && ALLOWED_UNDER_FAULTS.contains(&finding.code)
                || self.dies && finding.code == Code::Died)
        });
        assert_eq!(findings, []);
    }
}

/// Compiling takes longer than everything else, and most tests use one and the same module.
fn compiled(wasm: &Path) -> Result<Module> {
    static COMPILED: Mutex<BTreeMap<PathBuf, Module>> = Mutex::new(BTreeMap::new());
    let mut modules = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(wasm) {
        return Ok(module.clone());
    }
    let module = Module::from_file(wasm).map_err(host)?;
    modules.insert(wasm.to_owned(), module.clone());
    Ok(module)
}

/// What [`crate::upstream::Upstream`] answers.
fn echo(request: &UpstreamRequest) -> Reply {
    if let Some(protocol) = request.headers.text("upgrade") {
        return Reply::new(101)
            .header("connection", "upgrade")
            .header("upgrade", protocol);
    }
    Reply::ok()
        .header("content-type", "application/json")
        .body(echo_body(&received(request)))
}

fn logged(exchange: &Exchange, status: u16) -> Logged {
    let left = exchange.filter_state.iter().map(|(key, value)| {
        let key = key.strip_prefix("wasm.").unwrap_or(key);
        (key.to_owned(), String::from_utf8_lossy(value).into_owned())
    });
    Logged::new(status, Some(exchange.details.clone()), left.collect())
}

fn convert(protocol: Protocol, request: &Request) -> HostRequest {
    let target = request.target.clone().unwrap_or_default();
    let mut converted = if request.method == b"CONNECT" {
        HostRequest::connect(target)
    } else {
        HostRequest::new(request.method.clone(), target)
    };
    if request.method != b"CONNECT" {
        converted = match &request.authority {
            Some(authority) => converted.authority(authority.clone()),
            None => converted.without_authority(),
        };
    }
    for (name, value) in request.headers.iter() {
        converted = converted.header(name, value);
    }
    if let Some(body) = &request.body {
        // With trailers, HTTP/1.1 has no content-length.
        converted = if request.trailers.is_empty() {
            converted.body(body.clone())
        } else {
            converted.chunk(body.clone())
        };
    }
    for (name, value) in request.trailers.iter() {
        converted = converted.trailer(name, value);
    }
    match protocol {
        Protocol::Http1 => converted,
        Protocol::Http2 => converted.http2(),
    }
}

fn received(request: &UpstreamRequest) -> Received {
    let pseudo = |name: &str| request.headers.text(name).unwrap_or_default();
    Received {
        method: pseudo(":method"),
        target: pseudo(":path"),
        version: Version::HTTP_11,
        authority: request.headers.text(":authority"),
        headers: request
            .headers
            .iter()
            .filter(|(name, _)| !name.starts_with(b":"))
            .collect(),
        body: request.complete.then(|| request.body.clone()),
        trailers: fields(&request.trailers),
    }
}

fn fields(map: &HeaderMap) -> Headers {
    map.iter().collect()
}

fn host(error: impl fmt::Display) -> Error {
    Error::Host(error.to_string())
}
