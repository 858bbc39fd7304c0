//! Changes of the module and of its configuration while the host serves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::hosts::Hosts;
use super::running::Running;
use super::say;
use super::worker::Worker;

/// How often the files are read.
const INTERVAL: Duration = Duration::from_millis(200);

/// The workers, and where what they run has its events.
type Workers = Vec<(Arc<Worker>, Handle)>;

/// A file that may change. Contents that are new, and the same twice in a row, are a change: a file that is still being written
/// is left alone.
struct Watched {
    path: PathBuf,
    last_seen: Vec<u8>,
    /// What was tried last, whether it was accepted or not.
    tried: Vec<u8>,
}

impl Watched {
    fn new(path: PathBuf, contents: &[u8]) -> Self {
        Self {
            path,
            last_seen: contents.to_vec(),
            tried: contents.to_vec(),
        }
    }

    fn changed(&mut self) -> Option<Vec<u8>> {
        // A file that is just being replaced may be missing for a moment.
        let contents = std::fs::read(&self.path).ok()?;
        let settled = contents == self.last_seen;
        self.last_seen = contents;
        if !settled || self.last_seen == self.tried {
            return None;
        }
        self.tried.clone_from(&self.last_seen);
        Some(self.tried.clone())
    }
}

/// Reads the files again and again, and has the workers run what they say. What is refused changes nothing.
pub(super) async fn watch(mut hosts: Hosts, workers: Workers) {
    let mut wasm = Watched::new(hosts.wasm_path(), &hosts.wasm);
    let path = hosts.configuration_path();
    let mut configuration = path.map(|path| Watched::new(path, &hosts.configuration));
    loop {
        tokio::time::sleep(INTERVAL).await;
        let code = wasm.changed();
        let contents = configuration.as_mut().and_then(Watched::changed);
        if code.is_none() && contents.is_none() {
            continue;
        }
        let workers = workers.clone();
        // Compiling and trying out take their time; connections are accepted meanwhile.
        let changed = tokio::task::spawn_blocking(move || {
            match code {
                Some(code) => change_module(&mut hosts, code, contents, &workers),
                None => change_configuration(&mut hosts, contents.unwrap_or_default(), &workers),
            }
            hosts
        });
        match changed.await {
            Ok(unchanged) => hosts = unchanged,
            Err(error) => {
                eprintln!("[error] files are not watched any more: {error}");
                return;
            }
        }
    }
}

fn change_configuration(hosts: &mut Hosts, contents: Vec<u8>, workers: &Workers) {
    for (index, (worker, _)) in workers.iter().enumerate() {
        if let Err(refused) = worker.running().configure(&contents) {
            // No worker serves what another one refuses. They have all accepted the old one before.
            for (worker, _) in workers.iter().take(index) {
                if let Err(refused) = worker.running().configure(&hosts.configuration) {
                    eprintln!("[error] a worker does not go back to its configuration: {refused}");
                }
            }
            let reason = match refused.log.is_empty() {
                true => refused.to_string(),
                false => refused.last_message().to_owned(),
            };
            say(&format!("configuration refused: {reason}"));
            eprintln!("[error] configuration refused, the old one stays: {reason}");
            return;
        }
    }
    hosts.configuration = contents;
    say("configuration accepted");
}

/// A new module starts in new VMs, with the configuration as it is now.
fn change_module(
    hosts: &mut Hosts,
    code: Vec<u8>,
    configuration: Option<Vec<u8>>,
    workers: &Workers,
) {
    let configuration = configuration.unwrap_or_else(|| hosts.configuration.clone());
    match hosts.start(&code, &configuration) {
        Ok(started) => {
            (hosts.wasm, hosts.configuration) = (code, configuration);
            for ((worker, events), (host, plugin)) in workers.iter().zip(started) {
                let clusters = Arc::clone(&hosts.clusters);
                worker.replace(Running::new(host, plugin, clusters, events.clone()));
            }
            say("module accepted");
        }
        Err(refused) => {
            let refused = refused.to_string();
            let first = refused.lines().next().unwrap_or_default();
            say(&format!("module refused: {first}"));
            eprintln!("[error] module refused, the old one stays: {refused}");
        }
    }
}
