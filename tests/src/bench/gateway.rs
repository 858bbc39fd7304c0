//! The Envoy that all contestants stand in: one process, one worker, bound to one CPU, one listener for each filter chain.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::contestants::{Chain, Contestant, Modules, Parts, Values, chain};
use super::cpu::{Cpus, Spent};
use super::population::{Population, Size};
use crate::envoy::admin;
use crate::fixture::ROOT_KEY_ENV;
use crate::wait::until;
use crate::{Error, Result};

/// How much of the log an error shows.
const TAIL: usize = 3000;

/// What the router answers when a filter lets a request go on.
const BODY: &str = "ok\n";

/// A running Envoy; killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    log: PathBuf,
    ports: BTreeMap<String, SocketAddr>,
}

/// What an Envoy is started with.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The Envoy binary.
    pub binary: &'a Path,
    /// The filters that are WebAssembly.
    pub modules: &'a Modules,
    /// The policies, by size.
    pub populations: &'a BTreeMap<Size, Population>,
    /// Where Envoy runs.
    pub cpus: Cpus,
    /// Where its configuration and log are left for readers of the results.
    pub folder: &'a Path,
}

impl Gateway {
    /// Starts Envoy with the chains of these contestants and waits until all take connections.
    ///
    /// # Errors
    ///
    /// When Envoy refuses the configuration; its log says why.
    pub async fn start(setup: &Setup<'_>, contestants: &[&Contestant]) -> Result<Self> {
        let mut chains: Vec<&Chain> = Vec::new();
        for contestant in contestants {
            let chain = chain(contestant)?;
            if !chains.iter().any(|other| other.name == chain.name) {
                chains.push(chain);
            }
        }
        let (config, listeners) = configuration(setup, &chains)?;
        let file = setup.folder.join("envoy.json");
        std::fs::write(&file, serde_json::to_vec_pretty(&config)?)?;
        let mut gateway = Self::spawn(setup, &file)?;
        let address_file = setup.folder.join("admin.address");
        let admin = until("Envoy's admin address", async || {
            gateway.must_run()?;
            let text = std::fs::read_to_string(&address_file).unwrap_or_default();
            Ok(text.trim().parse().ok())
        })
        .await?;
        gateway.ports = until("Envoy's listeners", async || {
            gateway.must_run()?;
            admin::ports(admin, listeners).await
        })
        .await?;
        Ok(gateway)
    }

    fn spawn(setup: &Setup<'_>, config: &Path) -> Result<Self> {
        let log = setup.folder.join("envoy.log");
        let address_file = setup.folder.join("admin.address");
        match std::fs::remove_file(&address_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let output = File::create(&log)?;
        let root_key = setup.populations.values().next().map(Population::root_key);
        let child = setup
            .cpus
            .envoy_command(setup.binary)
            .arg("--config-path")
            .arg(config)
            .arg("--admin-address-path")
            .arg(&address_file)
            .args(["--concurrency", "1"])
            .args(["--log-level", "warning"])
            .arg("--disable-hot-restart")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(root_key.map(|key| (ROOT_KEY_ENV, key)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self {
            child,
            log,
            ports: BTreeMap::new(),
        })
    }

    /// The listener of a contestant.
    ///
    /// # Errors
    ///
    /// When Envoy was started without it.
    pub fn address(&self, contestant: &Contestant) -> Result<SocketAddr> {
        self.ports
            .get(contestant.chain)
            .copied()
            .ok_or_else(|| Error::Fixture(format!("no listener {}", contestant.chain)))
    }

    /// The CPU time of the whole process so far.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn spent(&self) -> Result<Spent> {
        Spent::of(self.child.id())
    }

    /// Memory in use, in bytes.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kibibytes: Option<u64> = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        Ok(kibibytes.unwrap_or_default() * 1024)
    }

    /// An error with the end of the log if Envoy is gone.
    ///
    /// # Errors
    ///
    /// [`Error::EnvoyEnded`].
    pub fn must_run(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let log = String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned();
        let start = log.floor_char_boundary(log.len().saturating_sub(TAIL));
        Err(Error::EnvoyEnded {
            status: status.to_string(),
            log: self.log.clone(),
            tail: log.get(start..).unwrap_or_default().to_owned(),
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bootstrap, and how many listeners it has.
fn configuration(setup: &Setup<'_>, chains: &[&Chain]) -> Result<(Value, usize)> {
    let port = free_port()?;
    let (mut listeners, mut clusters) = (Vec::new(), Vec::new());
    for chain in chains {
        let population = setup
            .populations
            .get(&chain.size)
            .ok_or_else(|| Error::Fixture(format!("no policy for {}", chain.name)))?;
        let values = Values::new(chain, population, setup.modules, port)?;
        let parts = chain.fill(&values)?;
        listeners.push(listener(chain.name, &parts));
        listeners.extend(parts.listeners);
        clusters.extend(parts.clusters);
    }
    let count = listeners.len();
    let config = json!({
        "node": { "id": "postern-bench", "cluster": "postern-bench" },
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    });
    Ok((config, count))
}

/// The same for all but for the filters.
fn listener(name: &str, parts: &Parts) -> Value {
    let mut filters = parts.http_filters.clone();
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    }));
    let route = json!({
        "match": { "prefix": "/" },
        "direct_response": { "status": 200, "body": { "inline_string": BODY } },
    });
    json!({
        "name": name,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
                "http_filters": filters,
            },
        }] }],
    })
}

/// A port that was free a moment ago. A cluster's address stands in the configuration before its listener has one; if
/// something else takes the port meanwhile, Envoy does not start, and says so.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
