//! The host behind a real HTTP front, so that `curl` works.
//!
//! HTTP/1.1 and HTTP/2 with prior knowledge come in; requests that the filter lets through go to one upstream over HTTP/1.1,
//! each on a connection of its own. Clocks and randomness are the machine's.
//!
//! Over HTTP/1.1 the front and the filter judge the bytes that the client sent, in their order. The body goes to the filter as
//! it arrives.
//!
//! Where it is not Envoy:
//!
//! - The upstream gets a request only when it is whole, and the client a response. Bodies have at most [`MAX_BODY`] bytes each
//!   way.
//! - What is sent on an upgraded connection does not go through the filter's body callbacks.
//! - Trailers of a response over HTTP/1.1 come with a `trailer` header that names them, and those that RFC 9110 forbids are
//!   dropped.
//! - Over HTTP/2 the library judges the request first: it drops a fragment, and resets a stream whose target or headers are no
//!   HTTP to it (such as `<` in a path).

mod chunks;
mod client;
mod convert;
mod gateway;
mod head;
mod reload;
mod upstream;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Uri;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::builder::FailurePolicy;
use crate::host::Host;
use crate::module::{LoadError, Module};
use crate::plugins::ConfigRefused;
use crate::status::LogLevel;

use client::{ClientStream, Heads};
use gateway::Gateway;

/// The largest body of a request or a response, in bytes. A larger request gets a 413, a larger response a 502.
pub const MAX_BODY: usize = 1024 * 1024;

/// How long open requests may still run after a signal to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often ticks are looked for at least.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What to serve, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The module.
    pub wasm: PathBuf,
    /// The plugin configuration; watched for changes.
    pub config: PathBuf,
    /// The VM configuration.
    pub vm_config: Option<PathBuf>,
    /// Where to listen; port 0 for any free port.
    pub listen: SocketAddr,
    /// Where requests go that the filter lets through: `http://host:port`.
    pub upstream: String,
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
    /// See [`crate::HostBuilder::allow_on_headers_stop_iteration`].
    pub allow_on_headers_stop_iteration: bool,
    /// Whether trailers of HTTP/1.1 pass.
    pub trailers: bool,
    /// The upgrades that are let in; see [`crate::HostBuilder::upgrade_types`].
    pub upgrade: Vec<String>,
    /// Guest log lines below this are dropped.
    pub log_level: LogLevel,
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

/// Serves until SIGTERM or SIGINT. `listening on …` goes to standard output, and a line for each change of the configuration;
/// the guest's log lines go to standard error.
pub fn run(options: &Options) -> Result<(), ServeError> {
    let upstream = parse_upstream(&options.upstream)?;
    let configuration = read(&options.config)?;
    let mut host = build_host(options)?;
    let plugin = host.add_plugin(&configuration)?;
    let host = Arc::new(Mutex::new(host));
    let runtime = tokio::runtime::Runtime::new().map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(options.listen)
                .await
                .map_err(|source| ServeError::Listen {
                    address: options.listen,
                    source,
                })?;
        let address = listener.local_addr().map_err(ServeError::Runtime)?;
        // Whoever reads the announcement may stop the command at once.
        let signals = Signals::catch().map_err(ServeError::Runtime)?;
        announce(options, address)?;
        tokio::spawn(poll(Arc::clone(&host)));
        tokio::spawn(reload::watch(
            Arc::clone(&host),
            plugin,
            options.config.clone(),
            configuration,
        ));
        accept(
            listener,
            Arc::new(Gateway::new(host, plugin, upstream)),
            signals,
        )
        .await;
        Ok(())
    })
}

