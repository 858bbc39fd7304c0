//! A real Envoy with the filter in it, on loopback, configured through files only.

mod access_log;
pub(crate) mod admin;
mod bootstrap;
mod process;

pub use access_log::Logged;
pub use bootstrap::{FailurePolicy, Listener, Plugin, Upgrade};
pub use process::DRAINING;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{self, Protocol};
use crate::message::{Request, Response};
use crate::wait::until;
use crate::{Error, Result};
use process::{Process, QUIET, TRACE};

/// Requests that must all be answered by a new configuration before it counts as in force. Each comes on its own
/// connection, and Envoy's two workers share connections by hash: the chance that thirty hit one of them is 2⁻²⁹.
const PROBES: usize = 30;

/// Where the listeners come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// From the bootstrap: a refused plugin configuration ends Envoy.
    Static,
    /// From a file that Envoy watches (LDS): they can be swapped while it runs.
    Watched,
}

/// What an update of the listeners came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Update {
    /// It is in force on every worker.
    Accepted,
    /// Envoy keeps what it had; these are the lines it logged about it.
    Refused(String),
}

/// How to start an [`Envoy`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The Envoy binary.
    pub binary: PathBuf,
    /// Where requests go.
    pub upstream: SocketAddr,
    /// The listeners at the start.
    pub listeners: Vec<Listener>,
    /// Where they come from.
    pub source: Source,
    /// Environment variables of the process, beside an empty environment.
    pub environment: BTreeMap<String, String>,
    /// How many workers it has.
    pub concurrency: u32,
    /// Clusters that the filter may call, by name.
    pub clusters: BTreeMap<String, SocketAddr>,
}

/// Workers where a test has no opinion.
pub const CONCURRENCY: u32 = 2;

/// A running Envoy; killed when dropped.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    ports: BTreeMap<String, SocketAddr>,
    upstream: SocketAddr,
    listeners: Vec<Listener>,
    revision: u32,
    folder: TempDir,
}

impl Envoy {
    /// Starts Envoy and waits until its listeners take connections.
    ///
    /// # Errors
    ///
    /// [`Error::EnvoyEnded`] when Envoy refuses the configuration.
    pub async fn start(options: Options) -> Result<Self> {
        Self::start_logging(options, &TRACE).await
    }

    /// The same, and its log says nothing of each call of the filter: for what is measured.
    ///
    /// # Errors
    ///
    /// As [`Envoy::start`].
    pub async fn start_quietly(options: Options) -> Result<Self> {
        Self::start_logging(options, &QUIET).await
    }

    async fn start_logging(options: Options, log: &[&str]) -> Result<Self> {
        let folder = TempDir::with_prefix("postern-envoy-")?;
        let revision = 1;
        let paths = Paths::new(folder.path());
        let listeners: Vec<Value> = options
            .listeners
            .iter()
            .map(|listener| bootstrap::listener(listener, revision, &paths.access_log))
            .collect();
        let (fixed, watched) = match options.source {
            Source::Static => (listeners, None),
            Source::Watched => {
                bootstrap::publish(&paths.listeners, revision, &listeners)?;
                (Vec::new(), Some(paths.listeners.as_path()))
            }
        };
        let config = bootstrap::bootstrap(options.upstream, &options.clusters, &fixed, watched);
        std::fs::write(&paths.config, serde_json::to_vec_pretty(&config)?)?;
        let mut envoy = Self::run(
            &options.binary,
            folder,
            options.upstream,
            options.listeners.len(),
            &options.environment,
            options.concurrency,
            log,
        )
        .await?;
        envoy.listeners = options.listeners;
        Ok(envoy)
    }

    /// Starts Envoy with a configuration of the test's own, in YAML, and waits for so many listeners.
    ///
    /// # Errors
    ///
    /// [`Error::EnvoyEnded`] when Envoy refuses the configuration.
    pub async fn start_from_text(
        binary: &Path,
        yaml: &str,
        upstream: SocketAddr,
        listeners: usize,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let folder = TempDir::with_prefix("postern-envoy-")?;
        std::fs::write(Paths::new(folder.path()).config, yaml)?;
        Self::run(
            binary,
            folder,
            upstream,
            listeners,
            environment,
            CONCURRENCY,
            &TRACE,
        )
        .await
    }

    async fn run(
        binary: &Path,
        folder: TempDir,
        upstream: SocketAddr,
        listeners: usize,
        environment: &BTreeMap<String, String>,
        concurrency: u32,
        arguments: &[&str],
    ) -> Result<Self> {
        let config = Paths::new(folder.path()).config;
        let mut process = Process::spawn(
            binary,
            &config,
            folder.path(),
            environment,
            concurrency,
            arguments,
        )?;
        let admin = process.wait_for_admin().await?;
        let ports = until("Envoy's listeners", async || {
            process.must_run()?;
            admin::ports(admin, listeners).await
        })
        .await?;
        Ok(Self {
            process,
            admin,
            ports,
            upstream,
            listeners: Vec::new(),
            revision: 1,
            folder,
        })
    }

