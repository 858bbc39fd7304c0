//! What can go wrong in the harness itself. A wrong answer of the gateway is never an [`Error`]: tests compare answers.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A fault of the harness: something did not start, did not speak HTTP or did not happen in time.
#[derive(thiserror::Error)]
pub enum Error {
    /// A socket, file or process failed.
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
    /// hyper refused to send or could not read.
    #[error("HTTP failed: {0}")]
    Hyper(#[from] hyper::Error),
    /// The other side closed the connection before a whole answer.
    #[error("the connection closed after {0} bytes, before a whole answer")]
    Closed(usize),
    /// The other side sent something that is not HTTP/1.1.
    #[error("not an HTTP/1.1 answer: {0}")]
    Malformed(String),
    /// The request has bytes that this protocol's client cannot write.
    #[error("{protocol} cannot express this request: {reason}")]
    Inexpressible {
        /// The protocol, as people write it.
        protocol: &'static str,
        /// Which part, and why.
        reason: String,
    },
    /// A bounded wait ended.
    #[error("{what} did not happen within {seconds} seconds")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// Envoy ended by itself.
    #[error("Envoy ended with {status}; its log is {log}:\n{tail}", log = log.display())]
    EnvoyEnded {
        /// Its exit status in words.
        status: String,
        /// The whole log.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },
    /// The test host failed.
    #[error("the test host failed: {0}")]
    Host(String),
    /// Something of the fixture could not be made.
    #[error("the fixture is wrong: {0}")]
    Fixture(String),
    /// A program in Python, or what it needs.
    #[error("Python: {0}")]
    Python(String),
    /// JSON that could not be read.
    #[error("not the JSON that was expected: {0}")]
    Json(#[from] serde_json::Error),
    /// An environment variable that `cargo xtask test` sets is not there.
    #[error("{0} is not set: run cargo xtask test")]
    NotUnderXtask(&'static str),
}

/// A test that returns an error prints it with `Debug`; what a person wants to read is the sentence.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The harness's result.
pub type Result<T> = std::result::Result<T, Error>;
