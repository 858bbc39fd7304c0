//! The Envoy process: started with a log file and an environment of its own, killed by its handle.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::wait::until;
use crate::{Error, Result};

/// How soon an old configuration lets go of its open connections: as the sample recommends, which a test holds it to.
pub const DRAINING: [&str; 4] = ["--drain-time-s", "5", "--drain-strategy", "immediate"];

/// What Envoy logs unless it is measured. `debug` would log request headers, tokens included; the Wasm trace names calls
/// and sizes only.
pub(super) const TRACE: [&str; 4] = ["--log-level", "info", "--component-log-level", "wasm:trace"];

/// What it logs while it is measured: a line for each call of the filter would be a part of what is measured.
pub(super) const QUIET: [&str; 2] = ["--log-level", "info"];

/// How much of the log an error shows.
const TAIL: usize = 3000;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    admin_address: PathBuf,
}

impl Process {
    pub(super) fn spawn(
        binary: &Path,
        config: &Path,
        folder: &Path,
        environment: &BTreeMap<String, String>,
        concurrency: u32,
        arguments: &[&str],
    ) -> Result<Self> {
        let log = folder.join("envoy.log");
        let admin_address = folder.join("admin.address");
        // Appending: an access log on `/dev/stdout` is this file opened once more.
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(binary)
            .arg("--config-path")
            .arg(config)
            .arg("--admin-address-path")
            .arg(&admin_address)
            .arg("--concurrency")
            .arg(concurrency.to_string())
            // Several run at once, and none ever takes over from another.
            .arg("--disable-hot-restart")
            .args(DRAINING)
            .args(["--file-flush-interval-msec", "10"])
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self {
            child,
            log,
            admin_address,
        })
    }

    /// The admin interface's address, once Envoy has chosen a port.
    pub(super) async fn wait_for_admin(&mut self) -> Result<SocketAddr> {
        until("Envoy's admin address", async || {
            self.must_run()?;
            // Envoy writes the file in one go, but it exists before it is filled.
            let text = std::fs::read_to_string(&self.admin_address).unwrap_or_default();
            Ok(text.trim().parse().ok())
        })
        .await
    }

    /// An error with the end of the log if the process is gone.
    pub(super) fn must_run(&mut self) -> Result<()> {
        let Some(status) = self.ended()? else {
            return Ok(());
        };
        let log = self.log()?;
        let start = log.floor_char_boundary(log.len().saturating_sub(TAIL));
        Err(Error::EnvoyEnded {
            status: status.to_string(),
            log: self.log.clone(),
            tail: log.get(start..).unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub(super) fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
