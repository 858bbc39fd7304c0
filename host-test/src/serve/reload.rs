//! Configuration changes while the host serves.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::host::Host;
use crate::plugins::PluginId;

use super::{lock, say};

/// How often the file is read.
const INTERVAL: Duration = Duration::from_millis(200);

/// Reads the file again and again. Contents that are new, and the same twice in a row, become the plugin's configuration: a
/// file that is still being written is left alone.
pub(super) async fn watch(
    host: Arc<Mutex<Host>>,
    plugin: PluginId,
    path: PathBuf,
    mut current: Vec<u8>,
) {
    let mut last_seen = current.clone();
    loop {
        tokio::time::sleep(INTERVAL).await;
        // A file that is just being replaced may be missing for a moment.
        let Ok(contents) = std::fs::read(&path) else {
            continue;
        };
        let settled = contents == last_seen;
        last_seen = contents;
        if settled && last_seen != current {
            current.clone_from(&last_seen);
            let (host, configuration) = (Arc::clone(&host), current.clone());
            let changed =
                tokio::task::spawn_blocking(move || change(&host, plugin, &configuration)).await;
            if let Err(error) = changed {
                eprintln!("[error] the configuration was not changed: {error}");
            }
        }
    }
}

fn change(host: &Mutex<Host>, plugin: PluginId, configuration: &[u8]) {
    let mut host = lock(host);
    match host.configure(plugin, configuration) {
        Ok(()) => {
            say("configuration accepted");
            host.drain();
        }
        Err(refused) if refused.log.is_empty() => say(&format!("configuration refused: {refused}")),
        Err(refused) => say(&format!(
            "configuration refused: {}",
            refused.last_message()
        )),
    }
}
