//! The Envoy process: started with a configuration, its log read, and killed by its handle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{EnvoyError, message};
use crate::status::LogLevel;
use crate::trace::Trace;

/// How long Envoy may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(5);
/// How much of the log an error shows.
const TAIL: usize = 3000;

/// What a log says of guests.
#[derive(Debug, Default)]
pub(crate) struct Logged {
    /// The lines of the boundary, but for those of ticks.
    pub(crate) trace: Trace,
    /// What guests logged.
    pub(crate) messages: Vec<(LogLevel, String)>,
}

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    folder: PathBuf,
    admin: SocketAddr,
    /// How far its log was read.
    read: u64,
}

impl Envoy {
    /// Starts it in this folder, and waits until it is ready. The guest sees no variables but these.
    pub(crate) fn start(
        binary: &Path,
        folder: &Path,
        bootstrap: &Value,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, EnvoyError> {
        let config = folder.join("envoy.json");
        std::fs::write(&config, bootstrap.to_string())?;
        let log = File::create(folder.join("envoy.log"))?;
        let child = Command::new(binary)
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(folder.join("admin.address"))
            .args(["--concurrency", "1", "--disable-hot-restart"])
            // `debug` would log request headers; the trace names calls and sizes only.
            .args(["--log-level", "info", "--component-log-level", "wasm:trace"])
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut envoy = Self {
            child,
            folder: folder.to_owned(),
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            read: 0,
        };
        envoy.admin = envoy.wait("open its admin interface", |envoy| {
            let text = std::fs::read_to_string(envoy.folder.join("admin.address"));
            Ok(text.unwrap_or_default().trim().parse().ok())
        })?;
        envoy.wait("become ready", |envoy| {
            Ok((message::get(envoy.admin, "/ready")?.0 == 200).then_some(()))
        })?;
        Ok(envoy)
    }

    /// The addresses of its listeners, by name.
    pub(crate) fn listeners(
        &mut self,
        count: usize,
    ) -> Result<BTreeMap<String, SocketAddr>, EnvoyError> {
        self.wait("open its listeners", |envoy| {
            let (_, page) = message::get(envoy.admin, "/listeners?format=json")?;
            let page: Value = serde_json::from_slice(&page).unwrap_or_default();
            let listeners = page["listener_statuses"].as_array();
            let listeners = listeners.into_iter().flatten().filter_map(|status| {
                let name = status["name"].as_str()?.to_owned();
                let port = &status["local_address"]["socket_address"]["port_value"];
                let port = u16::try_from(port.as_u64()?)
                    .ok()
                    .filter(|port| *port > 0)?;
                Some((name, SocketAddr::from(([127, 0, 0, 1], port))))
            });
            let listeners: BTreeMap<_, _> = listeners.collect();
            Ok((listeners.len() == count).then_some(listeners))
        })
    }

    /// What was logged since this was last taken, once there are `expected` lines of trace and no more come for a moment. Envoy may have
    /// fewer lines than that; then the wait is longer.
    pub(crate) fn take_log(&mut self, expected: usize) -> Result<Logged, EnvoyError> {
        /// How long nothing may come before the trace is taken for whole.
        const QUIET: Duration = Duration::from_millis(40);
        /// The same when lines are missing.
        const PATIENT: Duration = Duration::from_millis(1500);
        let mut text = String::new();
        let mut before = 0;
        let mut changed = Instant::now();
        loop {
            text.push_str(&self.read_log()?);
            let trace = Trace::parse(&text).without_ticks();
            if trace.lines().len() > before {
                before = trace.lines().len();
                changed = Instant::now();
            }
            let quiet = if trace.lines().len() >= expected {
                QUIET
            } else {
                PATIENT
            };
            if changed.elapsed() >= quiet {
                let messages = text.lines().filter_map(message).collect();
                return Ok(Logged { trace, messages });
            }
            self.must_run()?;
            std::thread::sleep(INTERVAL);
        }
    }

    fn read_log(&mut self) -> Result<String, EnvoyError> {
        let mut file = File::open(self.folder.join("envoy.log"))?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // The last line may be half written.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(whole.map_or(0, |at| at + 1));
        self.read += bytes.len() as u64;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn wait<T>(
        &mut self,
        what: &'static str,
        mut done: impl FnMut(&mut Self) -> Result<Option<T>, EnvoyError>,
    ) -> Result<T, EnvoyError> {
        let start = Instant::now();
        loop {
            self.must_run()?;
            if let Some(done) = done(self)? {
                return Ok(done);
            }
            if start.elapsed() > PATIENCE {
                return Err(EnvoyError::Late(what));
            }
            std::thread::sleep(INTERVAL);
        }
    }

    fn must_run(&mut self) -> Result<(), EnvoyError> {
        if self.child.try_wait()?.is_none() {
            return Ok(());
        }
        let log = std::fs::read(self.folder.join("envoy.log"))?;
        let log = String::from_utf8_lossy(&log).into_owned();
        let errors = log.lines().filter(|line| {
            line.contains("[critical]") || line.contains("[error]") || line.contains("[warning]")
        });
        let errors = errors.collect::<Vec<_>>().join("\n");
        let start = errors.floor_char_boundary(errors.len().saturating_sub(TAIL));
        Err(EnvoyError::Ended(errors[start..].to_owned()))
    }
}

/// What a guest logged in this line of a log: `[time][thread][info][wasm] [file] wasm log PLUGIN: TEXT`.
fn message(line: &str) -> Option<(LogLevel, String)> {
    const LEVELS: [(&str, LogLevel); 6] = [
        ("trace", LogLevel::Trace),
        ("debug", LogLevel::Debug),
        ("info", LogLevel::Info),
        ("warning", LogLevel::Warn),
        ("error", LogLevel::Error),
        ("critical", LogLevel::Critical),
    ];
    let (head, rest) = line.split_once("[wasm] ")?;
    let (_, rest) = rest.split_once("] wasm log")?;
    let (_, text) = rest.split_once(": ").unwrap_or((rest, ""));
    let level = LEVELS
        .iter()
        .find(|(name, _)| head.ends_with(&format!("[{name}]")))?;
    Some((level.1, text.to_owned()))
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for already.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_logs_is_told_from_what_envoy_says() {
        let log = |rest: &str| message(&format!("[2026-11-24 14:20:22.149][29551]{rest}"));
        let logged = "[warning][wasm] [source/context.cc:1154] wasm log plugin vm-0: hello: x";
        assert_eq!(log(logged), Some((LogLevel::Warn, "hello: x".to_owned())));
        for other in [
            "[trace][wasm] [source/context.cc:1154] [vm->host] env.proxy_log(2, 8, 8)",
            "[info][main] [source/server.cc:1] wasm log",
        ] {
            assert_eq!(log(other), None, "{other}");
        }
    }
}
