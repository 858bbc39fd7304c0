//! The names of log levels in scenarios.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::status::LogLevel;

/// A log level by its name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LogLevel")]
pub enum LogLevelName {
    /// 0.
    Trace,
    /// 1.
    Debug,
    /// 2.
    Info,
    /// 3.
    Warning,
    /// 4.
    Error,
    /// 5.
    Critical,
}

impl From<LogLevelName> for LogLevel {
    fn from(name: LogLevelName) -> Self {
        match name {
            LogLevelName::Trace => Self::Trace,
            LogLevelName::Debug => Self::Debug,
            LogLevelName::Info => Self::Info,
            LogLevelName::Warning => Self::Warn,
            LogLevelName::Error => Self::Error,
            LogLevelName::Critical => Self::Critical,
        }
    }
}
