//! The gateway that the demo starts: the test host as a process of its own, or Envoy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::registry::CLUSTER;
use super::{Arguments, Which};
use crate::envoy::{Envoy, FailurePolicy, Listener, Options, Plugin, Source, Upgrade};
use crate::{Error, Result};

/// The name of Envoy's listener.
const LISTENER: &str = "gateway";

/// Under which the workers share what one of them reads.
const VM_ID: &str = "postern";

/// How long the test host may take to compile the filter even where it is built without
/// optimisation.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a gateway is started with, whichever it is.
pub(super) struct Settings<'a> {
    /// The folder for its files.
    pub(super) folder: &'a Path,
    /// Where requests go that it lets through.
    pub(super) upstream: SocketAddr,
    /// Where its policy comes from.
    pub(super) admin: SocketAddr,
    /// The secrets: a root key and the gateway's credential. They go into its environment, and nowhere else.
    pub(super) environment: BTreeMap<String, String>,
    /// The plugin's configuration, which it must accept.
    pub(super) config: &'a str,
}

/// A started gateway; it ends with this value.
pub(super) enum Gateway {
    Host(Box<SpawnedHost>),
    Envoy(Box<Envoy>),
}

impl Gateway {
    /// Starts the gateway.
    pub(super) async fn start(arguments: &Arguments, settings: Settings<'_>) -> Result<Self> {
        match arguments.gateway {
            Which::Host => {
                let binary = chosen(arguments.host_bin.as_deref(), "--host-bin")?;
                let host = SpawnedHost::start(binary, &arguments.wasm, &settings).await?;
                Ok(Self::Host(Box::new(host)))
            }
            Which::Envoy => {
                let listener = Listener {
                    name: LISTENER.to_owned(),
                    plugin: Some(Plugin {
                        wasm: std::path::absolute(&arguments.wasm)?,
                        configuration: settings.config.to_owned(),
                        vm_id: VM_ID.to_owned(),
                        host_env_keys: settings.environment.keys().cloned().collect(),
                        failure_policy: FailurePolicy::Reload,
                        allow_on_headers_stop_iteration: false,
                        denied_host_calls: Vec::new(),
                    }),
                    normalize: true,
                    upgrade: Upgrade::WebSocketAndConnect,
                    follow_redirects: false,
                };
                keep_config(settings.folder, settings.config)?;
                let envoy = Envoy::start(Options {
                    binary: chosen(arguments.envoy.as_deref(), "--envoy")?.to_owned(),
                    upstream: settings.upstream,
                    listeners: vec![listener],
                    source: Source::Static,
                    environment: settings.environment,
                    concurrency: crate::envoy::CONCURRENCY,
                    clusters: BTreeMap::from([(CLUSTER.to_owned(), settings.admin)]),
                })
                .await?;
                Ok(Self::Envoy(Box::new(envoy)))
            }
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Host(_) => "postern-host",
            Self::Envoy(_) => "Envoy",
        }
    }

    pub(super) fn address(&self) -> Result<SocketAddr> {
        match self {
            Self::Host(host) => Ok(host.address),
            Self::Envoy(envoy) => envoy.address(LISTENER),
        }
    }
}

fn chosen<'a>(path: Option<&'a Path>, option: &str) -> Result<&'a Path> {
    path.ok_or_else(|| Error::Fixture(format!("{option} is needed")))
}

/// Writes the plugin configuration where a reader can look at it, and the test host reads it.
fn keep_config(folder: &Path, config: &str) -> Result<PathBuf> {
    let path = folder.join("config.json");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, config.as_bytes())?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}

/// `postern-host serve` as a process.
pub(super) struct SpawnedHost {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
    address: SocketAddr,
}

impl SpawnedHost {
    async fn start(binary: &Path, wasm: &Path, settings: &Settings<'_>) -> Result<Self> {
        let folder = settings.folder;
        let log = std::fs::File::create(folder.join("host.log"))?;
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--wasm")
            .arg(wasm)
            .arg("--config")
            .arg(keep_config(folder, settings.config)?)
            .args(["--listen", "127.0.0.1:0"])
            .args(["--upstream", &format!("http://{}", settings.upstream)])
            .args(["--cluster", &format!("{CLUSTER}=http://{}", settings.admin)])
            .args(["--vm-id", VM_ID])
            .args(["--workers", &crate::envoy::CONCURRENCY.to_string()])
            .args(["--failure-policy", "fail-reload"]);
        for (name, value) in &settings.environment {
            command.args(["--env", name]).env(name, value);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Error::Host("it has no standard output".to_owned()))?;
        let mut host = Self {
            child,
            lines: BufReader::new(output).lines(),
            folder: folder.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let line = host.wait_for("listening on http://").await?;
        host.address = line
            .parse()
            .map_err(|_| Error::Host(format!("{line} is no address")))?;
        Ok(host)
    }

    /// The rest of the next line that begins so.
    async fn wait_for(&mut self, start: &str) -> Result<String> {
        let waiting = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(start) {
                    return Ok(rest.trim().to_owned());
                }
                if line.starts_with("configuration refused") {
                    return Err(Error::Host(line));
                }
            }
            let log = self.folder.join("host.log");
            let status = self.child.wait().await?;
            Err(Error::Host(format!(
                "it ended with {status}; its log is {}",
                log.display()
            )))
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| {
                Err(Error::Late {
                    what: format!("the test host's {start:?}"),
                    seconds: PATIENCE.as_secs(),
                })
            })
    }
}
