//! What the command can be told, and why it may not start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;

use crate::LoadOptions;
use crate::builder::FailurePolicy;
use crate::diagnostics::Allowance;
use crate::module::LoadError;
use crate::plugins::ConfigRefused;
use crate::status::LogLevel;

/// What to serve, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The module.
    pub wasm: PathBuf,
    /// How it is loaded: the host to behave as, and what to make of an extended ABI version.
    pub load: LoadOptions,
    /// The plugin configuration; empty without a file. The file is watched for changes.
    pub config: Option<PathBuf>,
    /// The VM configuration.
    pub vm_config: Option<PathBuf>,
    /// Where to listen; port 0 for any free port.
    pub listen: SocketAddr,
    /// Where requests go that the filter lets through: `http://host:port`.
    pub upstream: String,
    /// Clusters that the guest can call, each `name=http://host:port`.
    pub clusters: Vec<String>,
    /// How long the upstream may take from the end of a request to the end of its response; zero for as long as it likes.
    pub upstream_timeout: Duration,
    /// How long open requests may still run after a signal to stop.
    pub grace: Duration,
    /// The bytes of a body that the filter may hold back; see [`crate::HostBuilder::buffer_limit`].
    pub buffer_limit: usize,
    /// Environment variables of this process that the guest may see.
    pub env: Vec<String>,
    /// The `vm_id`.
    pub vm_id: String,
    /// The plugin's name.
    pub plugin_name: String,
    /// The plugin's `root_id`.
    pub root_id: String,
    /// The number of worker VMs.
    pub workers: usize,
    /// What becomes of requests when a VM has died.
    pub failure_policy: FailurePolicy,
    /// How long one callback may run; see [`crate::HostBuilder::callback_time_limit`]. Zero for as long as its fuel lasts.
    pub callback_time_limit: Duration,
    /// See [`crate::HostBuilder::allow_on_headers_stop_iteration`].
    pub allow_on_headers_stop_iteration: bool,
    /// Whether trailers of HTTP/1.1 pass.
    pub trailers: bool,
    /// The upgrades that are let in; see [`crate::HostBuilder::upgrade_types`].
    pub upgrade: Vec<String>,
    /// Guest log lines below this are dropped.
    pub log_level: LogLevel,
    /// Where the admin pages are; nowhere without this.
    pub admin: Option<SocketAddr>,
    /// How many of the last requests the admin pages show with their traces.
    pub kept_traces: usize,
    /// Whether the guest is watched for what it gets away with.
    pub diagnose: bool,
    /// Findings about the guest that are left out.
    pub allow: Vec<Allowance>,
    /// Whether every crossing of the boundary goes to standard error.
    pub trace: bool,
    /// A file to write the URL to once the front listens.
    pub ready_file: Option<PathBuf>,
}

/// Why the host cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The module is no good.
    #[error("{path}: {source}", path = path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LoadError,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The guest refuses the configuration.
    #[error("configuration refused: {0}")]
    Refused(#[from] ConfigRefused),
    /// The upstream is no URL that requests can be sent to.
    #[error("`{0}` is no upstream: it has to be http://host:port")]
    Upstream(String),
    /// A cluster is not given as it should be.
    #[error("`{0}` is no cluster: it has to be NAME=http://host:port")]
    Cluster(String),
    /// The front cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it should.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The process cannot do asynchronous work or receive signals.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

/// The address of a peer: `http://host:port`.
pub(super) fn parse_peer(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let plain = uri.scheme_str() == Some("http")
        && uri.authority().is_some()
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none();
    plain.then_some(uri)
}

/// A cluster: `NAME=http://host:port`.
pub(super) fn parse_cluster(text: &str) -> Result<(String, Uri), ServeError> {
    let refused = || ServeError::Cluster(text.to_owned());
    let (name, url) = text.split_once('=').ok_or_else(refused)?;
    if name.is_empty() {
        return Err(refused());
    }
    Ok((name.to_owned(), parse_peer(url).ok_or_else(refused)?))
}