fn build_host(options: &Options) -> Result<Host, ServeError> {
    let module = Module::from_file(&options.wasm).map_err(|source| ServeError::Module {
        path: options.wasm.clone(),
        source,
    })?;
    let vm_configuration = options
        .vm_config
        .as_ref()
        .map_or_else(|| Ok(Vec::new()), read)?;
    let mut builder = Host::builder(&module)
        .vm_id(&options.vm_id)
        .plugin_name(&options.plugin_name)
        .root_id(&options.root_id)
        .vm_configuration(vm_configuration)
        .workers(options.workers)
        .failure_policy(options.failure_policy)
        .allow_on_headers_stop_iteration(options.allow_on_headers_stop_iteration)
        .trailers(options.trailers)
        .log_level(options.log_level)
        .trace(options.trace)
        .upgrade_types(&options.upgrade)
        .real_clock()
        .real_entropy()
        .manual_upstream()
        .on_log(|line| eprintln!("[{}] {}", line.level, line.message))
        .on_trace(|line| eprintln!("[trace] {line}"));
    for name in &options.env {
        match std::env::var(name) {
            Ok(value) => builder = builder.environment(name, value),
            // Envoy leaves such a key out as well; the value is never shown.
            Err(_) => eprintln!(
                "[warning] the environment has no variable `{name}`, so the guest does not see it"
            ),
        }
    }
    Ok(builder.build())
}

fn announce(options: &Options, address: SocketAddr) -> Result<(), ServeError> {
    let url = format!("http://{address}");
    if let Some(path) = &options.ready_file {
        write_whole(path, &format!("{url}\n")).map_err(|source| ServeError::File {
            path: path.clone(),
            source,
        })?;
    }
    say(&format!("listening on {url}"));
    Ok(())
}

/// Writes a file that others wait for: it is there with all its contents, or not at all.
fn write_whole(path: &Path, contents: &str) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    std::fs::write(&draft, contents)?;
    std::fs::rename(&draft, path)
}

async fn accept(listener: TcpListener, gateway: Arc<Gateway>, signals: Signals) {
    let Signals {
        mut terminate,
        mut interrupt,
    } = signals;
    let server = Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: wait for connections to end instead of spinning.
                    eprintln!("[warning] a connection was not accepted: {error}");
                    tokio::time::sleep(POLL_INTERVAL).await;
                    continue;
                }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        let gateway = Arc::clone(&gateway);
        let heads = Heads::default();
        let stream = ClientStream::new(stream, heads.clone());
        let service = service_fn(move |request| {
            let (gateway, heads) = (Arc::clone(&gateway), heads.clone());
            async move { gateway.serve(request, &heads, peer).await }
        });
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            // A client that breaks off or talks nonsense is its own affair, and the library has told it.
            let _ended = connection.await;
        });
    }
    drop(listener);
    // Idle connections end at once, busy ones when their request is done or the time is up.
    let _all_ended = tokio::time::timeout(GRACE, connections.shutdown()).await;
}

/// The signals that end the command.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self {
            terminate,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Lets ticks fire when they are due.
async fn poll(host: Arc<Mutex<Host>>) {
    loop {
        let host = Arc::clone(&host);
        let next = tokio::task::spawn_blocking(move || lock(&host).poll()).await;
        let wait = next
            .ok()
            .flatten()
            .map_or(POLL_INTERVAL, |wait| wait.min(POLL_INTERVAL));
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
    }
}

/// One lock for the whole host: simple and correct, and the callbacks behind it take microseconds.
fn lock(host: &Mutex<Host>) -> std::sync::MutexGuard<'_, Host> {
    host.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Writes a line for whoever started the command. That nobody reads it any more is no reason to stop.
fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stdout(), "{line}");
}

fn parse_upstream(url: &str) -> Result<Uri, ServeError> {
    let uri: Uri = url
        .parse()
        .map_err(|_| ServeError::Upstream(url.to_owned()))?;
    let plain = uri.scheme_str() == Some("http")
        && uri.authority().is_some()
        && matches!(uri.path(), "" | "/");
    if plain {
        Ok(uri)
    } else {
        Err(ServeError::Upstream(url.to_owned()))
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|source| ServeError::File {
        path: path.clone(),
        source,
    })
}
