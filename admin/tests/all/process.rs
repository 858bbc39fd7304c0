//! The service as a process of its own, so that it can be killed.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::command::succeed;

/// A service that runs.
pub(crate) struct Process {
    pub(crate) client: Client,
    pub(crate) address: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it on the database in a folder.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_postern-admin"));
        let with_key = [&["--head-key", "head.key"], arguments].concat();
        Self::spawn(command, folder, &with_key).await
    }

    /// As [`start`](Self::start), with the keys that sign heads in the environment.
    pub(crate) async fn start_with_keys(folder: &Path, keys: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern-admin"));
        command.env("POSTERN_HEAD_KEY", keys);
        Self::spawn(command, folder, &[]).await
    }

    /// As [`start`](Self::start), with a limit on the length of files, which can be lifted later.
    pub(crate) async fn start_with_file_limit(folder: &Path, kib: u32) -> Self {
        let mut command = Command::new("bash");
        // Beyond the limit a write fails, as on a disk that is full, if the signal for it is ignored.
        let script = format!("trap '' XFSZ; ulimit -S -f {kib}; exec \"$0\" \"$@\"");
        command
            .args(["-c", &script])
            .arg(env!("CARGO_BIN_EXE_postern-admin"));
        Self::spawn(command, folder, &["--head-key", "head.key"]).await
    }

    async fn spawn(mut command: Command, folder: &Path, arguments: &[&str]) -> Self {
        if !folder.join("head.key").exists() {
            succeed(folder, &["head-key", "new", "head.key"]);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(folder)
            .env_remove("POSTERN_DATABASE")
            .env("NO_COLOR", "1")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let address = loop {
            let line = lines.next_line().await.expect("readable");
            let line = line.unwrap_or_else(|| panic!("it ended at its start: {log:?}"));
            let address = line.split_once("address=").map(|(_, rest)| {
                let end = rest.find(' ').unwrap_or(rest.len());
                rest[..end].to_owned()
            });
            log.lock().expect("no panic").push(line);
            if let Some(address) = address {
                break address;
            }
        };
        let written = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                written.lock().expect("no panic").push(line);
            }
        });
        Self {
            client: Client::new(&address),
            address,
            child,
            log,
        }
    }

    /// Lifts the limit on the length of files.
    pub(crate) fn lift_file_limit(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("prlimit")
            .args(["--pid", &id, "--fsize=unlimited"])
            .status()
            .expect("prlimit of util-linux");
        assert!(status.success());
    }

    /// Whether the log has a line with these words.
    pub(crate) fn has_logged(&self, words: &str) -> bool {
        let log = self.log.lock().expect("no panic");
        log.iter().any(|line| line.contains(words))
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }
}
