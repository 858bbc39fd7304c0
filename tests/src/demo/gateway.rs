//! The gateway that the demo starts: the test host as a process of its own, or Envoy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{Arguments, Which};
use crate::envoy::{Envoy, FailurePolicy, Listener, Options, Plugin, Source, Update, Upgrade};
use crate::fixture::ROOT_KEY_ENV;
use crate::{Error, Result};

/// The name of Envoy's listener.
const LISTENER: &str = "gateway";

/// How long the test host may take to compile the filter or to load a policy, even where it is built without
/// optimisation.
const PATIENCE: Duration = Duration::from_secs(60);

/// A started gateway; it ends with this value.
pub(super) enum Gateway {
    Host(Box<SpawnedHost>),
    Envoy(Box<Envoy>, Box<Listener>),
}

impl Gateway {
    /// Starts the gateway with a configuration that it must accept.
    pub(super) async fn start(
        arguments: &Arguments,
        folder: &Path,
        upstream: SocketAddr,
        root_key: &str,
        config: &str,
    ) -> Result<Self> {
        match arguments.gateway {
            Which::Host => {
                let binary = chosen(arguments.host_bin.as_deref(), "--host-bin")?;
                let host =
                    SpawnedHost::start(binary, &arguments.wasm, folder, upstream, root_key, config)
                        .await?;
                Ok(Self::Host(Box::new(host)))
            }
            Which::Envoy => {
                let listener = Listener {
                    name: LISTENER.to_owned(),
                    plugin: Some(Plugin {
                        wasm: std::path::absolute(&arguments.wasm)?,
                        configuration: config.to_owned(),
                        vm_id: "postern".to_owned(),
                        host_env_keys: vec![ROOT_KEY_ENV.to_owned()],
                        failure_policy: FailurePolicy::Reload,
                        allow_on_headers_stop_iteration: false,
                        denied_host_calls: Vec::new(),
                    }),
                    normalize: true,
                    upgrade: Upgrade::WebSocketAndConnect,
                    follow_redirects: false,
                };
                keep_config(folder, config)?;
                let envoy = Envoy::start(Options {
                    binary: chosen(arguments.envoy.as_deref(), "--envoy")?.to_owned(),
                    upstream,
                    listeners: vec![listener.clone()],
                    source: Source::Watched,
                    environment: BTreeMap::from([(ROOT_KEY_ENV.to_owned(), root_key.to_owned())]),
                    concurrency: crate::envoy::CONCURRENCY,
                    clusters: std::collections::BTreeMap::new(),
                })
                .await?;
                Ok(Self::Envoy(Box::new(envoy), Box::new(listener)))
            }
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Host(_) => "postern-host",
            Self::Envoy(..) => "Envoy",
        }
    }

    pub(super) fn address(&self) -> Result<SocketAddr> {
        match self {
            Self::Host(host) => Ok(host.address),
            Self::Envoy(envoy, _) => envoy.address(LISTENER),
        }
    }

    /// Swaps the configuration while the gateway runs.
    pub(super) async fn load(&mut self, folder: &Path, config: &str) -> Result<()> {
        match self {
            Self::Host(host) => host.load(config).await,
            Self::Envoy(envoy, listener) => {
                keep_config(folder, config)?;
                if let Some(plugin) = &mut listener.plugin {
                    config.clone_into(&mut plugin.configuration);
                }
                match envoy.swap(vec![(**listener).clone()]).await? {
                    Update::Accepted => Ok(()),
                    Update::Refused(log) => {
                        Err(Error::Fixture(format!("Envoy refused the policy: {log}")))
                    }
                }
            }
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
    async fn start(
        binary: &Path,
        wasm: &Path,
        folder: &Path,
        upstream: SocketAddr,
        root_key: &str,
        config: &str,
    ) -> Result<Self> {
        let log = std::fs::File::create(folder.join("host.log"))?;
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--wasm")
            .arg(wasm)
            .arg("--config")
            .arg(keep_config(folder, config)?)
            .args(["--listen", "127.0.0.1:0"])
            .args(["--upstream", &format!("http://{upstream}")])
            .args([
                "--vm-id",
                "postern",
                "--env",
                ROOT_KEY_ENV,
                "--failure-policy",
                "fail-reload",
            ])
            .env(ROOT_KEY_ENV, root_key)
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

    async fn load(&mut self, config: &str) -> Result<()> {
        keep_config(&self.folder, config)?;
        self.wait_for("configuration accepted").await.map(drop)
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