    /// Sends a request to a listener.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub async fn send(
        &self,
        listener: &str,
        protocol: Protocol,
        request: &Request,
    ) -> Result<Response> {
        client::send(self.address(listener)?, protocol, request).await
    }

    /// Where a listener takes connections.
    ///
    /// # Errors
    ///
    /// When there is no listener of that name.
    pub fn address(&self, listener: &str) -> Result<SocketAddr> {
        self.ports
            .get(listener)
            .copied()
            .ok_or_else(|| Error::Fixture(format!("no listener {listener}")))
    }

    /// The upstream that the listeners route to.
    pub fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    /// Replaces the listeners by writing a new file beside the watched one and renaming it over that, as Envoy's watcher
    /// needs it; returns when every worker serves them or Envoy has refused them.
    ///
    /// # Errors
    ///
    /// When neither happens, or Envoy's admin interface fails.
    pub async fn swap(&mut self, listeners: Vec<Listener>) -> Result<Update> {
        let paths = Paths::new(self.folder.path());
        let before = admin::updates(self.admin).await?;
        let log_before = self.log()?.len();
        let revision = self.revision + 1;
        let values: Vec<Value> = listeners
            .iter()
            .map(|listener| bootstrap::listener(listener, revision, &paths.access_log))
            .collect();
        bootstrap::publish(&paths.listeners, revision, &values)?;
        let accepted = until("an answer to the listener update", async || {
            self.process.must_run()?;
            let now = admin::updates(self.admin).await?;
            Ok(if now.rejected > before.rejected {
                Some(false)
            } else if now.accepted > before.accepted {
                Some(true)
            } else {
                None
            })
        })
        .await?;
        self.revision = revision;
        if !accepted {
            let log = self.log()?;
            return Ok(Update::Refused(
                log.get(log_before..).unwrap_or_default().to_owned(),
            ));
        }
        let count = listeners.len();
        self.listeners = listeners;
        self.ports = until("the new listeners' ports", async || {
            admin::ports(self.admin, count).await
        })
        .await?;
        for listener in &self.listeners {
            self.wait_in_force(&listener.name).await?;
        }
        Ok(Update::Accepted)
    }

    async fn wait_in_force(&self, listener: &str) -> Result<()> {
        let expected = bootstrap::server_name(self.revision);
        let probe = Request::get("/postern-tests/probe");
        let mut seen = 0;
        until("the new listeners on every worker", async || {
            let answer = self.send(listener, Protocol::Http1, &probe).await?;
            if answer.headers.text("server") == Some(expected.clone()) {
                seen += 1;
            } else {
                seen = 0;
            }
            Ok((seen >= PROBES).then_some(()))
        })
        .await
    }

    /// The access log's entry for the request with this marker ([`crate::upstream::MARKER`]), once it is written.
    ///
    /// # Errors
    ///
    /// When no such entry appears.
    pub async fn logged(&self, marker: &str) -> Result<Logged> {
        let path = Paths::new(self.folder.path()).access_log;
        until(&format!("the access log entry {marker}"), async || {
            access_log::find(&path, marker)
        })
        .await
    }

    /// All that Envoy has logged, the ABI trace of its Wasm runtime included.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn log(&self) -> Result<String> {
        self.process.log()
    }

    /// The id of the process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The access log as it stands.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn access_log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(Paths::new(self.folder.path()).access_log).unwrap_or_default())
    }

    /// A page of the admin interface, such as `/config_dump`.
    ///
    /// # Errors
    ///
    /// When Envoy does not answer it with 200.
    pub async fn admin_page(&self, path: &str) -> Result<String> {
        admin::page(self.admin, path).await
    }

    /// The value of one of Envoy's counters or gauges; zero when there is none of that name.
    ///
    /// # Errors
    ///
    /// When Envoy's admin interface fails.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        admin::stat(self.admin, name).await
    }
}

/// Starts an Envoy that is expected to refuse its configuration; its exit code and its log.
///
/// # Errors
///
/// When it does not end.
pub async fn start_refused(options: Options) -> Result<(Option<i32>, String)> {
    let folder = TempDir::with_prefix("postern-envoy-")?;
    let paths = Paths::new(folder.path());
    let listeners: Vec<Value> = options
        .listeners
        .iter()
        .map(|listener| bootstrap::listener(listener, 1, &paths.access_log))
        .collect();
    let config = bootstrap::bootstrap(options.upstream, &options.clusters, &listeners, None);
    std::fs::write(&paths.config, serde_json::to_vec_pretty(&config)?)?;
    run_to_end(&options.binary, &folder, &options.environment, &TRACE).await
}

/// Has Envoy check a configuration in YAML without running it; its exit code and its log.
///
/// # Errors
///
/// When it does not end.
pub async fn validate(
    binary: &Path,
    yaml: &str,
    environment: &BTreeMap<String, String>,
) -> Result<(Option<i32>, String)> {
    let folder = TempDir::with_prefix("postern-envoy-")?;
    std::fs::write(Paths::new(folder.path()).config, yaml)?;
    run_to_end(
        binary,
        &folder,
        environment,
        &["--mode", "validate", "--log-level", "info"],
    )
    .await
}

async fn run_to_end(
    binary: &Path,
    folder: &TempDir,
    environment: &BTreeMap<String, String>,
    arguments: &[&str],
) -> Result<(Option<i32>, String)> {
    let config = Paths::new(folder.path()).config;
    let mut process = Process::spawn(
        binary,
        &config,
        folder.path(),
        environment,
        CONCURRENCY,
        arguments,
    )?;
    let status = until("Envoy's end", async || process.ended()).await?;
    Ok((status.code(), process.log()?))
}

/// The files of one Envoy.
struct Paths {
    config: PathBuf,
    listeners: PathBuf,
    access_log: PathBuf,
}

impl Paths {
    fn new(folder: &Path) -> Self {
        Self {
            // YAML, which JSON is too.
            config: folder.join("bootstrap.yaml"),
            listeners: folder.join("listeners.json"),
            access_log: folder.join("access.log"),
        }
    }
}
