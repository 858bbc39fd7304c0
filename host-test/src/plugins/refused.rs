//! Configurations that are not accepted.

use std::fmt;

use crate::exchange::LogLine;
use crate::vm::Dead;

/// A configuration that was not accepted, with everything that the guest logged about it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConfigRefused {
    /// How it was refused.
    pub reason: RefusalReason,
    /// The lines that were logged meanwhile.
    pub log: Vec<LogLine>,
}

/// How a configuration was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// `proxy_on_configure` returned false.
    #[error("proxy_on_configure refused the configuration")]
    Configure,
    /// `proxy_on_vm_start` returned false.
    #[error("proxy_on_vm_start refused to start")]
    VmStart,
    /// The VM died while it started or was configured.
    #[error("the VM died: {0}")]
    Trap(String),
}

impl ConfigRefused {
    /// The last line that was logged: by custom, what is wrong with the configuration.
    pub fn last_message(&self) -> &str {
        self.log.last().map_or("", |line| &line.message)
    }
}

impl fmt::Display for ConfigRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        // What the VM died of is in the log too.
        let mut lines = self.log.iter().rev().map(|line| &line.message);
        match lines.find(
            |message| !matches!(&self.reason, RefusalReason::Trap(reason) if reason == *message),
        ) {
            None => Ok(()),
            Some(message) => write!(f, ": {message}"),
        }
    }
}

impl std::error::Error for ConfigRefused {}

impl From<Dead> for RefusalReason {
    fn from(dead: Dead) -> Self {
        Self::Trap(dead.0)
    }
}
